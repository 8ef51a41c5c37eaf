//! Events: who wants them, what handlers do, and what must become of every one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::manifest::FanoutPolicy;
use oneiric_core::retry::RetryPolicy;
use oneiric_core::roles::{DeliveryMode, Envelope, EventHandler, EventId};
use oneiric_core::{Clock as _, Fault, Payload, Timestamp};
use oneiric_events::{Courier, Defaults, Handler, Subscription};
use oneiric_store::{
    Batch, ChainMode, CommitError, DeliveryFilter, DeliveryRecord, DeliveryStatus, EnvelopeRecord, Refusal,
    Store as _,
};
use serde_json::json;

use super::audit::{Broken, Invariant, Who};
use super::disk::Disk;
use super::fuse::Fuse;
use super::scene::{Scene, now};

/// How often whoever emits an event does so again where it is not answered.
const TRIES: u32 = 5;

/// Who wants every event, in which way, at which place of its chain, and what becomes of it there.
const HANDLERS: [(&str, FanoutPolicy, i32, DeliveryStatus); 7] = [
    ("alone", FanoutPolicy::Broadcast, 0, DeliveryStatus::Done),
    ("first", FanoutPolicy::Ordered, 3, DeliveryStatus::Done),
    ("second", FanoutPolicy::Ordered, 2, DeliveryStatus::Dead),
    ("third", FanoutPolicy::Ordered, 1, DeliveryStatus::Done),
    ("wrong", FanoutPolicy::FirstSuccess, 3, DeliveryStatus::Dead),
    ("right", FanoutPolicy::FirstSuccess, 2, DeliveryStatus::Done),
    ("unneeded", FanoutPolicy::FirstSuccess, 1, DeliveryStatus::Skipped),
];

/// The account of events.
#[derive(Debug, Default)]
pub(super) struct Heard {
    acknowledged: BTreeSet<EventId>,
    /// Effects by event and handler: the outside world honours this key.
    effects: BTreeSet<(EventId, String)>,
    /// How often handlers were called.
    pub(super) calls: u64,
}

impl Heard {
    /// What has to hold once everything has come to rest.
    pub(super) fn judge(&self, deliveries: &[DeliveryRecord]) -> Result<(), Broken> {
        let broken = |invariant, what: String| Err(Broken { invariant, what });
        let mut found: BTreeMap<(EventId, &str), DeliveryStatus> = BTreeMap::new();
        for delivery in deliveries {
            found.insert((delivery.event.clone(), &delivery.handler), delivery.state.status);
        }
        let known: BTreeSet<&EventId> = deliveries.iter().map(|delivery| &delivery.event).collect();
        if let Some(lost) = self.acknowledged.iter().find(|event| !known.contains(event)) {
            return broken(Invariant::NothingAcknowledgedIsLost, format!("{lost} is gone"));
        }
        for event in known {
            for (handler, _, _, expected) in HANDLERS {
                let status = found.get(&(event.clone(), handler));
                if status != Some(&expected) {
                    let what = format!("{event} is {status:?} for {handler}, {expected} was right");
                    return broken(Invariant::NothingAcknowledgedIsLost, what);
                }
                let done = expected == DeliveryStatus::Done;
                if done && !self.effects.contains(&(event.clone(), handler.to_owned())) {
                    let what = format!("{event} is done for {handler}, its effect never happened");
                    return broken(Invariant::EffectsOnce, what);
                }
            }
        }
        Ok(())
    }
}

/// Who handles events in one process.
struct Hears {
    name: &'static str,
    who: Who,
    scene: Arc<Scene>,
    disk: Arc<Disk>,
    fuse: Arc<Fuse>,
}

/// The subscriptions of one process.
pub(super) fn subscribe(courier: &Courier, who: Who, scene: &Arc<Scene>, disk: &Arc<Disk>, fuse: &Arc<Fuse>) {
    let retry =
        RetryPolicy { attempts: u32::MAX, base_delay: 0.2, max_delay: Some(7.0), ..RetryPolicy::ONCE };
    for (name, fanout, priority, _) in HANDLERS {
        let key = name.parse().expect("a word is a key");
        let plain = Subscription::new(name, key, &Defaults::default());
        let subscription = Subscription { fanout, priority, retry: Some(retry), max_concurrency: 2, ..plain };
        let (scene, disk, fuse) = (Arc::clone(scene), Arc::clone(disk), Arc::clone(fuse));
        let hears = Hears { name, who, scene, disk, fuse };
        courier.dispatcher().subscribe(subscription, Handler::fixed(Arc::new(hears)));
    }
}

/// Emits event `number`, again where nobody says that it was accepted.
pub(super) async fn emit(courier: Courier, number: u64, scene: Arc<Scene>) {
    let id = EventId::new(format!("event-{number}")).expect("a word is an id");
    let plain = Envelope::new("order.paid".parse().expect("a topic"), json!({"n": number}));
    let plain = plain.with_header("event_id", id.as_str());
    let envelope = Envelope { delivery: Some(DeliveryMode::AtLeastOnce), ..plain };
    for _ in 0..TRIES {
        let plan = courier.dispatcher().plan(&envelope);
        let record = EnvelopeRecord::new(id.clone(), envelope.clone(), Timestamp::default());
        let limit = scene.tasks.millis(0, 4_000);
        match courier.emit_and_wait(plan, record, Batch::default(), limit).await {
            Ok(_) | Err(CommitError::Refused(Refusal::EventExists(_))) => {
                let mut audit = scene.audit();
                audit.note(format_args!("{id} acknowledged"));
                audit.heard().acknowledged.insert(id);
                return;
            }
            Err(_) => scene.clock.sleep(Duration::from_millis(300)).await,
        }
    }
}

impl Hears {
    /// What a dead process does reaches nobody.
    async fn live(&self) {
        if !self.fuse.touch() {
            std::future::pending::<()>().await;
        }
    }

    /// That it is this handler's turn, and this process's.
    fn judge(&self, event: &EventId) {
        let rows = now(self.disk.memory().deliveries(DeliveryFilter::of(event.clone()))).unwrap_or_default();
        let rows: Vec<DeliveryRecord> = rows.into_iter().map(|(_, delivery)| delivery).collect();
        let mut audit = self.scene.audit();
        audit.note(format_args!("p{} calls {} with {event}", self.who.number, self.name));
        audit.heard().calls += 1;
        let Some(own) = rows.iter().find(|row| row.handler == self.name) else {
            return audit.breach(Invariant::CheckpointsHold, format!("{event} was not accepted and called"));
        };
        if own.state.status.is_over() {
            let what = format!("{event} is {} for {}, which was called again", own.state.status, self.name);
            return audit.breach(Invariant::CheckpointsHold, what);
        }
        if own.state.owner != Some(self.who.boot) {
            let what = format!("p{} calls {} with {event}, which is not its own", self.who.number, self.name);
            return audit.breach(Invariant::OneOwner, what);
        }
        for front in rows.iter().filter(|row| row.behind.iter().any(|name| name == self.name)) {
            let enough = front.chain == ChainMode::FirstSuccess && front.state.status == DeliveryStatus::Done;
            if enough || !front.state.status.is_over() {
                let (name, status) = (&front.handler, front.state.status);
                let what = format!("{} was called with {event} while {name} is {status}", self.name);
                return audit.breach(Invariant::CheckpointsHold, what);
            }
        }
    }
}

#[async_trait]
impl EventHandler for Hears {
    async fn handle(&self, envelope: &Envelope) -> Result<Payload, Fault> {
        let event = envelope.event_id().ok_or_else(|| Fault::permanent("nameless", "it has no id"))?;
        // At the very moment of the call: from here on the process may be stopped for as long as anybody likes.
        if self.fuse.is_alive() {
            self.judge(&event);
        }
        self.live().await;
        let (scene, dice) = (&*self.scene, &self.scene.tasks);
        scene.clock.sleep(dice.millis(0, 300)).await;
        if scene.faults() && dice.chance(150) {
            return Err(Fault::transient("flaky", "nothing was done"));
        }
        if ["second", "wrong"].contains(&self.name) {
            return Err(Fault::permanent("broken", "it never works"));
        }
        self.live().await;
        {
            let mut audit = scene.audit();
            audit.note(format_args!("p{} effect {event}/{}", self.who.number, self.name));
            audit.heard().effects.insert((event, self.name.to_owned()));
        }
        scene.clock.sleep(dice.millis(0, 300)).await;
        if scene.faults() && dice.chance(150) {
            return Err(Fault::transient("flaky", "it was done, and failed all the same"));
        }
        if scene.faults() && dice.chance(30) {
            return Err(Fault::shutdown("it is being replaced"));
        }
        Ok(Payload::NULL)
    }
}
