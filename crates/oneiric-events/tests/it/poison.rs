//! An event that kills its handler's process is found out, and takes nobody with it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::manifest::FanoutPolicy;
use oneiric_core::roles::{Envelope, EventHandler};
use oneiric_core::{Fault, Payload};
use oneiric_events::Handler;
use oneiric_store::{DeliveryFilter, DeliveryStatus, Store as _};
use oneiric_testkit::virtual_time;
use tokio::sync::Notify;

use crate::support::{Calls, MAX_DELIVERIES, Process, SECOND, World, chained, done, id, subscription};

/// The most processes that may die of one event: the first of them has nothing on record.
const DEATHS: u32 = MAX_DELIVERIES + 1;

/// Ends its process.
struct Killer {
    calls: Calls,
    killed: Arc<Notify>,
}

#[async_trait]
impl EventHandler for Killer {
    async fn handle(&self, envelope: &Envelope) -> Result<Payload, Fault> {
        let call = (envelope.event_id().unwrap(), "killer".to_owned(), Duration::ZERO);
        self.calls.lock().unwrap().push(call);
        self.killed.notify_one();
        std::future::pending().await
    }
}

/// A process in which `killer` ends it as soon as it is called, and `innocent` takes its time.
fn process(world: &World, killed: &Arc<Notify>) -> Process {
    let process = world.process();
    let killer = Killer { calls: Arc::clone(&world.calls), killed: Arc::clone(killed) };
    let first = chained("killer", FanoutPolicy::Ordered, 1);
    process.subscribe(first, Handler::fixed(Arc::new(killer)));
    process.subscribe(chained("behind", FanoutPolicy::Ordered, 0), world.handler("behind", |_, _| done()));
    process.subscribe(subscription("innocent"), world.slow("innocent", 5 * SECOND, |_, _| done()));
    process
}

#[test]
fn an_event_that_kills_is_left_alone_and_its_neighbours_are_not_counted() {
    let world = World::default();
    virtual_time(&world.clock, async {
        let mut lives = 0;
        loop {
            lives += 1;
            assert!(lives <= 3 * DEATHS, "{:#?}", world.deliveries().await);
            let killed = Arc::new(Notify::new());
            let process = process(&world, &killed);
            let tending = process.tend();
            if lives == 1 {
                let emitting = async { tokio::join!(process.emit(1), process.emit(2), process.emit(3)) };
                tokio::select! { biased; () = killed.notified() => {}, _ = emitting => {} }
            } else {
                tokio::select! { biased; () = killed.notified() => {}, () = world.settle() => {} }
            }
            let over = world.deliveries().await.iter().all(|delivery| delivery.state.status.is_over());
            process.dies().await;
            tending.await.unwrap();
            world.bury_before(u64::from(lives) + 1).await;
            if over {
                break;
            }
        }
        for n in 1..=3 {
            let filter = |handler: &str| DeliveryFilter {
                handler: Some(handler.to_owned()),
                ..DeliveryFilter::of(id(n))
            };
            let (_, killer) = world.store.deliveries(filter("killer")).await.unwrap().remove(0);
            assert_eq!(killer.state.status, DeliveryStatus::Dead, "event {n}");
            assert_eq!(killer.state.fault.unwrap().code, "poison");
            assert_eq!(world.status(n, "behind").await, DeliveryStatus::Done, "its chain goes on");
            assert_eq!(world.status(n, "innocent").await, DeliveryStatus::Done, "event {n}");
            let killers = world.called(n).iter().filter(|handler| *handler == "killer").count() as u32;
            assert!(killers <= DEATHS, "event {n} has killed {killers} times");
        }
        world.assert_clean().await;
    });
}
