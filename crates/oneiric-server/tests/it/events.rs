//! Events over HTTP.

use oneiric_core::Fault;
use oneiric_core::linked::handler_fn;
use oneiric_core::roles::Envelope;
use serde_json::{Value, json};

use crate::runs::shop;
use crate::stage::Stage;

async fn stage() -> Stage {
    Stage::of(shop(), |_| {}).await
}

#[tokio::test]
async fn an_event_is_emitted_once_and_found() {
    let stage = stage().await;
    let event = json!({
        "topic": "order.paid", "payload": {"order": 7}, "headers": {"event_id": "order-7"}, "delivery": "at_least_once",
    });
    let first = stage.post("/v1/events", event.clone()).await;
    assert_eq!((first.status, &first.body["event_id"]), (202, &json!("order-7")));
    assert_eq!((&first.body["stored"], &first.body["duplicate"]), (&json!(true), &json!(false)));
    let again = stage.post("/v1/events?wait=5", event).await;
    assert_eq!((again.status, &again.body["duplicate"]), (200, &json!(true)), "{:?}", again.body);
    let key = [("idempotency-key", "order-8")];
    let event = json!({"topic": "order.paid", "delivery": "at_least_once"});
    let keyed = stage.send("POST", "/v1/events", Some(event.clone()), &key).await;
    assert_eq!(keyed.body["event_id"], "order-8");
    assert_eq!(stage.send("POST", "/v1/events", Some(event), &key).await.body["duplicate"], true);
    let (_, page) = stage.get("/v1/events?limit=1&topic=order.*").await;
    assert_eq!(page["events"][0]["event_id"], "order-8");
    let (_, rest) = stage.get(&format!("/v1/events?cursor={}", page["next"].as_str().unwrap())).await;
    assert_eq!((&rest["events"][0]["event_id"], &rest["next"]), (&json!("order-7"), &Value::Null));
    let (status, shown) = stage.get("/v1/events/order-7").await;
    assert_eq!((status, &shown["payload"], &shown["deliveries"]), (200, &json!({"order": 7}), &json!([])));
    stage.end().await;
}

#[tokio::test]
async fn what_cannot_be_says_why() {
    let stage = stage().await;
    let check = async |method: &str, path: &str, body: Option<Value>, expected: (u16, &str)| {
        let answer = stage.send(method, path, body, &[]).await;
        assert_eq!(answer.word(), expected, "{method} {path}: {}", answer.body);
    };
    check("GET", "/v1/events/none", None, (404, "unknown-event")).await;
    check("GET", "/v1/events?since=yesterday", None, (422, "invalid")).await;
    check("GET", "/v1/events?status=lost", None, (422, "invalid")).await;
    check("GET", "/v1/events?cursor=7", None, (422, "invalid")).await;
    check("POST", "/v1/events", Some(json!({"payload": 1})), (422, "invalid")).await;
    check("POST", "/v1/events", Some(json!({"topic": "order.*"})), (422, "invalid")).await;
    check("POST", "/v1/events?wait=-1", Some(json!({"topic": "a"})), (422, "invalid")).await;
    check("POST", "/v1/events/replay", Some(json!({"ids": ["none"]})), (404, "unknown-event")).await;
    check("POST", "/v1/events/replay", Some(json!({"rate": 0})), (422, "invalid")).await;
    check("DELETE", "/v1/events/dead-letters", None, (422, "invalid")).await;
    stage.oneiric.refuse_work();
    check("POST", "/v1/events", Some(json!({"topic": "a"})), (503, "not-serving")).await;
    stage.end().await;
}

#[tokio::test]
async fn dead_letters_are_listed_replayed_and_given_up() {
    let stage = stage().await;
    let bank =
        handler_fn(|_: Envelope| async { Err::<(), _>(Fault::permanent("declined", "no such account")) });
    stage.oneiric.on("order.*", bank).unwrap();
    let event =
        json!({"topic": "order.paid", "headers": {"event_id": "order-7"}, "delivery": "at_least_once"});
    let emitted = stage.post("/v1/events?wait=10", event).await;
    assert_eq!((emitted.status, &emitted.body["results"][0]["success"]), (200, &json!(false)));
    let (_, dead) = stage.get("/v1/events/dead-letters").await;
    assert_eq!(dead["dead_letters"][0]["event_id"], "order-7", "{dead}");
    assert_eq!(dead["dead_letters"][0]["fault"]["code"], "declined");
    let dry = stage.post("/v1/events/dead-letters/replay", json!({"dry_run": true})).await;
    assert_eq!((dry.status, &dry.body["events"]), (200, &json!(1)), "{:?}", dry.body);
    let dropped = stage.send("DELETE", "/v1/events/dead-letters?ids=order-7", None, &[]).await;
    assert_eq!((dropped.status, &dropped.body["dropped"]), (200, &json!(1)));
    assert_eq!(stage.get("/v1/events/dead-letters").await.1["dead_letters"], json!([]));
    let replayed = stage.post("/v1/events/replay", json!({"topics": ["order.*"], "dry_run": true})).await;
    assert_eq!((replayed.status, &replayed.body["events"]), (200, &json!(1)));
    stage.end().await;
}
