//! Components and the process itself, over HTTP.

use serde_json::{Value, json};

use crate::runs::shop;
use crate::stage::Stage;

#[tokio::test]
async fn a_component_is_paused_drained_and_resumed() {
    let stage = Stage::of(shop(), |_| {}).await;
    let at = "/v1/activity/workflow/double";
    let paused = stage.post(&format!("{at}/pause"), json!({"note": "stocktaking"})).await;
    let expected = json!({
        "domain": "workflow", "key": "double", "paused": true, "draining": false, "note": "stocktaking",
        "in_flight": 0, "processes": [],
    });
    assert_eq!((paused.status, &paused.body), (200, &expected));
    assert_eq!(stage.get(at).await, (200, expected));
    let (_, all) = stage.get("/v1/activity").await;
    assert_eq!(all["totals"], json!({"paused": 1, "draining": 0, "note_only": 0}));
    assert_eq!(all["domains"]["workflow"]["entries"][0]["note"], "stocktaking");
    assert_eq!(all["processes"][0]["pid"], std::process::id());
    let drained = stage.post(&format!("{at}/drain"), json!({"wait": 5.0})).await;
    assert_eq!((drained.status, &drained.body["draining"]), (200, &json!(true)));
    let resumed = stage.send("POST", &format!("{at}/resume"), None, &[]).await;
    assert_eq!((&resumed.body["paused"], &resumed.body["draining"]), (&json!(false), &json!(false)));
    let check = async |path: &str, body: Value, expected: (u16, &str)| {
        assert_eq!(stage.post(path, body).await.word(), expected, "{path}");
    };
    check("/v1/activity/x y/double/pause", json!({}), (422, "invalid")).await;
    check("/v1/activity/workflow/double/pause", json!({"note": "x".repeat(1001)}), (422, "invalid")).await;
    check("/v1/activity/workflow/double/pause", json!({"notes": 1}), (422, "invalid")).await;
    stage.end().await;
}

#[tokio::test]
async fn a_process_says_how_busy_its_machine_is() {
    let stage = Stage::of(shop(), |_| {}).await;
    let (status, first) = stage.get("/v1/metrics/system").await;
    assert_eq!(
        (status, &first["status"], &first["components"]["gateway"]["status"]),
        (200, &json!("ok"), &json!("serving"))
    );
    for name in ["cpu", "memory", "disk"] {
        let percent = first[name]["percent"].as_f64();
        assert!(percent.is_none_or(|percent| (0.0..=100.0).contains(&percent)), "{name}: {first}");
    }
    stage.oneiric.refuse_work();
    assert_eq!(stage.get("/v1/metrics/system").await.1["status"], "degraded");
    stage.end().await;
}

#[tokio::test]
async fn a_process_that_is_asked_to_stop_says_so_to_whoever_serves() {
    let stage = Stage::of(shop(), |_| {}).await;
    assert!(!stage.asked_to_stop.is_cancelled());
    let answer = stage.send("POST", "/v1/shutdown", None, &[]).await;
    assert_eq!((answer.status, answer.body.clone()), (202, json!({"status": "stopping"})));
    assert!(stage.asked_to_stop.is_cancelled());
    stage.end().await;
}
