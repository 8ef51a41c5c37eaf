//! Whether a process lives, and whether it takes work.

use std::sync::Arc;

use oneiric_core::settings::HttpAuth;
use oneiric_runtime::Oneiric;
use oneiric_store::{MemoryStore, Store as _};
use serde_json::json;

use crate::stage::Stage;

#[tokio::test]
async fn a_process_that_goes_down_lives_and_is_not_ready() {
    let stage = Stage::plain().await;
    for path in ["/healthz", "/v1/health/live"] {
        assert_eq!(stage.get(path).await, (200, json!({"status": "ok"})));
    }
    assert_eq!(stage.get("/v1/health/ready").await, (200, json!({"status": "ok", "phase": "serving"})));
    stage.oneiric.refuse_work();
    let (code, ready) = stage.get("/v1/health/ready").await;
    assert_eq!((code, &ready["status"], &ready["phase"]), (503, &json!("down"), &json!("draining")));
    assert_eq!(stage.get("/healthz").await.0, 200);
    stage.end().await;
}

#[tokio::test]
async fn health_is_told_in_full_to_those_who_may_see_it() {
    let stage = Stage::plain().await;
    let (code, health) = stage.get("/v1/health").await;
    assert_eq!((code, &health["status"], &health["ready"]), (200, &json!("ok"), &json!(true)));
    assert_eq!((&health["store"]["status"], &health["degraded"]["active"]), (&json!("ok"), &json!(false)));
    assert!(health["services"].is_object() && health["supervisor"]["enabled"].is_boolean(), "{health:#}");
    stage.end().await;
    let closed = Stage::of(Oneiric::builder(), |settings| settings.http.auth = HttpAuth::Required).await;
    let (code, outline) = closed.get("/v1/health").await;
    let names: Vec<_> = outline.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!((code, names), (200, vec!["healthy", "phase", "ready", "status", "timestamp", "version"]));
    closed.end().await;
}

#[tokio::test]
async fn a_process_without_its_store_is_down_and_lives() {
    let store = Arc::new(MemoryStore::new());
    let stage = Stage::of(Oneiric::builder().store(Arc::clone(&store) as _), |_| {}).await;
    store.close().await.unwrap();
    let (code, health) = stage.get("/v1/health").await;
    assert_eq!((code, &health["status"], &health["ready"]), (503, &json!("down"), &json!(false)));
    assert_eq!(health["degraded"]["reasons"][0]["component"], "store");
    let (code, ready) = stage.get("/v1/health/ready").await;
    assert_eq!((code, &ready["reasons"][0]["component"]), (503, &json!("store")));
    assert_eq!(stage.get("/v1/health/live").await, (200, json!({"status": "ok"})));
}
