//! Runs over HTTP.

use std::collections::BTreeSet;

use oneiric_core::Fault;
use oneiric_core::linked::task_fn;
use oneiric_runtime::{Builder, Oneiric};
use serde_json::{Value, json};

use crate::stage::Stage;

/// Workflows: `double` of two nodes, `hello` to a name, `fail`, and `wait` until it is cancelled.
pub(crate) fn shop() -> Builder {
    let double = task_fn(|n: i64| async move { Ok::<_, Fault>(2 * n) });
    let fail =
        task_fn(|_: Value| async { Err::<(), _>(Fault::permanent("declined", "the card was declined")) });
    let wait = task_fn(|_: Value| async { std::future::pending::<Result<(), Fault>>().await });
    let greet = task_fn(|of: Value| async move {
        Ok::<_, Fault>(format!("hello {}", of["name"].as_str().unwrap_or("nobody")))
    });
    Oneiric::builder()
        .task("double", double)
        .task("decline", fail)
        .task("forever", wait)
        .task("greet", greet)
        .workflow("hello", &json!({"nodes": [{"id": "a", "task": "greet"}]}))
        .workflow(
            "double",
            &json!({"nodes": [
                {"id": "a", "task": "double"},
                {"id": "b", "task": "double", "depends_on": ["a"], "payload": "${{ nodes.a.output }}"},
            ]}),
        )
        .workflow("fail", &json!({"nodes": [{"id": "a", "task": "decline"}]}))
        .workflow("wait", &json!({"nodes": [{"id": "a", "task": "forever"}]}))
}

async fn stage() -> Stage {
    Stage::of(shop(), |_| {}).await
}

fn id(answer: &crate::stage::Answer) -> String {
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    let run = answer.body["run_id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), Some(format!("/v1/runs/{run}").as_str()));
    run
}

#[tokio::test]
async fn a_run_is_asked_for_and_shown() {
    let stage = stage().await;
    let run = id(&stage.post("/v1/runs", json!({"workflow": "double", "input": 5})).await);
    let shown = stage.ended(&run).await;
    assert_eq!(shown["status"], "completed", "{shown}");
    assert_eq!((&shown["results"]["b"], &shown["results"]["b__attempts"]), (&json!(20), &json!(1)));
    assert_eq!((&shown["trigger"], &shown["input"]), (&json!("http"), &json!(5)));
    assert_eq!(shown["nodes"]["a"]["status"], "completed");
    let (status, why) = stage.get(&format!("/v1/runs/{run}/explain")).await;
    assert_eq!((status, &why["reasons"][0]["reason"]), (200, &json!("ended")));
    stage.end().await;
}

#[tokio::test]
async fn what_cannot_be_says_why() {
    let stage = stage().await;
    let check = async |method: &str, path: &str, body: Option<Value>, expected: (u16, &str)| {
        let answer = stage.send(method, path, body, &[]).await;
        assert_eq!(answer.word(), expected, "{method} {path}: {}", answer.body);
        assert!(answer.body["message"].as_str().is_some_and(|message| !message.is_empty()));
    };
    let none = "019a0000-0000-7000-8000-000011112222";
    check("GET", "/v1/runs/x", None, (404, "unknown-run")).await;
    check("GET", &format!("/v1/runs/{none}"), None, (404, "unknown-run")).await;
    check("GET", &format!("/v1/runs/{none}/events"), None, (404, "unknown-run")).await;
    check("GET", &format!("/v1/runs/{none}/explain"), None, (404, "unknown-run")).await;
    check("POST", &format!("/v1/runs/{none}/pause"), None, (404, "unknown-run")).await;
    check("GET", "/v1/runs?limit=0", None, (422, "invalid")).await;
    check("GET", "/v1/runs?limit=501", None, (422, "invalid")).await;
    check("GET", "/v1/runs?cursor=x", None, (422, "invalid")).await;
    check("GET", "/v1/runs?status=done", None, (422, "invalid")).await;
    check("GET", "/v1/runs?colour=red", None, (422, "invalid")).await;
    check("POST", "/v1/runs", Some(json!({"workflow": "none"})), (404, "unknown-component")).await;
    check("POST", "/v1/runs", Some(json!({})), (422, "invalid")).await;
    check("POST", "/v1/runs", Some(json!([])), (422, "invalid")).await;
    check("POST", "/v1/runs", Some(json!({"workflow": "double", "x": 1})), (422, "invalid")).await;
    check("POST", "/v1/runs", Some(json!({"workflow": "double", "run_id": "x"})), (422, "invalid")).await;
    let both = json!({"workflow": "double", "input": 1, "context": 1});
    check("POST", "/v1/runs", Some(both), (422, "invalid")).await;
    let zero = json!({"workflow": "double", "options": {"max_parallel": 0}});
    check("POST", "/v1/runs", Some(zero), (422, "invalid")).await;
    let run = id(&stage.post("/v1/runs", json!({"workflow": "double", "input": 1})).await);
    stage.ended(&run).await;
    check("POST", &format!("/v1/runs/{run}/cancel"), None, (409, "over")).await;
    check("POST", &format!("/v1/runs/{run}/rerun"), Some(json!({"from": ["x"]})), (404, "unknown-component"))
        .await;
    stage.end().await;
}

#[tokio::test]
async fn the_same_request_with_the_same_key_makes_one_run() {
    let stage = stage().await;
    let ask = json!({"workflow": "double", "input": 3});
    let key = [("idempotency-key", "order-7")];
    let asking = (0..50).map(|_| stage.send("POST", "/v1/runs", Some(ask.clone()), &key));
    let answers = futures_util::future::join_all(asking).await;
    let runs: BTreeSet<_> = answers.iter().map(|answer| answer.body["run_id"].as_str().unwrap()).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 201)));
    let other = stage.send("POST", "/v1/runs", Some(json!({"workflow": "double", "input": 4})), &key).await;
    assert_eq!(other.word(), (409, "reused"));
    assert_eq!(stage.get("/v1/runs").await.1["runs"].as_array().unwrap().len(), 1);
    // With an id of its own the same.
    let own = json!({"workflow": "double", "input": 3, "run_id": "019a0000-0000-7000-8000-000011112222"});
    let statuses =
        [stage.post("/v1/runs", own.clone()).await.status, stage.post("/v1/runs", own).await.status];
    assert_eq!(statuses, [201, 200]);
    let other = json!({"workflow": "fail", "run_id": "019a0000-0000-7000-8000-000011112222"});
    assert_eq!(stage.post("/v1/runs", other).await.word(), (409, "reused"));
    stage.end().await;
}

#[tokio::test]
async fn what_takes_no_work_says_when_to_ask_again() {
    let stage = stage().await;
    let ask = json!({"workflow": "double", "input": 3});
    let key = [("idempotency-key", "k")];
    let first = stage.send("POST", "/v1/runs", Some(ask.clone()), &key).await;
    stage.oneiric.pause_component("workflow", "double", Some("stocktaking")).await.unwrap();
    let closed = stage.post("/v1/runs", ask.clone()).await;
    assert_eq!((closed.word(), closed.header("retry-after")), ((503, "paused"), Some("30")));
    // What was accepted before is told of all the same.
    let known = stage.send("POST", "/v1/runs", Some(ask.clone()), &key).await;
    assert_eq!((known.status, &known.body["run_id"]), (200, &first.body["run_id"]));
    stage.oneiric.resume_component("workflow", "double").await.unwrap();
    assert_eq!(stage.post("/v1/runs", ask.clone()).await.status, 201);
    stage.oneiric.refuse_work();
    let draining = stage.post("/v1/runs", ask).await;
    assert_eq!((draining.word(), draining.header("retry-after")), ((503, "not-serving"), Some("5")));
    stage.end().await;
}

#[tokio::test]
async fn pages_of_runs_have_no_gap_while_others_come() {
    let stage = stage().await;
    let mut asked = Vec::new();
    for n in 0..12 {
        asked.push(id(&stage.post("/v1/runs", json!({"workflow": "double", "input": n})).await));
    }
    let (mut met, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = stage.get(&format!("/v1/runs?limit=5&workflow=double{cursor}")).await;
        assert_eq!(status, 200);
        met.extend(
            page["runs"].as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
        // Comes in front of the first page.
        stage.post("/v1/runs", json!({"workflow": "double", "input": 0})).await;
    }
    asked.reverse();
    assert_eq!(met, asked);
    let (_, none) = stage.get("/v1/runs?status=cancelled,failed").await;
    assert_eq!(none, json!({"runs": [], "next": null}));
    stage.end().await;
}

#[tokio::test]
async fn a_run_is_paused_cancelled_and_repeated() {
    let stage = stage().await;
    let run = id(&stage.post("/v1/runs", json!({"workflow": "wait"})).await);
    // Until it runs there is nothing to pause.
    while stage.get(&format!("/v1/runs/{run}")).await.1["nodes"]["a"]["status"] != "running" {
        tokio::task::yield_now().await;
    }
    let at = |verb: &str| format!("/v1/runs/{run}/{verb}");
    let paused = stage.post(&at("pause"), json!({"reason": "lunch"})).await;
    assert_eq!(
        (paused.status, &paused.body["outcome"], &paused.body["running"]),
        (200, &json!("done"), &json!(1))
    );
    assert_eq!(stage.send("POST", &at("pause"), None, &[]).await.body["outcome"], "already");
    assert_eq!(stage.send("POST", &at("resume"), None, &[]).await.status, 200);
    let cancelled = stage.post(&at("cancel"), json!({"now": true})).await;
    assert_eq!(cancelled.status, 200, "{:?}", cancelled.body);
    assert_eq!(stage.ended(&run).await["status"], "cancelled");
    let failed = id(&stage.post("/v1/runs", json!({"workflow": "fail"})).await);
    let ended = stage.ended(&failed).await;
    assert_eq!(
        (&ended["status"], &ended["nodes"]["a"]["fault"]["code"]),
        (&json!("failed"), &json!("declined"))
    );
    let again = id(&stage.post(&format!("/v1/runs/{failed}/rerun"), json!({"failed": true})).await);
    let again = stage.ended(&again).await;
    assert_eq!((&again["status"], &again["parent"]), (&json!("failed"), &json!(failed)));
    let fork = id(&stage.post(&format!("/v1/runs/{failed}/fork"), json!({"input": {"n": 1}})).await);
    assert_eq!(stage.ended(&fork).await["input"], json!({"n": 1}));
    stage.end().await;
}
