//! A process that dies at its n-th commit, for every n, while events come in and windows are due. Whoever gets no
//! answer emits again; another process takes over.

use std::sync::Arc;
use std::time::Duration;

use oneiric_core::Clock as _;
use oneiric_runtime::SystemClock;
use oneiric_store::Store;
use oneiric_testkit::{CrashingStore, ManualClock, Side};
use serde_json::{Value, json};

use super::{LONG, builder, event, memory, runs, settled_in_time};
use crate::support::process;

const EVENTS: usize = 5;

/// Emits in a process that dies, waits until it must have fired, and takes over. What the runs got, and how many
/// commits the first process got to.
fn story(metadata: &str, dies_at: u64, side: Side) -> (Vec<Value>, u64) {
    process(async {
        let (store, clock) = (memory(), ManualClock::new());
        let crashing = Arc::new(CrashingStore::new(Arc::clone(&store), dies_at, side));
        let dying: Arc<dyn Store> = crashing.clone();
        let mut unanswered = Vec::new();
        if let Ok(first) = builder(metadata, &dying, &clock).serve(true).start().await {
            for n in 0..EVENTS {
                if first.emit_and_wait(event(&format!("e-{n}"), json!(n)), LONG).await.is_err() {
                    unanswered.push(n);
                }
            }
            // Time to fire, or to die of it.
            clock.advance(Duration::from_secs(60));
            let real = SystemClock::default();
            let fired = async || {
                first.windows().await.is_ok_and(|all| all.iter().all(|window| window.due_at.is_none()))
            };
            while !crashing.is_dead() && !fired().await {
                assert!(real.monotonic() < LONG, "it neither fires nor dies");
                clock.advance(Duration::from_secs(1));
                real.sleep(Duration::from_millis(1)).await;
            }
        } else {
            unanswered.extend(0..EVENTS);
        }
        let second = builder(metadata, &store, &clock).serve(true).start().await.unwrap();
        for n in unanswered {
            second.emit_and_wait(event(&format!("e-{n}"), json!(n)), LONG).await.unwrap();
        }
        clock.advance(Duration::from_secs(60));
        settled_in_time(&second, &clock, 1).await;
        let mut inputs: Vec<Value> = runs(&store).await.iter().map(|run| run.input.clone().into()).collect();
        inputs.sort_by_key(ToString::to_string);
        (inputs, crashing.commits())
    })
}

/// Tells for every commit of the first process, on both sides of it.
fn check(metadata: &str, right: impl Fn(&[Value]) -> bool) {
    let (inputs, commits) = story(metadata, 0, Side::Before);
    assert!(right(&inputs), "{inputs:?}");
    assert!(commits >= EVENTS as u64, "{commits}");
    for at in 1..=commits {
        for side in [Side::Before, Side::After] {
            let (inputs, _) = story(metadata, at, side);
            assert!(right(&inputs), "killed at {at} of {commits}, {side:?}: {inputs:?}");
        }
    }
}

/// How often each event is in a run: once.
fn each_once(inputs: &[Value]) -> bool {
    let mut events: Vec<u64> = inputs
        .iter()
        .flat_map(|input| input["events"].as_array().cloned().unwrap_or_else(|| vec![input.clone()]))
        .map(|event| event.as_u64().unwrap())
        .collect();
    events.sort_unstable();
    events == (0..EVENTS as u64).collect::<Vec<_>>()
}

#[test]
fn a_kill_at_every_commit_starts_each_run_once() {
    check("metadata: {workflows: {triggers: [shop.fulfil]}}", |inputs| {
        inputs.len() == EVENTS && each_once(inputs)
    });
}

#[test]
fn a_kill_at_every_commit_loses_no_event_of_a_batch() {
    let metadata = "metadata: {workflows: {triggers: [{workflow: shop.digest, batch: {size: 2, wait: 30}}]}}";
    // Where the wait was over when the others came, they are in another batch.
    check(metadata, |inputs| {
        each_once(inputs) && inputs.iter().all(|input| input["events"].as_array().unwrap().len() <= 2)
    });
}

#[test]
fn a_kill_at_every_commit_leaves_one_run_of_a_burst() {
    let metadata = "metadata: {workflows: {triggers: [{workflow: shop.reindex, debounce: {quiet: 30}}]}}";
    // Those that came after the death are a burst of their own where the first one was over by then.
    check(metadata, |inputs| {
        let last = json!(EVENTS - 1);
        inputs.contains(&last)
            && inputs.len() <= 2
            && inputs.iter().filter(|input| **input == last).count() == 1
    });
}

#[test]
fn a_kill_at_every_commit_leaves_one_run_of_a_throttle() {
    let metadata =
        "metadata: {workflows: {triggers: [{workflow: shop.report, throttle: {limit: 1, per: 300}}]}}";
    check(metadata, |inputs| inputs.len() == 1);
}
