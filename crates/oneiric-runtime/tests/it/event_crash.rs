//! A process that dies at its n-th commit, for every n, on a real file: every promise of an event is kept.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::manifest::FanoutPolicy;
use oneiric_core::retry::RetryPolicy;
use oneiric_core::roles::{DeliveryMode, Envelope, EventHandler};
use oneiric_core::{Fault, Payload};
use oneiric_events::{Handler, Subscription};
use oneiric_runtime::Oneiric;
use oneiric_store::sqlite::{Options, Synchronous};
use oneiric_store::{DeliveryFilter, DeliveryRecord, DeliveryStatus, SqliteStore, Store};
use oneiric_testkit::{CrashingStore, Side};
use serde_json::json;

use crate::support::process;

const EVENTS: u64 = 2;

/// How often somebody looks who cannot be called back.
const GLANCE: Duration = Duration::from_millis(2);

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// How often each handler was called with each event.
type Calls = Arc<Mutex<HashMap<(String, String), u32>>>;

struct Telling {
    name: &'static str,
    fails: bool,
    calls: Calls,
}

#[async_trait]
impl EventHandler for Telling {
    async fn handle(&self, envelope: &Envelope) -> Result<Payload, Fault> {
        let event = envelope.event_id().unwrap().to_string();
        let nth = {
            let mut calls = self.calls.lock().unwrap();
            let nth = calls.entry((event, self.name.to_owned())).or_default();
            *nth += 1;
            *nth
        };
        match (self.fails, self.name) {
            (true, _) => Err(Fault::permanent("no", "never")),
            (false, "flaky") if nth == 1 => Err(Fault::transient("flaky", "not yet")),
            (false, _) => Ok(json!(nth).into()),
        }
    }
}

/// What has to have become of every event.
const ENDS: [(&str, DeliveryStatus); 6] = [
    ("first", DeliveryStatus::Dead),
    ("flaky", DeliveryStatus::Done),
    ("right", DeliveryStatus::Done),
    ("second", DeliveryStatus::Done),
    ("unneeded", DeliveryStatus::Skipped),
    ("wrong", DeliveryStatus::Dead),
];

fn subscribe(oneiric: &Oneiric, calls: &Calls) {
    let one = |name: &'static str, fanout, priority, fails| {
        let retry = Some(RetryPolicy { attempts: 3, base_delay: 0.001, ..RetryPolicy::ONCE });
        let plain = oneiric.subscription(name, "order.*").unwrap();
        let subscription = Subscription { fanout, priority, retry, ..plain };
        let handler = Telling { name, fails, calls: Arc::clone(calls) };
        oneiric.subscribe(subscription, Handler::fixed(Arc::new(handler)));
    };
    one("flaky", FanoutPolicy::Broadcast, 0, false);
    one("first", FanoutPolicy::Ordered, 2, true);
    one("second", FanoutPolicy::Ordered, 1, false);
    one("wrong", FanoutPolicy::FirstSuccess, 3, true);
    one("right", FanoutPolicy::FirstSuccess, 2, false);
    one("unneeded", FanoutPolicy::FirstSuccess, 1, false);
}

fn open(folder: &Path) -> SqliteStore {
    // Whether a write is on the disk makes no difference to a process that only pretends to die.
    let options = Options { synchronous: Synchronous::Off, ..Options::default() };
    SqliteStore::open(folder.join("oneiric.sqlite"), options).unwrap()
}

fn event(n: u64) -> Envelope {
    let plain = Envelope::new("order.paid".parse().unwrap(), json!({"n": n}));
    let delivery = Some(DeliveryMode::AtLeastOnce);
    Envelope { delivery, ..plain.with_header("event_id", format!("e{n}")) }
}

async fn deliveries(store: &dyn Store) -> Vec<DeliveryRecord> {
    let all = store.deliveries(DeliveryFilter::any(usize::MAX)).await.unwrap();
    all.into_iter().map(|(_, delivery)| delivery).collect()
}

/// Emits everything in a process that dies at commit `at`; returns how many commits it asked for.
fn first_process(folder: &Path, at: u64, side: Side, calls: &Calls) -> u64 {
    process(async {
        let store = Arc::new(CrashingStore::new(Arc::new(open(folder)), at, side));
        let Ok(oneiric) = Oneiric::builder().store(store.clone()).start().await else { return 0 };
        subscribe(&oneiric, calls);
        let emits = async {
            for n in 0..EVENTS {
                let _ = oneiric.emit_and_wait(event(n), LONG).await;
            }
        };
        let dies = async {
            while !store.is_dead() {
                tokio::time::sleep(GLANCE).await;
            }
        };
        tokio::select! { () = emits => {}, () = dies => {} }
        store.commits()
    })
}

/// What the next process makes of it.
fn second_process(folder: &Path, calls: &Calls) {
    process(async {
        let store: Arc<dyn Store> = Arc::new(open(folder));
        let over = deliveries(&*store).await.into_iter().filter(|delivery| delivery.state.status.is_over());
        let over: Vec<_> = over.map(|delivery| (delivery.event.to_string(), delivery.handler)).collect();
        let before = calls.lock().unwrap().clone();
        let oneiric = Oneiric::builder().store(Arc::clone(&store)).start().await.unwrap();
        subscribe(&oneiric, calls);
        for n in 0..EVENTS {
            // Whoever emits an event and does not hear that it was accepted emits it again.
            oneiric.emit_and_wait(event(n), LONG).await.unwrap();
        }
        let settled = async {
            while deliveries(&*store).await.iter().any(|delivery| !delivery.state.status.is_over()) {
                tokio::time::sleep(GLANCE).await;
            }
        };
        tokio::time::timeout(LONG, settled).await.expect("events reach their handlers");
        for delivery in deliveries(&*store).await {
            let (_, status) = ENDS.iter().find(|(name, _)| *name == delivery.handler).unwrap();
            assert_eq!(delivery.state.status, *status, "{delivery:?}");
        }
        let after = calls.lock().unwrap().clone();
        assert_eq!(after.len(), usize::try_from(EVENTS).unwrap() * (ENDS.len() - 1), "{after:?}");
        for done in over {
            assert_eq!(after.get(&done), before.get(&done), "{done:?} was over, and was called again");
        }
        assert_eq!(store.violations().await.unwrap(), []);
        assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());
        oneiric.shutdown(Duration::from_secs(5)).await.unwrap();
    });
}

#[test]
fn a_death_at_every_commit_loses_no_event() {
    let (folder, calls) = (tempfile::tempdir().unwrap(), Calls::default());
    let commits = first_process(folder.path(), 0, Side::Before, &calls);
    assert!(commits >= 2 * (1 + 6), "{commits}: an acceptance, and what becomes of its handlers");
    second_process(folder.path(), &calls);
    // How many there are is not the same every time; one that does not come is nobody's death.
    for at in 1..=commits + 2 {
        for side in [Side::Before, Side::After] {
            let (folder, calls) = (tempfile::tempdir().unwrap(), Calls::default());
            first_process(folder.path(), at, side, &calls);
            second_process(folder.path(), &calls);
        }
    }
}
