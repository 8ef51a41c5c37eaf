//! What a replay makes of one event of the log. Pure.
//!
//! A delivery is one event and one handler, and a replay makes what is missing of them: repeating it changes
//! nothing. What is over it begins anew only where that was asked for, and what is on its way it leaves alone.
//! Whatever else happens to the event meanwhile refuses the batch.

use std::collections::BTreeSet;

use oneiric_core::Timestamp;
use oneiric_core::roles::DeliveryMode;
use oneiric_store::{
    Batch, ChainMode, DeliveryRecord, DeliveryState, DeliveryStatus, EnvelopeRecord, Op, Require,
};

use crate::accept::mode;
use crate::dispatcher::Dispatcher;
use crate::table::{Route, Table};

/// Which deliveries a replay is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Repeat {
    /// Those that an event should have by the subscriptions of now, and does not have.
    #[default]
    Missing,
    /// Those, and those that are over, once more.
    Over,
    /// Dead letters and nothing else, whether or not this process knows their handlers.
    Dead,
}

/// What a replay does with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was missing, and is made.
    Made,
    /// It was over, and begins anew.
    Again,
    /// It is over, and stays so.
    There,
    /// It is on its way, and is left alone.
    Open,
}

/// What a replay makes of one event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Repeated {
    /// What is written; refused where a delivery has changed since it was read. Empty where there is nothing.
    pub batch: Batch,
    /// What becomes of each delivery that it is about, by handler.
    pub fates: Vec<(String, Fate)>,
}

impl Repeated {
    /// Whether something is written.
    pub fn is_something(&self) -> bool {
        !self.batch.ops.is_empty()
    }

    /// Dead letters of an event begin anew. `handlers` says which; empty is all.
    pub fn dead(
        event: &EnvelopeRecord,
        there: &[DeliveryRecord],
        handlers: &BTreeSet<String>,
        now: Timestamp,
    ) -> Self {
        let mut repeated = Self::default();
        let wanted = |delivery: &&DeliveryRecord| {
            delivery.state.status == DeliveryStatus::Dead
                && (handlers.is_empty() || handlers.contains(&delivery.handler))
        };
        for chain in [ChainMode::Ordered, ChainMode::FirstSuccess] {
            // Those that stood in one chain stand in one again; who is not dead any more is not in it.
            let dead: Vec<&DeliveryRecord> =
                there.iter().filter(wanted).filter(|delivery| delivery.chain == chain).collect();
            for line in lines(&dead) {
                repeated.chain(event, &line, chain, now);
            }
        }
        repeated
    }

    /// Puts deliveries one behind the other: new ones and those that begin anew.
    fn chain(&mut self, event: &EnvelopeRecord, line: &[Link<'_>], chain: ChainMode, now: Timestamp) {
        let names: Vec<String> = line.iter().map(|link| link.handler.to_owned()).collect();
        for (at, link) in line.iter().enumerate() {
            let mut state = DeliveryState::due(now);
            if at > 0 {
                state.status = DeliveryStatus::Held;
            }
            let record = Box::new(DeliveryRecord {
                event: event.id.clone(),
                handler: names[at].clone(),
                priority: event.envelope.priority,
                chain,
                behind: names[at + 1..].to_vec(),
                state,
            });
            let (id, handler) = (event.id.clone(), names[at].clone());
            let (require, op, fate) = match link.epoch {
                None => (Require::DeliveryAbsent { event: id, handler }, Op::PutDelivery(record), Fate::Made),
                Some(epoch) => {
                    let fence = Require::DeliveryEpoch { event: id, handler, epoch };
                    (fence, Op::RenewDelivery(record), Fate::Again)
                }
            };
            self.batch.require.push(require);
            self.batch.ops.push(op);
            self.fates.push((names[at].clone(), fate));
        }
    }
}

/// A delivery that is made, or begins anew under the fence that it has.
struct Link<'a> {
    handler: &'a str,
    epoch: Option<u64>,
}

impl<'a> Link<'a> {
    fn anew(delivery: &'a DeliveryRecord) -> Self {
        Self { handler: &delivery.handler, epoch: Some(delivery.state.epoch) }
    }
}

/// Deliveries in the chains that their rows say: who names another as behind it comes in front of it.
fn lines<'a>(deliveries: &[&'a DeliveryRecord]) -> Vec<Vec<Link<'a>>> {
    let mut rest: Vec<&DeliveryRecord> = deliveries.to_vec();
    // The first of a chain has the most behind it.
    rest.sort_by_key(|delivery| std::cmp::Reverse(delivery.behind.len()));
    let mut lines = Vec::new();
    while !rest.is_empty() {
        let first = rest.remove(0);
        let (mut line, mut others) = (vec![first], Vec::new());
        for delivery in rest {
            if first.behind.contains(&delivery.handler) { line.push(delivery) } else { others.push(delivery) }
        }
        line.sort_by_key(|delivery| first.behind.iter().position(|name| *name == delivery.handler));
        lines.push(line.into_iter().map(Link::anew).collect());
        rest = others;
    }
    lines
}

impl Dispatcher {
    /// Decides what a replay makes of an event by the subscriptions of now. `there` is what it has already, and
    /// `handlers` whom it is about; empty is everybody who is promised the event. A handler that is named gets it
    /// even where it is promised nothing.
    ///
    /// Nothing is made of an event that has expired: it is of no use to anybody.
    pub fn repeat(
        &self,
        event: &EnvelopeRecord,
        there: &[DeliveryRecord],
        repeat: Repeat,
        handlers: &BTreeSet<String>,
        now: Timestamp,
    ) -> Repeated {
        if event.envelope.has_expired(now) {
            return Repeated::default();
        }
        if repeat == Repeat::Dead {
            return Repeated::dead(event, there, handlers, now);
        }
        let table = self.table();
        let Route { alone, ordered, first_success } = table.route(&event.envelope);
        let asked = Asked { event, table: &table, there, repeat, handlers, now };
        let mut repeated = Repeated::default();
        for place in &alone {
            asked.of(std::slice::from_ref(place), ChainMode::Ordered, &mut repeated);
        }
        asked.of(&ordered, ChainMode::Ordered, &mut repeated);
        asked.of(&first_success, ChainMode::FirstSuccess, &mut repeated);
        repeated
    }
}

/// What is asked of one event.
struct Asked<'a> {
    event: &'a EnvelopeRecord,
    table: &'a Table,
    there: &'a [DeliveryRecord],
    repeat: Repeat,
    handlers: &'a BTreeSet<String>,
    now: Timestamp,
}

impl<'a> Asked<'a> {
    fn of(&self, places: &'a [u32], chain: ChainMode, into: &mut Repeated) {
        let live = |place: &u32| self.table.live(*place);
        let found = |name: &str| self.there.iter().find(|delivery| delivery.handler == name);
        // As at acceptance: a chain is promised as a whole if one of its handlers is.
        let promised =
            places.iter().any(|place| mode(&self.event.envelope, live(place)) == DeliveryMode::AtLeastOnce);
        let mut fates = Vec::new();
        let mut line = Vec::new();
        for place in places {
            let name: &'a str = &self.table.live(*place).subscription.name;
            let named = self.handlers.contains(name);
            let row = found(name);
            if !(named || self.handlers.is_empty() && (promised || row.is_some())) {
                continue;
            }
            match row {
                None => line.push(Link { handler: name, epoch: None }),
                Some(row) if !row.state.status.is_over() => fates.push((name.to_owned(), Fate::Open)),
                Some(row) if self.repeat == Repeat::Over => line.push(Link::anew(row)),
                Some(_) => fates.push((name.to_owned(), Fate::There)),
            }
        }
        into.fates.append(&mut fates);
        if chain == ChainMode::FirstSuccess && !line.is_empty() {
            // Nobody is asked beside one that may succeed, or has: that is what the chain promises.
            let rows = places.iter().filter_map(|place| found(&live(place).subscription.name));
            let done = |status| status == DeliveryStatus::Done && self.repeat == Repeat::Missing;
            if rows.map(|row| row.state.status).any(|status| !status.is_over() || done(status)) {
                return;
            }
        }
        into.chain(self.event, &line, chain, self.now);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use oneiric_core::Fault;
    use oneiric_core::gate::Pipeline;
    use oneiric_core::manifest::FanoutPolicy;
    use oneiric_core::rng::SeededRng;
    use oneiric_core::roles::Envelope;
    use oneiric_testkit::ManualClock;
    use serde_json::Value;

    use super::*;
    use crate::{Defaults, Handler, Interest, Parts, Pattern, Subscription, typed};

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn event() -> EnvelopeRecord {
        EnvelopeRecord::new("e".parse().unwrap(), Envelope::new("t".parse().unwrap(), Value::Null), at(1))
    }

    fn row(handler: &str, status: DeliveryStatus) -> DeliveryRecord {
        DeliveryRecord {
            event: "e".parse().unwrap(),
            handler: handler.to_owned(),
            priority: event().envelope.priority,
            chain: ChainMode::Ordered,
            behind: Vec::new(),
            state: DeliveryState { status, epoch: 5, ..DeliveryState::due(at(2)) },
        }
    }

    /// A dispatcher with handlers of these names and policies, the first one the highest.
    fn table(handlers: &[(&str, FanoutPolicy, DeliveryMode)]) -> Dispatcher {
        let (clock, rng) = (Arc::new(ManualClock::new()), Arc::new(SeededRng::new(1)));
        let dispatcher = Dispatcher::new(Parts { clock, rng, gate: Arc::new(Pipeline::standard()) });
        for (name, fanout, delivery) in handlers {
            let subscription = Subscription {
                interest: Interest::topic(Pattern::new("t").unwrap()),
                fanout: *fanout,
                delivery: *delivery,
                ..Subscription::new(*name, "k".parse().unwrap(), &Defaults::default())
            };
            let handler = typed(|value: Value| async move { Ok::<_, Fault>(value) });
            dispatcher.subscribe(subscription, Handler::fixed(Arc::new(handler)));
        }
        dispatcher
    }

    /// `a made behind=[b]`, one for each write.
    fn written(repeated: &Repeated) -> Vec<String> {
        let tell = |op: &Op| match op {
            Op::PutDelivery(record) => format!("put {} {}", told(record), record.state.status),
            Op::RenewDelivery(record) => format!("renew {} {}", told(record), record.state.status),
            other => panic!("{other:?}"),
        };
        fn told(record: &DeliveryRecord) -> String {
            [&[record.handler.clone()], record.behind.as_slice()].concat().join(">")
        }
        assert_eq!(repeated.batch.require.len(), repeated.batch.ops.len());
        repeated.batch.ops.iter().map(tell).collect()
    }

    const STORED: DeliveryMode = DeliveryMode::AtLeastOnce;
    const PASSING: DeliveryMode = DeliveryMode::FireAndForget;

    #[test]
    fn what_is_missing_is_made_and_the_rest_is_left_alone() {
        use DeliveryStatus::{Dead, Done, Pending};
        let broadcast = FanoutPolicy::Broadcast;
        let dispatcher = table(&[
            ("a", broadcast, STORED),
            ("b", broadcast, STORED),
            ("c", broadcast, STORED),
            ("d", broadcast, PASSING),
        ]);
        let check = |repeat, handlers: &[&str], there: &[DeliveryRecord], expected: &[&str]| {
            let handlers = handlers.iter().map(|name| (*name).to_owned()).collect();
            let repeated = dispatcher.repeat(&event(), there, repeat, &handlers, at(9));
            assert_eq!(written(&repeated), expected);
        };
        let some = [row("a", Done), row("b", Pending), row("gone", Dead)];
        check(Repeat::Missing, &[], &[], &["put a pending", "put b pending", "put c pending"]);
        check(Repeat::Missing, &[], &some, &["put c pending"]);
        check(Repeat::Missing, &["a", "d"], &some, &["put d pending"]);
        check(Repeat::Missing, &[], &[row("a", Done), row("b", Dead), row("c", Done)], &[]);
        check(Repeat::Over, &[], &some, &["renew a pending", "put c pending"]);
        check(Repeat::Over, &["b"], &some, &[]);
        check(Repeat::Dead, &[], &some, &["renew gone pending"]);
        check(Repeat::Dead, &["a"], &some, &[]);
    }

    #[test]
    fn an_order_is_kept_among_those_that_go_again() {
        use DeliveryStatus::{Dead, Done, Held, Pending};
        let ordered = FanoutPolicy::Ordered;
        let dispatcher = table(&[("a", ordered, STORED), ("b", ordered, PASSING), ("c", ordered, PASSING)]);
        let check = |repeat, there: &[DeliveryRecord], expected: &[&str]| {
            let repeated = dispatcher.repeat(&event(), there, repeat, &BTreeSet::new(), at(9));
            assert_eq!(written(&repeated), expected);
        };
        check(Repeat::Missing, &[], &["put a>b>c pending", "put b>c held", "put c held"]);
        check(Repeat::Missing, &[row("b", Done)], &["put a>c pending", "put c held"]);
        check(Repeat::Over, &[row("b", Done)], &["put a>b>c pending", "renew b>c held", "put c held"]);
        let dead = |handler, behind: &[&str]| DeliveryRecord {
            behind: behind.iter().map(|name| (*name).to_owned()).collect(),
            ..row(handler, Dead)
        };
        // Whoever is done stays done, also behind one that goes again.
        let there = [dead("a", &["b", "c"]), row("b", Done), dead("c", &[])];
        check(Repeat::Dead, &there, &["renew a>c pending", "renew c held"]);
        let there = [dead("a", &["b", "c"]), row("b", Pending), row("c", Held)];
        check(Repeat::Dead, &there, &["renew a pending"]);
    }

    #[test]
    fn nobody_is_asked_beside_one_that_may_succeed() {
        use DeliveryStatus::{Dead, Done, Pending, Skipped};
        let first = FanoutPolicy::FirstSuccess;
        let dispatcher = table(&[("new", first, STORED), ("a", first, STORED), ("b", first, STORED)]);
        let check = |repeat, there: &[DeliveryRecord], expected: &[&str]| {
            let repeated = dispatcher.repeat(&event(), there, repeat, &BTreeSet::new(), at(9));
            assert_eq!(written(&repeated), expected);
        };
        check(Repeat::Missing, &[row("a", Done), row("b", Skipped)], &[]);
        check(Repeat::Missing, &[row("a", Dead), row("b", Pending)], &[]);
        check(Repeat::Missing, &[row("a", Dead), row("b", Dead)], &["put new pending"]);
        let all = ["put new>a>b pending", "renew a>b held", "renew b held"];
        check(Repeat::Over, &[row("a", Done), row("b", Skipped)], &all);
    }

    #[test]
    fn an_event_that_has_expired_is_not_replayed() {
        let dispatcher = table(&[("a", FanoutPolicy::Broadcast, STORED)]);
        let mut late = event();
        late.envelope.expires_at = Some(at(9));
        let all = |now| dispatcher.repeat(&late, &[], Repeat::Over, &BTreeSet::new(), at(now));
        assert!(all(8).is_something());
        assert!(!all(9).is_something());
    }
}
