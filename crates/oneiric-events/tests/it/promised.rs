//! Fire and forget, with a store behind it.

use oneiric_core::Clock;
use oneiric_core::roles::{DeliveryMode, EventId};
use oneiric_events::Subscription;
use oneiric_store::{Batch, CommitError, DeliveryFilter, DeliveryStatus, Refusal};
use oneiric_testkit::{ManualClock, virtual_time};

use crate::numbers::{Seen, courier, ms, record, subscription};

#[test]
fn what_is_promised_is_stored_and_the_rest_is_in_a_buffer() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let (courier, store) = courier(&clock, 16).await;
        let (kept, passing) = (Seen::default(), Seen::default());
        let delivery = DeliveryMode::AtLeastOnce;
        let promised = Subscription { delivery, ..subscription("promised") };
        courier.dispatcher().subscribe(promised, kept.handler(&clock, ms(10)));
        courier.dispatcher().subscribe(subscription("passing"), passing.handler(&clock, ms(10)));
        let emit = async || {
            let record = record(1);
            let plan = courier.dispatcher().plan(&record.envelope);
            let entered = courier.enter(plan, record, Batch::default()).await?;
            Ok::<_, CommitError>(courier.pass(entered).await)
        };
        let accepted = emit().await.unwrap();
        assert_eq!((accepted.stored, accepted.promised, accepted.passed.taken), (true, 1, 1));
        assert_eq!(clock.monotonic(), ms(0));
        // A second time it is known, and nobody has it twice.
        assert!(matches!(emit().await, Err(CommitError::Refused(Refusal::EventExists(_)))));
        clock.sleep(ms(100)).await;
        assert_eq!((kept.all(), passing.all()), (vec![1], vec![1]));
        let id = EventId::new("event-1").unwrap();
        let deliveries = store.deliveries(DeliveryFilter::of(id)).await.unwrap();
        let ends: Vec<_> = deliveries.iter().map(|(_, of)| (of.handler.as_str(), of.state.status)).collect();
        assert_eq!(ends, [("promised", DeliveryStatus::Done)]);
    });
}

#[test]
fn what_is_stored_waits_for_a_paused_subscription_and_is_handled_once_it_goes_on() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let (courier, store) = courier(&clock, 16).await;
        let tending = courier.clone();
        let tend = tokio::spawn(async move { tending.tend().await });
        let seen = Seen::default();
        let delivery = DeliveryMode::AtLeastOnce;
        let promised = Subscription { delivery, ..subscription("promised") };
        courier.dispatcher().subscribe(promised, seen.handler(&clock, ms(1)));
        courier.dispatcher().pause("promised");
        for number in 0..40 {
            let record = record(number);
            let plan = courier.dispatcher().plan(&record.envelope);
            let entered = courier.enter(plan, record, Batch::default()).await.unwrap();
            assert_eq!(courier.pass(entered).await.promised, 1);
        }
        clock.sleep(ms(200_000)).await;
        assert_eq!((seen.all(), store.waiting().await.unwrap().len()), (vec![], 1));
        courier.dispatcher().resume("promised");
        courier.nudge();
        clock.sleep(ms(1000)).await;
        let mut seen = seen.all();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..40));
        assert_eq!(courier.shutdown(ms(100)).await, 0);
        tend.await.unwrap();
    });
}
