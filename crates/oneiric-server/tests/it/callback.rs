//! A queue that asks for runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use oneiric_core::Fault;
use oneiric_core::linked::task_fn;
use oneiric_core::settings::Seconds;
use oneiric_runtime::Oneiric;
use serde_json::{Value, json};

use crate::runs::shop;
use crate::stage::Stage;

const PATH: &str = "/tasks/workflow";

#[tokio::test]
async fn a_task_is_answered_as_upstream_answers_it() {
    let stage = Stage::of(shop(), |_| {}).await;
    let run = "019a0000-0000-7000-8000-000011112222";
    let task = json!({
        "workflow": "hello", "run_id": run, "context": {"name": "ada"}, "metadata": {"tries": 1},
        "checkpoint": {}, "queued_at": "2026-01-31T09:30:00Z",
    });
    let answer = stage.post(PATH, task.clone()).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("completed")), "{:?}", answer.body);
    let result = &answer.body["result"];
    assert_eq!((&result["workflow"], &result["run_id"]), (&json!("hello"), &json!(run)));
    assert_eq!((&result["workflow_provider"], &result["metadata"]), (&Value::Null, &json!({"tries": 1})));
    assert_eq!(
        (&result["results"]["a"], &result["results"]["a__attempts"]),
        (&json!("hello ada"), &json!(1))
    );
    let names: BTreeSet<_> = result.as_object().unwrap().keys().map(String::as_str).collect();
    let upstream = ["workflow", "run_id", "workflow_provider", "metadata", "results", "processed_at"];
    assert_eq!(names, upstream.into_iter().collect());
    // Delivered again, it is the same run.
    assert_eq!(stage.post(PATH, task).await.body, answer.body);
    assert_eq!(stage.get("/v1/runs").await.1["runs"].as_array().unwrap().len(), 1);
    let (_, shown) = stage.get(&format!("/v1/runs/{run}")).await;
    assert_eq!((&shown["trigger"], &shown["actor"]), (&json!("callback"), &json!("local")));
    let other = json!({"workflow": "hello", "run_id": run, "context": {"name": "bob"}});
    assert_eq!(stage.post(PATH, other).await.word(), (409, "reused"));
    stage.end().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_in_upstreams_words() {
    let stage = Stage::of(shop(), |_| {}).await;
    let check = async |body: &str, expected: (u16, &str)| {
        let request =
            stage.client.post(format!("{}{PATH}", stage.url)).header("content-type", "application/json");
        let answer = request.body(body.to_owned()).send().await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!((status, body["error"].as_str().unwrap()), expected, "{body}");
    };
    check("{", (400, "invalid-json")).await;
    check("[]", (400, "payload-must-be-object")).await;
    check("{}", (400, "workflow-key-missing")).await;
    check("{\"workflow\": 7}", (400, "workflow-key-missing")).await;
    check("{\"workflow\": \"hello\", \"context\": 7}", (400, "payload-invalid")).await;
    check("{\"workflow\": \"hello\", \"checkpoint\": {\"a\": 1}}", (400, "checkpoint-unsupported")).await;
    check("{\"workflow\": \"none\"}", (500, "workflow-execution-failed")).await;
    check("{\"workflow\": \"fail\"}", (500, "workflow-execution-failed")).await;
    stage.oneiric.pause_component("workflow", "hello", None).await.unwrap();
    check("{\"workflow\": \"hello\"}", (503, "paused")).await;
    let closed = stage.post(PATH, json!({"workflow": "hello"})).await;
    assert_eq!(closed.header("retry-after"), Some("30"));
    stage.end().await;
}

#[tokio::test]
async fn a_task_that_is_delivered_many_times_at_once_runs_once() {
    let (count, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
    let (counted, gated) = (Arc::clone(&count), Arc::clone(&gate));
    let slow = task_fn(move |_: Value| {
        let (counted, gated) = (Arc::clone(&counted), Arc::clone(&gated));
        async move {
            counted.fetch_add(1, Ordering::Relaxed);
            gated.acquire().await.map_err(|_| Fault::permanent("closed", "the test is over"))?.forget();
            Ok::<_, Fault>("done")
        }
    });
    let builder = Oneiric::builder()
        .task("slow", slow)
        .workflow("slow", &json!({"nodes": [{"id": "a", "task": "slow"}]}));
    let stage = Stage::of(builder, |_| {}).await;
    // Not a UUID: it names the run all the same.
    let task = json!({"workflow": "slow", "run_id": "order-7"});
    let asking = (0..20).map(|_| stage.post(PATH, task.clone()));
    let letting = async {
        while stage.get("/v1/runs?status=running").await.1["runs"].as_array().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        gate.add_permits(20);
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(asking), letting);
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (200, &answers[0].body));
        assert_eq!(answer.body["result"]["run_id"], "order-7");
    }
    assert_eq!(count.load(Ordering::Relaxed), 1);
    // The name that a queue gives a task that names no run does the same.
    let named = [("x-cloudtasks-taskname", "t1")];
    let ask = json!({"workflow": "slow"});
    let (first, again) = (
        stage.send("POST", PATH, Some(ask.clone()), &named).await,
        stage.send("POST", PATH, Some(ask), &named).await,
    );
    assert_eq!((first.status, &first.body), (200, &again.body));
    assert_eq!(count.load(Ordering::Relaxed), 2);
    stage.end().await;
}

#[tokio::test]
async fn a_run_that_takes_long_goes_on_and_is_asked_for_again() {
    let stage = Stage::of(shop(), |settings| settings.http.limits.request_seconds = Seconds::new(1.0)).await;
    let task = json!({"workflow": "wait", "run_id": "019a0000-0000-7000-8000-000011112222"});
    let later = stage.post(PATH, task.clone()).await;
    assert_eq!((later.word(), later.header("retry-after")), ((503, "run-goes-on"), Some("5")));
    let at_once = stage.post(&format!("{PATH}?async=true"), task.clone()).await;
    // Its own way of writing it, as in every list of runs.
    assert_eq!((at_once.status, &at_once.body["run_id"]), (202, &json!("019a0000000070008000000011112222")));
    let (_, run) = stage.get("/v1/runs/019a0000-0000-7000-8000-000011112222").await;
    assert_eq!(run["status"], "running");
    stage.end().await;
}
