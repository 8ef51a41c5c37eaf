//! Accepted events and their deliveries.

use std::sync::Arc;

use oneiric_core::roles::{DeliveryMode, Envelope, EventId, Priority};
use oneiric_core::{Fault, Payload, Timestamp};
use oneiric_store::{
    Batch, ChainMode, Claim, CommitError, DeliveryClaim, DeliveryFilter, DeliveryRecord, DeliveryState,
    DeliveryStatus, EnvelopeFilter, EnvelopeRecord, Op, Order, Refusal, Require, Store, Waiting,
};
use serde_json::json;

use super::Site;
use super::sample::{at, boot, boot_id};

fn id(n: u64) -> EventId {
    EventId::new(format!("event-{n}")).unwrap()
}

fn event(n: u64) -> EnvelopeRecord {
    let topic = format!("topic.{}", n % 2).parse().unwrap();
    EnvelopeRecord::new(id(n), Envelope::new(topic, json!({"n": n})), at(n as i64 * 1000))
}

fn delivery(n: u64, handler: &str, priority: Priority, due: i64) -> DeliveryRecord {
    DeliveryRecord {
        event: id(n),
        handler: handler.to_owned(),
        priority,
        chain: ChainMode::Ordered,
        behind: Vec::new(),
        state: DeliveryState::due(at(due)),
    }
}

fn accept(record: EnvelopeRecord, deliveries: impl IntoIterator<Item = DeliveryRecord>) -> Batch {
    let absent = Require::EventAbsent(record.id.clone());
    let deliveries = deliveries.into_iter().map(|delivery| Op::PutDelivery(Box::new(delivery)));
    Batch::of([Op::PutEnvelope(Box::new(record))]).require(absent).and(Batch::of(deliveries))
}

fn set(n: u64, handler: &str, state: DeliveryState) -> Op {
    Op::SetDelivery { event: id(n), handler: handler.to_owned(), state: Box::new(state) }
}

fn claim(by: u8, handler: &str, limit: usize, now: i64) -> DeliveryClaim {
    DeliveryClaim { boot: boot_id(by), wanted: vec![(handler.to_owned(), limit)], now: at(now) }
}

async fn only(store: &dyn Store, n: u64) -> DeliveryRecord {
    let mut found = store.deliveries(DeliveryFilter::of(id(n))).await.unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0).1
}

/// Every field of an event is read as it was written, large payloads and strange headers as well.
pub async fn an_event_comes_back_with_every_field_and_a_place(site: Arc<dyn Site>) {
    let store = site.open();
    let full = Envelope {
        priority: Priority::Critical,
        routing_key: Some("eu.de".to_owned()),
        tags: ["vip".to_owned(), "größer".to_owned()].into(),
        expires_at: Some(at(7)),
        delivery: Some(DeliveryMode::AtLeastOnce),
        payload: json!("x".repeat(40_000)).into(),
        ..event(1)
            .envelope
            .with_header("event_id", "event-1")
            .with_header("nested", json!({"a": [1.5, null]}))
    };
    let record = EnvelopeRecord {
        actor: Some("ada".to_owned()),
        traceparent: Some("00-1-2-01".to_owned()),
        ..EnvelopeRecord::new(id(1), full, at(5))
    };
    store.commit(accept(record.clone(), [])).await.unwrap();
    store.commit(accept(event(2), [])).await.unwrap();
    assert_eq!(store.envelope(&id(1)).await.unwrap(), Some(EnvelopeRecord { n: 1, ..record }));
    assert_eq!(store.envelope(&id(2)).await.unwrap(), Some(EnvelopeRecord { n: 2, ..event(2) }));
    assert_eq!(store.envelope(&id(3)).await.unwrap(), None);
}

/// The second time nothing of the batch happens, whoever asks for the absence.
pub async fn an_event_is_accepted_once(site: Arc<dyn Site>) {
    let store = site.open();
    store.commit(accept(event(1), [delivery(1, "a", Priority::Normal, 0)])).await.unwrap();
    let again = accept(event(1), [delivery(1, "b", Priority::Normal, 0)]);
    let unasked = Batch::of([Op::PutEnvelope(Box::new(event(1)))]);
    let twice = Batch::of([Op::PutEnvelope(Box::new(event(2))), Op::PutEnvelope(Box::new(event(2)))]);
    for (batch, n) in [(again, 1), (unasked, 1), (twice, 2)] {
        let refused = store.commit(batch).await;
        assert!(
            matches!(&refused, Err(CommitError::Refused(Refusal::EventExists(known))) if *known == id(n)),
            "{refused:?}"
        );
    }
    assert_eq!(only(&*store, 1).await.handler, "a");
    assert_eq!(store.envelopes(EnvelopeFilter::all(Order::Oldest, 10)).await.unwrap().len(), 1);
}

/// Every field of a delivery is read as it was written; the second one of an event and handler changes
/// nothing, and one of an unknown event has nowhere to be.
pub async fn a_delivery_comes_back_with_every_field_and_is_put_once(site: Arc<dyn Site>) {
    let store = site.open();
    let full = DeliveryRecord {
        chain: ChainMode::FirstSuccess,
        behind: vec!["b:x".to_owned(), "c:y".to_owned()],
        state: DeliveryState {
            status: DeliveryStatus::Running,
            owner: Some(boot_id(3)),
            epoch: 4,
            attempts: 5,
            deaths: 6,
            due_at: at(7),
            at: at(8),
            took_us: 9,
            value: Payload::from(json!({"sum": 0.1})),
            fault: Some(Fault::transient("code", "said")),
        },
        ..delivery(1, "a:w", Priority::Low, 0)
    };
    store.commit(accept(event(1), [full.clone()])).await.unwrap();
    let other = delivery(1, "a:w", Priority::High, 1);
    let lost = delivery(9, "a:w", Priority::High, 1);
    store
        .commit(Batch::of([Op::PutDelivery(Box::new(other)), Op::PutDelivery(Box::new(lost))]))
        .await
        .unwrap();
    assert_eq!(store.deliveries(DeliveryFilter::any(10)).await.unwrap(), [(1, full)]);
}

/// Only a claim raises the fence, and a batch may ask for it.
pub async fn a_deliverys_state_is_set_but_its_fence_is_not(site: Arc<dyn Site>) {
    let store = site.open();
    store.commit(accept(event(1), [delivery(1, "a", Priority::Normal, 0)])).await.unwrap();
    let done = DeliveryState {
        status: DeliveryStatus::Done,
        epoch: 77,
        value: json!("x".repeat(20_000)).into(),
        ..DeliveryState::due(at(3))
    };
    let fence =
        |n, handler: &str, epoch| Require::DeliveryEpoch { event: id(n), handler: handler.to_owned(), epoch };
    let refused = store.commit(Batch::of([set(1, "a", done.clone())]).require(fence(1, "a", 1))).await;
    assert!(
        matches!(&refused, Err(CommitError::Refused(Refusal::StaleDelivery { held: 1, found: 0, .. }))),
        "{refused:?}"
    );
    for (n, handler) in [(1, "b"), (2, "a")] {
        let refused = store.commit(Batch::default().require(fence(n, handler, 0))).await;
        assert!(
            matches!(&refused, Err(CommitError::Refused(Refusal::DeliveryMissing { .. }))),
            "{refused:?}"
        );
    }
    store.commit(Batch::of([set(1, "a", done.clone())]).require(fence(1, "a", 0))).await.unwrap();
    assert_eq!(only(&*store, 1).await.state, DeliveryState { epoch: 0, ..done });
}

/// Whoever is in front of it in a chain cannot know what became of it meanwhile.
pub async fn a_delivery_that_is_not_held_is_not_begun_again(site: Arc<dyn Site>) {
    let store = site.open();
    for (n, status) in (1..).zip(DeliveryStatus::ALL) {
        let mut put = delivery(n, "a", Priority::Normal, 0);
        put.state.status = status;
        store.commit(accept(event(n), [put.clone()])).await.unwrap();
        let state = DeliveryState { attempts: 7, ..DeliveryState::due(at(3)) };
        let turn =
            Op::SetHeldDelivery { event: id(n), handler: "a".to_owned(), state: Box::new(state.clone()) };
        store.commit(Batch::of([turn])).await.unwrap();
        let expected = if status == DeliveryStatus::Held { state } else { put.state };
        assert_eq!(only(&*store, n).await.state, expected, "{status}");
    }
}

/// Whoever believes to have it still is refused, and a try that is on record has ended with nobody's death.
pub async fn a_delivery_is_given_back_as_it_is_under_a_higher_fence(site: Arc<dyn Site>) {
    let store = site.open();
    for (n, status) in [(1, DeliveryStatus::Pending), (2, DeliveryStatus::Running), (3, DeliveryStatus::Done)]
    {
        let mut put = delivery(n, "a", Priority::Normal, 0);
        (put.state.status, put.state.owner, put.state.deaths) = (status, Some(boot_id(1)), 2);
        store.commit(accept(event(n), [put.clone()])).await.unwrap();
        let filter = DeliveryFilter::owned_by(boot_id(1));
        assert_eq!(store.deliveries(filter.clone()).await.unwrap(), [(n, put.clone())]);
        let refused = store.commit(Batch::giving_back_delivery(id(n), "a".to_owned(), 1)).await;
        assert!(matches!(&refused, Err(CommitError::Refused(Refusal::StaleDelivery { .. }))), "{refused:?}");
        store.commit(Batch::giving_back_delivery(id(n), "a".to_owned(), 0)).await.unwrap();
        let status = if status == DeliveryStatus::Running { DeliveryStatus::Pending } else { status };
        let expected = DeliveryState { status, owner: None, epoch: 1, ..put.state };
        assert_eq!(only(&*store, n).await.state, expected);
        assert_eq!(store.deliveries(filter).await.unwrap(), []);
    }
}

/// The urgent first, then what has been due for longest; nothing that is owned, over, held or not due yet.
pub async fn what_is_due_and_free_is_claimed_by_priority_and_age(site: Arc<dyn Site>) {
    let store = site.open();
    store.enter(boot(1)).await.unwrap();
    let with = |status, owner| {
        move |mut delivery: DeliveryRecord| {
            (delivery.state.status, delivery.state.owner) = (status, owner);
            delivery
        }
    };
    let pending = DeliveryStatus::Pending;
    let all = [
        delivery(1, "a", Priority::Normal, 20),
        delivery(2, "a", Priority::Normal, 10),
        delivery(3, "a", Priority::High, 30),
        delivery(4, "a", Priority::Critical, 99),
        with(DeliveryStatus::Held, None)(delivery(5, "a", Priority::Critical, 0)),
        with(DeliveryStatus::Dead, None)(delivery(6, "a", Priority::Critical, 0)),
        with(pending, Some(boot_id(2)))(delivery(7, "a", Priority::Critical, 0)),
        delivery(8, "b", Priority::Normal, 40),
        delivery(9, "c", Priority::Low, 10),
    ];
    for (n, delivery) in (1..).zip(all) {
        store.commit(accept(event(n), [delivery])).await.unwrap();
    }
    let due = |handler: &str, due| Waiting { handler: handler.to_owned(), due_at: at(due) };
    assert_eq!(store.waiting().await.unwrap(), [due("a", 10), due("b", 40), due("c", 10)]);
    let ids = |taken: &[(EnvelopeRecord, DeliveryRecord)]| -> Vec<EventId> {
        for (event, delivery) in taken {
            assert_eq!(event.id, delivery.event);
            assert_eq!((delivery.state.owner, delivery.state.epoch), (Some(boot_id(1)), 1));
        }
        taken.iter().map(|(event, _)| event.id.clone()).collect()
    };
    assert_eq!(ids(&store.claim_deliveries(claim(1, "a", 2, 50)).await.unwrap()), [id(3), id(2)]);
    let wanted = vec![("b".to_owned(), 5), ("nobody".to_owned(), 5), ("a".to_owned(), 5)];
    let all = DeliveryClaim { boot: boot_id(1), wanted, now: at(50) };
    assert_eq!(ids(&store.claim_deliveries(all.clone()).await.unwrap()), [id(8), id(1)]);
    assert_eq!(store.claim_deliveries(all).await.unwrap(), []);
    assert_eq!(store.waiting().await.unwrap(), [due("a", 99), due("c", 10)]);
    let owned = store.boots().await.unwrap();
    assert_eq!((owned[0].owns, owned[0].boot.beat), (4, 2), "a claim that takes something beats");
    store.leave(boot_id(1)).await.unwrap();
    let ended = store.claim_deliveries(claim(1, "c", 1, 50)).await;
    assert!(matches!(&ended, Err(CommitError::Refused(Refusal::BootEnded(_)))), "{ended:?}");
}

/// Fences rise, so that the old owner writes nothing more; who leaves counts nothing.
pub async fn deliveries_of_the_dead_are_free_and_only_a_begun_try_counts_the_death(site: Arc<dyn Site>) {
    let store = site.open();
    let owned = |n, by, status| {
        let mut delivery = delivery(n, "a", Priority::Normal, 0);
        (delivery.state.owner, delivery.state.status) = (Some(boot_id(by)), status);
        delivery
    };
    store.enter(boot(2)).await.unwrap();
    store.enter(boot(3)).await.unwrap();
    site.dies(boot(1)).await;
    let statuses = [DeliveryStatus::Pending, DeliveryStatus::Running];
    for by in [1, 2] {
        for (n, status) in (0..).zip(statuses) {
            let n = u64::from(by) * 10 + n;
            store.commit(accept(event(n), [owned(n, by, status)])).await.unwrap();
        }
    }
    store.claim(Claim { dead: store.dead().await.unwrap(), ..Claim::any(boot_id(3), 1) }).await.unwrap();
    store.leave(boot_id(2)).await.unwrap();
    for (n, deaths) in [(10, 0), (11, 1), (20, 0), (21, 0)] {
        let state = only(&*store, n).await.state;
        let found = (state.status, state.owner, state.epoch, state.deaths);
        assert_eq!(found, (DeliveryStatus::Pending, None, 1, deaths), "event {n}");
    }
    let all = store.claim_deliveries(claim(3, "a", 10, 0)).await.unwrap();
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|(_, delivery)| delivery.state.epoch == 2));
}

/// Every filter lists what it accepts.
pub async fn events_are_listed_by_place_topic_and_time(site: Arc<dyn Site>) {
    let store = site.open();
    for n in 1..=9 {
        store.commit(accept(event(n), [])).await.unwrap();
    }
    let all: Vec<EnvelopeRecord> = (1..=9).map(|n| EnvelopeRecord { n, ..event(n) }).collect();
    let time = |n: i64| Some(Timestamp::from_micros(n * 1000));
    let oldest = EnvelopeFilter::all(Order::Oldest, 3);
    let newest = EnvelopeFilter::all(Order::Newest, 100);
    let topic = Some("topic.1".parse().unwrap());
    for filter in [
        oldest.clone(),
        newest.clone(),
        EnvelopeFilter { after: Some(4), ..oldest.clone() },
        EnvelopeFilter { before: Some(4), ..newest.clone() },
        EnvelopeFilter { topic: topic.clone(), ..oldest },
        EnvelopeFilter { topic, since: time(3), until: time(8), ..newest.clone() },
        EnvelopeFilter { after: Some(u64::MAX), ..newest },
    ] {
        let mut expected: Vec<_> = all.iter().filter(|event| filter.accepts(event)).cloned().collect();
        if filter.order == Order::Newest {
            expected.reverse();
        }
        expected.truncate(filter.limit);
        assert_eq!(store.envelopes(filter.clone()).await.unwrap(), expected, "{filter:?}");
    }
}

/// Every filter lists what it accepts, in its order.
pub async fn deliveries_are_listed_by_event_handler_and_status(site: Arc<dyn Site>) {
    let store = site.open();
    let mut all = Vec::new();
    for (n, status) in (1..).zip(DeliveryStatus::ALL) {
        let of = |handler| {
            let mut delivery = delivery(n, handler, Priority::Normal, 0);
            delivery.state.status = status;
            delivery
        };
        store.commit(accept(event(n), [of("b"), of("a")])).await.unwrap();
        all.extend([(n, of("b")), (n, of("a"))]);
    }
    all.reverse();
    let any = DeliveryFilter::any(100);
    for filter in [
        any.clone(),
        DeliveryFilter::of(id(2)),
        DeliveryFilter { events: vec![id(1), id(3), id(99)], handler: Some("b".to_owned()), ..any.clone() },
        DeliveryFilter { statuses: vec![DeliveryStatus::Dead], ..any.clone() },
        DeliveryFilter {
            statuses: vec![DeliveryStatus::Pending, DeliveryStatus::Done],
            handler: Some("a".to_owned()),
            ..any.clone()
        },
        DeliveryFilter { before: Some(3), limit: 3, ..any.clone() },
        DeliveryFilter { after: Some(2), before: Some(6), ..any.clone() },
        DeliveryFilter { after: Some(5), order: Order::Oldest, limit: 3, ..any },
    ] {
        let page = |(n, delivery): &&(u64, DeliveryRecord)| {
            filter.after.is_none_or(|after| *n > after)
                && filter.before.is_none_or(|before| *n < before)
                && filter.accepts(delivery)
        };
        let mut expected: Vec<_> = all.iter().filter(page).cloned().collect();
        if filter.order == Order::Oldest {
            expected.sort_by_key(|(n, delivery)| (*n, delivery.handler.clone()));
        }
        expected.truncate(filter.limit);
        assert_eq!(store.deliveries(filter.clone()).await.unwrap(), expected, "{filter:?}");
    }
}

/// A reader of the log who remembers a place is never shown another event there.
pub async fn an_event_goes_with_its_deliveries_and_its_place_is_not_given_again(site: Arc<dyn Site>) {
    let store = site.open();
    for n in [1, 2] {
        store.commit(accept(event(n), [delivery(n, "a", Priority::Normal, 0)])).await.unwrap();
    }
    store.commit(Batch::of([Op::DropEnvelope(id(2)), Op::DropEnvelope(id(9))])).await.unwrap();
    assert_eq!(store.envelope(&id(2)).await.unwrap(), None);
    assert_eq!(store.deliveries(DeliveryFilter::any(10)).await.unwrap().len(), 1);
    store.commit(accept(event(2), [])).await.unwrap();
    assert_eq!(store.envelope(&id(2)).await.unwrap().unwrap().n, 3);
    assert!(store.check().await.unwrap().problems.is_empty());
}

/// Everything of it is replaced but its fence, which rises: of two who have seen the same, one begins it anew.
pub async fn a_delivery_that_begins_anew_does_so_once(site: Arc<dyn Site>) {
    let store = site.open();
    let dead = DeliveryRecord {
        behind: vec!["b".to_owned()],
        state: DeliveryState {
            status: DeliveryStatus::Dead,
            epoch: 3,
            attempts: 4,
            value: json!("x".repeat(40_000)).into(),
            fault: Some(Fault::permanent("code", "said")),
            ..DeliveryState::due(at(1))
        },
        ..delivery(1, "a", Priority::Low, 0)
    };
    store.commit(accept(event(1), [dead])).await.unwrap();
    let anew = |priority, due| {
        let behind = vec!["c".to_owned()];
        let record = DeliveryRecord {
            chain: ChainMode::FirstSuccess,
            behind,
            state: DeliveryState { epoch: 77, ..DeliveryState::due(at(due)) },
            ..delivery(1, "a", priority, 0)
        };
        let fence = Require::DeliveryEpoch { event: id(1), handler: "a".to_owned(), epoch: 3 };
        Batch::of([Op::RenewDelivery(Box::new(record))]).require(fence)
    };
    store.commit(anew(Priority::High, 9)).await.unwrap();
    let refused = store.commit(anew(Priority::Normal, 10)).await;
    assert!(
        matches!(&refused, Err(CommitError::Refused(Refusal::StaleDelivery { held: 3, found: 4, .. }))),
        "{refused:?}"
    );
    let expected = DeliveryRecord {
        chain: ChainMode::FirstSuccess,
        behind: vec!["c".to_owned()],
        state: DeliveryState { epoch: 4, ..DeliveryState::due(at(9)) },
        ..delivery(1, "a", Priority::High, 0)
    };
    assert_eq!(only(&*store, 1).await, expected);
    let lost = Op::RenewDelivery(Box::new(delivery(1, "nobody", Priority::Normal, 0)));
    store.commit(Batch::of([lost])).await.unwrap();
    assert_eq!(only(&*store, 1).await, expected, "one that is not there stays away");
}

/// So that a delivery is made by one of several who miss it, and of no event that has gone.
pub async fn a_delivery_is_asked_to_be_absent_of_an_event_that_is_there(site: Arc<dyn Site>) {
    let store = site.open();
    store.commit(accept(event(1), [])).await.unwrap();
    let make = |n| {
        let absent = Require::DeliveryAbsent { event: id(n), handler: "a".to_owned() };
        Batch::of([Op::PutDelivery(Box::new(delivery(n, "a", Priority::Normal, 0)))]).require(absent)
    };
    store.commit(make(1)).await.unwrap();
    let again = store.commit(make(1)).await;
    assert!(matches!(&again, Err(CommitError::Refused(Refusal::DeliveryExists { .. }))), "{again:?}");
    let gone = store.commit(make(2)).await;
    assert!(matches!(&gone, Err(CommitError::Refused(Refusal::EventMissing(_)))), "{gone:?}");
}

/// So that no event goes whose delivery began anew meanwhile.
pub async fn an_event_is_settled_once_every_delivery_is_over(site: Arc<dyn Site>) {
    let store = site.open();
    for (n, status) in (1..).zip(DeliveryStatus::ALL) {
        let with = |status, handler| {
            let mut delivery = delivery(n, handler, Priority::Normal, 0);
            delivery.state.status = status;
            delivery
        };
        let both = [with(DeliveryStatus::Done, "a"), with(status, "b")];
        store.commit(accept(event(n), both)).await.unwrap();
        let drop = Batch::of([Op::DropEnvelope(id(n))]).require(Require::EventSettled(id(n)));
        let answer = store.commit(drop).await;
        match status.is_over() {
            true => assert!(answer.is_ok(), "{status}: {answer:?}"),
            false => assert!(
                matches!(&answer, Err(CommitError::Refused(Refusal::EventOpen(_)))),
                "{status}: {answer:?}"
            ),
        }
        assert_eq!(store.envelope(&id(n)).await.unwrap().is_none(), status.is_over());
    }
    let gone = store.commit(Batch::default().require(Require::EventSettled(id(99)))).await;
    assert!(matches!(&gone, Err(CommitError::Refused(Refusal::EventMissing(_)))), "{gone:?}");
}
