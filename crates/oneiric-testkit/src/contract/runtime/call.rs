//! What goes in and what comes out.

use std::sync::Arc;

use oneiric_core::roles::{Envelope, EventHandler};
use oneiric_core::{Domain, Fault};
use serde_json::{Value, json};

use super::{Behaviour, Site, Stage};

/// Input and output are JSON, unchanged on the way.
pub async fn any_json_comes_back_as_it_was_given(site: Arc<dyn Site>) {
    let Some(stage) = Stage::task(&site, Behaviour::Echo).await else { return };
    let values = [
        json!(null),
        json!(true),
        json!(-7),
        json!(9_007_199_254_740_993_u64),
        json!(0.1),
        json!(""),
        json!([]),
        json!({}),
        json!({"a": [1, {"b": null}], "": "empty key"}),
        json!("Grüße, 世界 🦀 \u{0} \u{1f} \" \\ / \u{2028} e\u{301}"),
        json!("line\nfeed\r\nand\ttab"),
        json!({"schlüssel": "значение"}),
        json!("x".repeat(200_000)),
    ];
    for value in values {
        assert_eq!(stage.run(value.clone()).await.unwrap(), value);
    }
    stage.stop().await;
}

/// A component does more than to repeat.
pub async fn text_is_worked_on(site: Arc<dyn Site>) {
    let Some(stage) = Stage::set(&site, Behaviour::Capitals, Domain::ACTION).await else { return };
    assert_eq!(stage.apply(json!("abc xyz")).await.unwrap(), json!("ABC XYZ"));
    stage.stop().await;
}

/// An event reaches its handler as one object.
pub async fn a_handler_is_given_the_envelope(site: Arc<dyn Site>) {
    let Some(stage) = Stage::set(&site, Behaviour::Echo, Domain::EVENT).await else { return };
    let mut envelope = Envelope::new("order.paid".parse().unwrap(), json!({"id": 7}));
    envelope.headers.insert("event_id".to_owned(), json!("e1"));
    let handler = stage.instance.role::<dyn EventHandler>().expect("it plays EventHandler");
    let found = stage.soon(handler.handle(&envelope)).await.unwrap();
    assert_eq!(found.value(), envelope.to_payload().value());
    stage.stop().await;
}

/// Calls do not wait for each other's end, and no answer goes astray.
pub async fn calls_run_side_by_side_and_get_their_own_answers(site: Arc<dyn Site>) {
    let Some(stage) = Stage::task(&site, Behaviour::Echo).await else { return };
    let stage = Arc::new(stage);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..50 {
        let stage = stage.clone();
        calls.spawn(async move { (n, stage.run(json!({ "n": n })).await) });
    }
    while let Some(call) = calls.join_next().await {
        let (n, answer): (u32, Result<Value, Fault>) = call.unwrap();
        assert_eq!(answer.unwrap(), json!({ "n": n }));
    }
    stage.stop().await;
}

/// What the settings say of the provider is known to the component.
pub async fn settings_of_the_provider_arrive(site: Arc<dyn Site>) {
    let Some(stage) = Stage::task(&site, Behaviour::Settings).await else { return };
    let settings = json!({"region": "eu", "depth": {"of": [1, 2]}});
    assert_eq!(stage.run(json!(null)).await.unwrap(), settings);
    stage.stop().await;
}

/// What a component writes belongs to its call, also where it ends without a line feed.
pub async fn lines_are_logged_in_their_order(site: Arc<dyn Site>) {
    let Some(stage) = Stage::task(&site, Behaviour::Logs).await else { return };
    assert_eq!(stage.run(json!(null)).await.unwrap(), json!(null));
    assert_eq!(stage.lines(), ["one", "two", "three"]);
    stage.stop().await;
}

/// Megabytes are nothing special.
pub async fn a_large_output_arrives(site: Arc<dyn Site>) {
    let Some(stage) = Stage::task(&site, Behaviour::Letters).await else { return };
    for letters in [1, 70_000, 3_000_000] {
        let output = stage.run(json!(letters)).await.unwrap();
        assert_eq!(output.as_str().map(str::len), Some(letters));
    }
    stage.stop().await;
}
