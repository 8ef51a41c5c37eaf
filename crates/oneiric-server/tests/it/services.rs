//! Services over HTTP.

use async_trait::async_trait;
use oneiric_core::Fault;
use oneiric_core::roles::{Service, ServiceContext};
use oneiric_runtime::Oneiric;
use serde_json::json;

use crate::stage::Stage;

struct Gateway;

#[async_trait]
impl Service for Gateway {
    async fn run(&self, cx: ServiceContext) -> Result<(), Fault> {
        cx.stop.cancelled().await;
        Ok(())
    }
}

#[tokio::test]
async fn a_service_is_stopped_and_started_again() {
    let stage = Stage::of(Oneiric::builder().service("gateway", Gateway).services(true), |_| {}).await;
    stage.oneiric.reached(oneiric_runtime::Phase::Serving).await;
    let (status, told) = stage.get("/v1/services").await;
    assert_eq!((status, &told["kept"], &told["reason"]), (200, &json!(true), &json!(null)));
    let state = |told: &serde_json::Value| told["state"].as_str().unwrap().to_owned();
    assert_eq!(state(&told["services"][0]), "running");
    let stopped = stage.post("/v1/services/gateway/stop", json!({})).await;
    assert_eq!((stopped.status, state(&stopped.body).as_str()), (200, "stopped"));
    let started = stage.post("/v1/services/gateway/start", json!({})).await;
    assert_eq!((started.status, state(&started.body).as_str()), (200, "running"));
    let unknown = stage.post("/v1/services/nobody/restart", json!({})).await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
    stage.end().await;
}
