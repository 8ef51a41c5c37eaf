//! Whether a process lives, and whether it takes work.

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
    assert_eq!(stage.get("/v1/health/ready").await, (503, json!({"status": "down", "phase": "draining"})));
    assert_eq!(stage.get("/healthz").await.0, 200);
    stage.end().await;
}
