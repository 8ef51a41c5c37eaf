//! As many at a time as a subscription allows, whichever way its events come.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use oneiric_core::linked::handler_fn;
use oneiric_core::manifest::FanoutPolicy;
use oneiric_core::retry::RetryPolicy;
use oneiric_core::roles::{DeliveryMode, Envelope};
use oneiric_core::{Clock, Fault};
use oneiric_events::{Courier, Handler, Subscription};
use oneiric_store::{Batch, EnvelopeRecord};
use oneiric_testkit::{ManualClock, virtual_time};
use proptest::prelude::*;

use crate::numbers::{courier, event, ms, number, record, subscription};

/// How many are at work, and how many ever were at the same time.
#[derive(Debug, Default)]
struct Gauge {
    now: AtomicU32,
    most: AtomicU32,
    calls: AtomicU32,
}

/// Somebody at work; also where the work is dropped.
struct AtWork(Arc<Gauge>);

impl AtWork {
    fn begin(gauge: &Arc<Gauge>) -> Self {
        gauge.calls.fetch_add(1, Ordering::SeqCst);
        let now = gauge.now.fetch_add(1, Ordering::SeqCst) + 1;
        gauge.most.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(gauge))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How an event is emitted.
#[derive(Debug, Clone, Copy)]
enum Way {
    Forget,
    Wait,
    Stored,
    StoredAndWait,
    /// Somebody waits, and gives up.
    GiveUp,
}

const WAYS: [Way; 5] = [Way::Forget, Way::Wait, Way::Stored, Way::StoredAndWait, Way::GiveUp];

async fn emit(courier: &Courier, clock: &ManualClock, way: Way, at: usize) {
    let dispatcher = courier.dispatcher();
    let stored = || {
        let record = record(at);
        let envelope = Envelope { delivery: Some(DeliveryMode::AtLeastOnce), ..record.envelope };
        EnvelopeRecord { envelope, ..record }
    };
    match way {
        Way::Forget => drop(dispatcher.emit(event(at)).await),
        Way::Wait => drop(dispatcher.dispatch(&event(at)).await),
        Way::Stored => {
            let record = stored();
            let plan = dispatcher.plan(&record.envelope);
            let entered = courier.enter(plan, record, Batch::default()).await.unwrap();
            courier.pass(entered).await;
        }
        Way::StoredAndWait => {
            let record = stored();
            let plan = dispatcher.plan(&record.envelope);
            courier.emit_and_wait(plan, record, Batch::default(), ms(100)).await.unwrap();
        }
        Way::GiveUp => {
            let event = event(at);
            tokio::select! {
                biased;
                _ = dispatcher.dispatch(&event) => {}
                () = async { clock.sleep(ms(3)).await; tokio::task::yield_now().await } => {}
            }
        }
    }
}

fn narrow(limit: u32, fanout: FanoutPolicy) -> Subscription {
    let retry = RetryPolicy { attempts: 3, ..RetryPolicy::ONCE };
    Subscription {
        max_concurrency: limit,
        fanout,
        retry: Some(retry),
        buffer: 8,
        timeout: ms(50),
        ..subscription("narrow")
    }
}

#[test]
fn no_interleaving_of_threads_has_more_at_work_than_a_subscription_allows() {
    for limit in [1, 3] {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
        runtime.block_on(async {
            // It stands still: no call times out, and a retry without delay is due at once.
            let clock = ManualClock::new();
            let (courier, _) = courier(&clock, 4).await;
            let gauge = Arc::new(Gauge::default());
            let working = Arc::clone(&gauge);
            let handler = handler_fn(move |envelope: Envelope| {
                let gauge = Arc::clone(&working);
                async move {
                    let _at_work = AtWork::begin(&gauge);
                    let number = number(&envelope);
                    for _ in 0..number % 4 {
                        tokio::task::yield_now().await;
                    }
                    match number % 5 {
                        0 => Err(Fault::transient("no", "not now")),
                        1 => panic!("a handler of the test"),
                        _ => Ok(()),
                    }
                }
            });
            let narrow = narrow(limit, FanoutPolicy::Broadcast);
            courier.dispatcher().subscribe(narrow, Handler::fixed(Arc::new(handler)));
            let tending = courier.clone();
            let tend = tokio::spawn(async move { tending.tend().await });
            let emitters: Vec<_> = (0..8)
                .map(|of| {
                    let (courier, clock) = (courier.clone(), clock.clone());
                    tokio::spawn(async move {
                        for at in (of..4000).step_by(8) {
                            // What is given up waits for the clock, which stands still.
                            let way = WAYS[at / 8 % 4];
                            emit(&courier, &clock, way, at).await;
                        }
                    })
                })
                .collect();
            for emitter in emitters {
                emitter.await.unwrap();
            }
            assert_eq!(courier.dispatcher().shutdown(ms(1)).await, 0);
            assert_eq!(courier.shutdown(ms(1)).await, 0);
            tend.await.unwrap();
            assert_eq!(gauge.now.load(Ordering::SeqCst), 0);
            assert_eq!(gauge.most.load(Ordering::SeqCst), limit, "as many as allowed, and no more");
        });
    }
}

#[test]
fn a_call_that_is_too_late_is_gone_before_the_next_try() {
    let (clock, gauge) = (ManualClock::new(), Arc::new(Gauge::default()));
    virtual_time(&clock, async {
        let (courier, _) = courier(&clock, 4).await;
        let working = Arc::clone(&gauge);
        let handler = handler_fn(move |_: Envelope| {
            let at_work = AtWork::begin(&working);
            async move {
                let _at_work = at_work;
                std::future::pending::<Result<(), Fault>>().await
            }
        });
        let handler = Handler::fixed(Arc::new(handler));
        courier.dispatcher().subscribe(narrow(1, FanoutPolicy::Broadcast), handler);
        let dispatched = courier.dispatcher().dispatch(&event(0)).await;
        assert_eq!(dispatched.results[0].attempts, 3);
    });
    assert_eq!((gauge.calls.load(Ordering::SeqCst), gauge.most.load(Ordering::SeqCst)), (3, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_timing_has_more_at_work_than_a_subscription_allows(
        limit in 1_u32..5,
        first in prop::sample::select(&[
            FanoutPolicy::Broadcast,
            FanoutPolicy::Ordered,
            FanoutPolicy::FirstSuccess,
            FanoutPolicy::Exclusive,
        ][..]),
        events in prop::collection::vec((0_usize..WAYS.len(), 0_u64..20, 0_u64..80, 0_u32..4), 1..60),
    ) {
        let clock = ManualClock::new();
        let gauge = Arc::new(Gauge::default());
        virtual_time(&clock, async {
            let (courier, _) = courier(&clock, 4).await;
            let (working, inner, plans) = (Arc::clone(&gauge), clock.clone(), events.clone());
            let handler = handler_fn(move |envelope: Envelope| {
                let (gauge, clock) = (Arc::clone(&working), inner.clone());
                let (_, _, takes, end) = plans[number(&envelope)];
                async move {
                    let _at_work = AtWork::begin(&gauge);
                    // Some take longer than they may.
                    clock.sleep(ms(takes)).await;
                    match end {
                        0 => Err(Fault::transient("no", "not now")),
                        1 => panic!("a handler of the test"),
                        _ => Ok(()),
                    }
                }
            });
            courier.dispatcher().subscribe(narrow(limit, first), Handler::fixed(Arc::new(handler)));
            let tending = courier.clone();
            let tend = tokio::spawn(async move { tending.tend().await });
            let emitters: Vec<_> = events
                .iter()
                .enumerate()
                .map(|(at, (way, begins, ..))| {
                    let (courier, clock, way, begins) = (courier.clone(), clock.clone(), WAYS[*way], *begins);
                    tokio::spawn(async move {
                        clock.sleep(ms(begins)).await;
                        emit(&courier, &clock, way, at).await;
                    })
                })
                .collect();
            for emitter in emitters {
                emitter.await.unwrap();
            }
            courier.dispatcher().shutdown(ms(100)).await;
            courier.shutdown(ms(100)).await;
            tend.await.unwrap();
        });
        prop_assert!(gauge.most.load(Ordering::SeqCst) <= limit);
        prop_assert_eq!(gauge.now.load(Ordering::SeqCst), 0);
    }
}
