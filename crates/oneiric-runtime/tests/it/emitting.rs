//! Events that nobody waits for, in an assembled orchestrator.

use std::time::Duration;

use oneiric_core::linked::Linked;
use oneiric_core::manifest::Overflow;
use oneiric_core::roles::{DeliveryMode, Envelope};
use oneiric_core::{Class, Fault};
use oneiric_events::Subscription;
use oneiric_runtime::{Accepted, Builder, Error, Oneiric, typed};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::support::process;

/// Nothing here takes this long unless it hangs.
const LONG: Duration = Duration::from_secs(30);

fn event(number: u64) -> Envelope {
    Envelope::new("order.paid".parse().unwrap(), json!({ "id": number }))
}

#[derive(serde::Deserialize)]
struct Order {
    id: u64,
}

/// A handler that tells what it has seen.
fn telling(told: &UnboundedSender<u64>) -> impl oneiric_core::roles::EventHandler + 'static {
    let told = told.clone();
    typed(move |order: Order| {
        let told = told.clone();
        async move { told.send(order.id).map_err(|_| Fault::permanent("gone", "nobody listens")) }
    })
}

async fn next(told: &mut UnboundedReceiver<u64>) -> u64 {
    tokio::time::timeout(LONG, told.recv()).await.unwrap().unwrap()
}

/// A builder with a handler for orders that is promised what `delivery` says.
fn builder(told: &UnboundedSender<u64>, delivery: DeliveryMode) -> Builder {
    let mail = Linked::handler("mail", telling(told)).topics(["order.*"]).delivery(delivery);
    Oneiric::builder().component(mail)
}

#[test]
fn what_is_promised_waits_for_a_paused_component_and_the_rest_is_refused() {
    process(async {
        let (told, mut mail) = unbounded_channel();
        let oneiric = builder(&told, DeliveryMode::AtLeastOnce)
            .component(Linked::handler("count", telling(&told)).topics(["order.paid"]))
            .start()
            .await
            .unwrap();
        for key in ["mail", "count"] {
            oneiric.pause_component("event", key, None).await.unwrap();
        }
        let Accepted { stored, handlers, refused, .. } = oneiric.emit(event(1)).await.unwrap();
        assert_eq!((stored, handlers), (true, 1));
        assert_eq!((&*refused[0].handler, refused[0].fault.class), ("count:linked", Class::Denied));
        oneiric.resume_component("event", "mail").await.unwrap();
        assert_eq!(next(&mut mail).await, 1);
        assert!(oneiric.shutdown(LONG).await.unwrap());
        assert!(mail.try_recv().is_err(), "once");
    });
}

#[test]
fn a_stored_event_is_accepted_once() {
    process(async {
        let (told, mut mail) = unbounded_channel();
        let oneiric = builder(&told, DeliveryMode::AtLeastOnce).start().await.unwrap();
        let named = || event(1).with_header("event_id", "payment-1");
        let first = oneiric.emit(named()).await.unwrap();
        assert_eq!((first.event_id.as_str(), first.handlers, first.duplicate), ("payment-1", 1, false));
        let second = oneiric.emit(named()).await.unwrap();
        assert_eq!((second.stored, second.handlers, second.duplicate), (true, 0, true));
        assert_eq!(next(&mut mail).await, 1);
        assert!(oneiric.shutdown(LONG).await.unwrap());
        assert!(mail.try_recv().is_err(), "once");
    });
}

#[test]
fn what_waits_in_memory_is_handled_before_the_end() {
    process(async {
        let (told, mut seen) = unbounded_channel();
        let oneiric = Oneiric::builder().on("order.*", telling(&told)).start().await.unwrap();
        let added = oneiric.on("order.paid", telling(&told)).unwrap();
        for number in 0..100 {
            assert_eq!(oneiric.emit(event(number)).await.unwrap().handlers, 2);
        }
        assert!(oneiric.unsubscribe(added));
        assert!(oneiric.shutdown(LONG).await.unwrap());
        drop((told, oneiric));
        let mut all = Vec::new();
        while let Ok(number) = seen.try_recv() {
            all.push(number);
        }
        all.sort_unstable();
        assert!(all.into_iter().eq((0..100).flat_map(|number| [number, number])));
    });
}

#[test]
fn a_subscription_is_paused_beside_the_components() {
    process(async {
        let (told, mut seen) = unbounded_channel();
        let oneiric = builder(&told, DeliveryMode::FireAndForget).start().await.unwrap();
        assert!(oneiric.pause_subscription("mail:linked") && !oneiric.pause_subscription("nobody"));
        assert_eq!(oneiric.emit(event(1)).await.unwrap().handlers, 1);
        let promised = Envelope { delivery: Some(DeliveryMode::AtLeastOnce), ..event(2) };
        assert!(oneiric.emit(promised).await.unwrap().stored);
        let counts = oneiric.dispatcher().counts();
        assert_eq!((counts[0].1.buffered, counts[0].1.paused), (1, true));
        assert!(seen.try_recv().is_err());
        assert!(oneiric.resume_subscription("mail:linked"));
        let mut both = [next(&mut seen).await, next(&mut seen).await];
        both.sort_unstable();
        assert_eq!(both, [1, 2]);
        assert!(oneiric.shutdown(LONG).await.unwrap());
    });
}

#[test]
fn events_are_fetched_from_an_orchestrator() {
    process(async {
        let oneiric = Oneiric::builder().start().await.unwrap();
        let narrow = Subscription {
            buffer: 2,
            overflow: Overflow::Reject,
            ..oneiric.subscription("orders", "order.>").unwrap()
        };
        let orders = oneiric.pull(narrow.clone()).unwrap();
        for number in 0..2 {
            assert_eq!(oneiric.emit(event(number)).await.unwrap().handlers, 1);
        }
        let third = oneiric.emit(event(2)).await.unwrap();
        assert_eq!((third.handlers, third.refused[0].fault.code.as_str()), (0, "no-room"));
        let batch = orders.batch(2, LONG).await;
        let ids: Vec<_> = batch.iter().map(|envelope| envelope.payload.value()["id"].clone()).collect();
        assert_eq!(ids, [json!(0), json!(1)]);
        assert!(batch[0].event_id().is_some(), "it is stamped like any other");
        let promised = Subscription { delivery: DeliveryMode::AtLeastOnce, ..narrow };
        let error = oneiric.pull(promised).unwrap_err();
        assert!(matches!(&error, Error::Subscription { key, .. } if key.as_str() == "orders"), "{error}");
        assert!(oneiric.shutdown(LONG).await.unwrap());
        assert!(orders.next().await.is_none());
    });
}

#[test]
fn what_is_wrong_with_a_linked_handler_is_told_at_the_start() {
    process(async {
        let check = async |handler: Linked, expected: &str| {
            let error = Oneiric::builder().component(handler).start().await.unwrap_err();
            let mut texts = vec![error.to_string()];
            let mut source = std::error::Error::source(&error);
            while let Some(error) = source {
                texts.push(error.to_string());
                source = error.source();
            }
            assert!(texts.join(": ").contains(expected), "{texts:?}");
        };
        let mail = || Linked::handler("mail", typed(|_: Value| async { Ok::<_, Fault>(()) }));
        check(mail().topics(["order.>.paid"]), "`topics`").await;
        check(mail().filter(json!({"pth": "a"})), "unknown key `pth`").await;
        check(mail().when("payload.total >"), "`event_when`").await;
        check(mail().max_concurrency(0), "`max_concurrency`").await;
    });
}
