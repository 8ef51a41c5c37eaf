//! Runs and events as they happen.

use std::sync::Arc;

use oneiric_core::Fault;
use oneiric_core::Rng as _;
use oneiric_core::linked::task_fn;
use oneiric_core::rng::SeededRng;
use oneiric_runtime::Oneiric;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::runs::shop;
use crate::sse::Reader;
use crate::stage::Stage;

/// How often the client is cut off.
const CUTS: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_cut_off_a_hundred_times_misses_nothing_and_sees_nothing_twice() {
    let steps = Arc::new(Semaphore::new(0));
    let step = Arc::clone(&steps);
    let paced = task_fn(move |_: Value| {
        let step = Arc::clone(&step);
        async move {
            step.acquire().await.map_err(|_| Fault::permanent("closed", "the test is over"))?.forget();
            Ok::<_, Fault>(())
        }
    });
    let nodes: Vec<Value> = (0..CUTS)
        .map(|n| {
            let before: Vec<String> = (n > 0).then(|| format!("n{}", n - 1)).into_iter().collect();
            json!({"id": format!("n{n}"), "task": "paced", "depends_on": before})
        })
        .collect();
    let builder = Oneiric::builder().task("paced", paced).workflow("long", &json!({"nodes": nodes}));
    let stage = Stage::of(builder, |_| {}).await;
    let run =
        stage.post("/v1/runs", json!({"workflow": "long"})).await.body["run_id"].as_str().unwrap().to_owned();
    let url = format!("{}/v1/runs/{run}/events", stage.url);
    let (rng, mut seen) = (SeededRng::new(7), Vec::new());
    for _ in 0..CUTS {
        let mut reader = Reader::open(&stage.client, &url, seen.last().copied()).await;
        assert_eq!(reader.answer.headers()["content-type"], "text/event-stream");
        // The run goes on while the client reads, is cut off, or comes back.
        steps.add_permits(1);
        for _ in 0..rng.next_u64() % 3 {
            let frame = reader.next().await.unwrap();
            if let Some(id) = frame.id {
                assert_eq!(frame.data["seq"], id);
                seen.push(id);
            } else {
                assert_eq!(frame.event, "run.ended");
            }
            // No more than there certainly is: the client must not wait for a step that nobody makes.
            if seen.len() > 1
                && seen.len() as u64 >= stage.oneiric.store().last_seq(run.parse().unwrap()).await.unwrap()
            {
                break;
            }
        }
    }
    let mut reader = Reader::open(&stage.client, &url, seen.last().copied()).await;
    loop {
        let frame = reader.next().await.unwrap();
        match frame.id {
            Some(id) => seen.push(id),
            None => {
                assert_eq!((frame.event.as_str(), &frame.data["status"]), ("run.ended", &json!("completed")));
                break;
            }
        }
    }
    assert_eq!(reader.next().await, None);
    let last = stage.oneiric.store().last_seq(run.parse().unwrap()).await.unwrap();
    assert!(last > CUTS as u64);
    assert_eq!(seen, (1..=last).collect::<Vec<_>>());
    // Whoever has seen all of it need not come back.
    let over = Reader::open(&stage.client, &url, Some(last)).await;
    assert_eq!(over.answer.status().as_u16(), 204);
    stage.end().await;
}

#[tokio::test]
async fn a_stream_begins_where_it_is_asked_to() {
    let stage = Stage::of(shop(), |_| {}).await;
    let run = stage.post("/v1/runs", json!({"workflow": "double", "input": 1})).await.body["run_id"]
        .as_str()
        .unwrap()
        .to_owned();
    stage.ended(&run).await;
    let at = |query: &str| format!("/v1/runs/{run}/events?{query}");
    let (status, page) = stage.get(&at("stream=false&limit=2")).await;
    assert_eq!((status, &page["run_id"], &page["next"]), (200, &json!(run), &json!(2)));
    assert_eq!(page["events"][0]["event"]["type"], "started");
    let (_, rest) = stage.get(&at("stream=false&after=2")).await;
    let last = rest["next"].as_u64().unwrap();
    let first = |query: &str| {
        let url = format!("{}{}", stage.url, at(query));
        let client = stage.client.clone();
        async move { Reader::open(&client, &url, None).await.next().await.unwrap() }
    };
    assert_eq!(first("").await.id, Some(1));
    assert_eq!(first("from=2").await.id, Some(2));
    assert_eq!(first(&format!("after={}", last - 1)).await.id, Some(last));
    assert_eq!(first("from=now").await.event, "run.ended");
    for wrong in ["from=soon", "limit=0&stream=false"] {
        assert_eq!(stage.get(&at(wrong)).await.0, 422, "{wrong}");
    }
    let answer = stage.send("GET", &at(""), None, &[("last-event-id", "x")]).await;
    assert_eq!(answer.word(), (400, "bad-event-id"));
    stage.end().await;
}

#[tokio::test]
async fn a_stream_ends_with_the_process_and_says_where_to_go_on() {
    let stage = Stage::of(shop(), |_| {}).await;
    let run =
        stage.post("/v1/runs", json!({"workflow": "wait"})).await.body["run_id"].as_str().unwrap().to_owned();
    let url = format!("{}/v1/runs/{run}/events", stage.url);
    let mut reader = Reader::open(&stage.client, &url, None).await;
    let first = reader.next().await.unwrap();
    assert_eq!((first.id, first.event.as_str()), (Some(1), "started"));
    let (ended, ()) = tokio::join!(async { reader.next().await.unwrap() }, stage.end());
    assert_eq!((ended.id, ended.event.as_str(), ended.data), (None, "stream.reset", json!({"after": 1})));
    assert_eq!(reader.next().await, None);
}

#[tokio::test]
async fn no_more_streams_are_read_than_may_be() {
    let stage = Stage::of(shop(), |settings| settings.http.limits.streams = 1).await;
    let url = format!("{}/v1/events/stream", stage.url);
    let first = Reader::open(&stage.client, &url, None).await;
    assert_eq!(first.answer.status().as_u16(), 200);
    let refused = Reader::open(&stage.client, &url, None).await;
    assert_eq!(refused.answer.status().as_u16(), 503);
    assert!(refused.answer.headers().contains_key("retry-after"));
    stage.end().await;
}

#[tokio::test]
async fn events_are_followed_from_where_a_client_was() {
    let stage = Stage::of(shop(), |_| {}).await;
    let emit = async |n: u32| {
        let event = json!({"topic": "order.paid", "payload": {"n": n}, "delivery": "at_least_once"});
        assert_eq!(stage.post("/v1/events", event).await.status, 202);
    };
    let url = format!("{}/v1/events/stream?topic=order.*", stage.url);
    let mut live = Reader::open(&stage.client, &url, None).await;
    emit(1).await;
    let first = live.next().await.unwrap();
    assert_eq!((first.event.as_str(), &first.data["payload"]), ("order.paid", &json!({"n": 1})));
    drop(live);
    emit(2).await;
    emit(3).await;
    let mut back = Reader::open(&stage.client, &url, first.id).await;
    let met = [back.next().await.unwrap(), back.next().await.unwrap()];
    assert_eq!(met.map(|frame| frame.data["payload"]["n"].as_u64().unwrap()), [2, 3]);
    let mut start = Reader::open(&stage.client, &format!("{url}&from=start"), None).await;
    assert_eq!(start.next().await.unwrap().id, first.id);
    stage.end().await;
}
