//! Fire and forget: an event goes into the buffers of those who want it, and nobody waits for them.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use oneiric_core::Fault;
use oneiric_core::manifest::Overflow;
use oneiric_core::roles::Envelope;
use serde::Serialize;

use crate::buffer::{Chain, Entering, Job, Offered};
use crate::dispatcher::Dispatcher;
use crate::stats::Stats;
use crate::table::{Live, Mode, Route, Table};

/// What became of an event that nobody waits for.
///
/// Shape in JSON: `{"taken":2,"overflowed":0,"refused":[{"handler":"k:p","fault":{...}}]}`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Passed {
    /// How many handlers will have it, as far as the process lives.
    pub taken: usize,
    /// How many had no room and dropped it, as their policy says.
    pub overflowed: usize,
    /// Those that did not take it, with why: the gate keeps events from them now, or they had no room and
    /// want that to be known.
    pub refused: Vec<Refused>,
}

/// A handler that did not take an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refused {
    /// The handler: `key:provider`.
    pub handler: Arc<str>,
    /// Why. Its class says whether emitting again may help.
    pub fault: Fault,
}

/// Somebody who has no room for the event yet.
struct Full<'t> {
    live: &'t Arc<Live>,
    /// How many handlers have to do without the event if there will be none.
    handlers: usize,
    entering: Entering<'t>,
}

impl Dispatcher {
    /// Puts an event into the buffers of everybody who wants it. When this returns, each of them has it in the
    /// buffer, or has dropped or refused it; nobody has been waited for but those whose policy is to block, all
    /// of them at the same time, each for as long as a call of its handler may take. Nothing is stored.
    ///
    /// Urgent events are handled first, equal ones in the order in which they were emitted, as many at a time as
    /// the subscription allows. A failure is a warning in the log. Dropping the future drops the event for
    /// those who had no room yet, which is counted as well.
    ///
    /// A handler may emit, to itself also: where its own buffer is full and blocks, it waits until its time is
    /// up, and no longer.
    pub async fn emit(&self, envelope: impl Into<Arc<Envelope>>) -> Passed {
        let (table, envelope) = (self.table(), envelope.into());
        let route = table.route(&envelope);
        self.pass(&table, &route, &envelope).await
    }

    /// Puts an event into the buffers along its route.
    pub(crate) async fn pass(&self, table: &Arc<Table>, route: &Route, envelope: &Arc<Envelope>) -> Passed {
        let mut passed = Passed::default();
        if route.is_empty() {
            return passed;
        }
        // Whoever shuts down waits for those who have come so far.
        let _under_way = self.0.tasks.token();
        let mut full = Vec::new();
        for place in &route.alone {
            let live = table.live(*place);
            if self.lets_pass(live, envelope, &mut passed) {
                full.extend(self.give(live, Job::One(Arc::clone(envelope)), 1, &mut passed));
            }
        }
        for (chain, until_success) in [(&route.ordered, false), (&route.first_success, true)] {
            let places: Vec<u32> = chain
                .iter()
                .copied()
                .filter(|place| self.lets_pass(table.live(*place), envelope, &mut passed))
                .collect();
            let Some(first) = places.first().map(|place| table.live(*place)) else { continue };
            let (handlers, envelope) = (places.len(), Arc::clone(envelope));
            let chain = Chain { table: Arc::clone(table), places, until_success, envelope };
            full.extend(self.give(first, Job::Chain(Box::new(chain)), handlers, &mut passed));
        }
        if !full.is_empty() {
            self.wait_for_room(full, &mut passed).await;
        }
        passed
    }

    /// Whether an event may go into a buffer at all.
    fn lets_pass(&self, live: &Arc<Live>, envelope: &Envelope, passed: &mut Passed) -> bool {
        let parts = &self.0.parts;
        let now = parts.clock.now();
        let fault = if self.0.stop.is_cancelled() {
            Fault::shutdown("the process goes down")
        } else if envelope.has_expired(now) {
            Stats::count(&live.stats.expired);
            Fault::permanent("expired", "the event had expired")
        } else if let Some(denial) = parts.shut(live, envelope, now) {
            Stats::count(&live.stats.refused);
            denial.into()
        } else {
            return true;
        };
        passed.refused.push(Refused { handler: Arc::clone(&live.subscription.name), fault });
        false
    }

    fn give<'t>(
        &self,
        live: &'t Arc<Live>,
        job: Job,
        handlers: usize,
        passed: &mut Passed,
    ) -> Option<Full<'t>> {
        match live.buffer.offer(job) {
            Offered::Taken => {
                passed.taken += handlers;
                self.hire(live);
            }
            Offered::Wait(entering) => return Some(Full { live, handlers, entering }),
            Offered::Full if live.subscription.overflow == Overflow::Reject => {
                let fault = no_room(live);
                passed.refused.push(Refused { handler: Arc::clone(&live.subscription.name), fault });
            }
            Offered::Full => passed.overflowed += handlers,
            Offered::Gone => {
                let fault = Fault::permanent("gone", "nobody pulls from the subscription any more");
                passed.refused.push(Refused { handler: Arc::clone(&live.subscription.name), fault });
            }
        }
        None
    }

    /// Waits for all of them at the same time.
    async fn wait_for_room(&self, full: Vec<Full<'_>>, passed: &mut Passed) {
        let wait = |Full { live, handlers, entering }| async move {
            let entered = tokio::select! {
                biased;
                entered = entering.enter() => entered,
                () = self.0.parts.clock.sleep(live.subscription.timeout) => false,
                () = self.0.stop.cancelled() => false,
            };
            if entered {
                self.hire(live);
            }
            (entered, handlers)
        };
        let mut waiting: FuturesUnordered<_> = full.into_iter().map(wait).collect();
        while let Some((entered, handlers)) = waiting.next().await {
            let count = if entered { &mut passed.taken } else { &mut passed.overflowed };
            *count += handlers;
        }
    }

    /// Starts workers where some are needed.
    pub(crate) fn hire(&self, live: &Arc<Live>) {
        if live.mode == Mode::Pull {
            return;
        }
        for _ in 0..live.buffer.hire(live.subscription.max_concurrency) {
            self.spawn_worker(live);
        }
    }
}

/// Nothing more fits into a buffer.
pub(crate) fn no_room(live: &Live) -> Fault {
    let Live { subscription, .. } = live;
    let (name, most) = (&subscription.name, subscription.buffer);
    Fault::transient("no-room", format!("{most} events wait for `{name}`, and no more are allowed to"))
}
