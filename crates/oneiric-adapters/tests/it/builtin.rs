//! The built-in components.

use std::time::Duration;

use oneiric_core::roles::{Action, Task};
use oneiric_core::{Class, Clock, Payload};
use serde_json::{Value, json};

use crate::support::{Call, LONG, RealClock, build, descriptor, runtime, within};

async fn run(factory: &str, input: Value) -> Result<Value, oneiric_core::Fault> {
    Call::new(input).run(&build(&descriptor(factory, Value::Null)).await?).await
}

async fn apply(factory: &str, input: Value) -> Result<Value, oneiric_core::Fault> {
    let instance = build(&descriptor(factory, Value::Null)).await?;
    let action = instance.role::<dyn Action>().expect("it plays Action");
    action.apply(Payload::from(input)).await.map(Value::from)
}

#[tokio::test]
async fn noop_and_echo_are_tasks_and_actions() {
    assert_eq!(run("builtin:noop", json!({"a": 1})).await.unwrap(), json!(null));
    assert_eq!(apply("builtin:noop", json!({"a": 1})).await.unwrap(), json!(null));
    assert_eq!(run("builtin:echo", json!({"a": 1})).await.unwrap(), json!({"a": 1}));
    assert_eq!(apply("builtin:echo", json!([1])).await.unwrap(), json!([1]));
}

#[tokio::test]
async fn sleep_waits_on_the_clock_and_says_how_long() {
    let start = RealClock.monotonic();
    assert_eq!(run("builtin:sleep", json!({"seconds": 0.02})).await.unwrap(), json!({"slept": 0.02}));
    assert!(RealClock.monotonic() - start >= Duration::from_millis(20));
    assert_eq!(run("builtin:sleep", json!({"seconds": 0})).await.unwrap(), json!({"slept": 0}));
    let fault = run("builtin:sleep", json!({"seconds": -1})).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Permanent, "bad-payload"));
}

#[tokio::test]
async fn a_cancelled_sleep_wakes_early_with_a_fault() {
    let instance = build(&descriptor("builtin:sleep", Value::Null)).await.unwrap();
    let call = Call::new(json!({"seconds": 3600}));
    let cancel = async {
        RealClock.sleep(Duration::from_millis(10)).await;
        call.cancel.cancel();
    };
    let (result, ()) = within(LONG, async { tokio::join!(call.run(&instance), cancel) }).await.unwrap();
    let fault = result.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Transient, "cancelled"));
}

#[tokio::test]
async fn fail_counts_by_the_attempt_that_it_is_told() {
    let instance = build(&descriptor("builtin:fail", Value::Null)).await.unwrap();
    let mut call = Call::new(json!({"times": 2, "message": "no"}));
    for attempt in 1..=2 {
        call.attempt = attempt;
        let fault = call.run(&instance).await.unwrap_err();
        assert_eq!(
            (fault.class, fault.code.as_str(), fault.message.as_str()),
            (Class::Transient, "failed-on-purpose", "no")
        );
    }
    call.attempt = 3;
    assert_eq!(call.run(&instance).await.unwrap(), json!({"attempts": 3}));

    let always = run("builtin:fail", json!(null)).await.unwrap_err();
    assert_eq!(always.message, "failed on purpose");
    for (payload, field) in [(json!({"times": -1}), "`times`"), (json!({"message": 3}), "`message`")] {
        let fault = run("builtin:fail", payload).await.unwrap_err();
        assert_eq!((fault.class, fault.code.as_str()), (Class::Permanent, "bad-payload"));
        assert!(fault.message.starts_with(field), "{fault}");
    }
}

#[tokio::test]
async fn upstreams_samples_answer_as_they_do_in_python() {
    let name = |end: &str| format!("oneiric.remote.samples:demo_remote_{end}");
    assert_eq!(run(&name("task"), json!({"x": 1})).await.unwrap(), json!("remote-task-run"));
    assert_eq!(apply(&name("adapter"), json!(null)).await.unwrap(), json!("hello from remote manifest"));
    assert_eq!(apply(&name("service"), json!(null)).await.unwrap(), json!("remote-service-ok"));
    assert_eq!(apply(&name("workflow"), json!({})).await.unwrap(), json!("remote-workflow-complete"));
    let envelope = json!({"topic": "a.b", "payload": {"n": 1}, "headers": {}});
    let handled = json!({"name": "remote-event", "topic": "a.b", "payload": {"n": 1}});
    assert_eq!(apply(&name("event_handler"), envelope).await.unwrap(), handled);
    let fault = apply(&name("event_handler"), json!({"topc": "a"})).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Permanent, "bad-payload"));
    assert!(fault.message.contains("`topic`") && fault.message.contains("is `topc` meant"), "{fault}");
}

#[tokio::test]
async fn a_sample_plays_the_role_that_makes_sense_for_it() {
    let task = build(&descriptor("oneiric.remote.samples:demo_remote_task", Value::Null)).await.unwrap();
    assert!(task.role::<dyn Task>().is_some() && task.role::<dyn Action>().is_none());
    let adapter =
        build(&descriptor("oneiric.remote.samples:demo_remote_adapter", Value::Null)).await.unwrap();
    assert!(adapter.role::<dyn Task>().is_none() && adapter.role::<dyn Action>().is_some());
}

#[tokio::test]
async fn an_unknown_built_in_names_the_nearest_and_a_foreign_python_name_is_not_ours() {
    let check = |factory: &str, expected: &str| {
        let descriptor = descriptor(factory, Value::Null);
        let runtime = runtime(&descriptor, oneiric_adapters::Limits::STANDARD).unwrap();
        let fault = runtime.check(&descriptor.into()).unwrap_err();
        assert_eq!((fault.class, fault.code.as_str()), (Class::Permanent, "unknown-builtin"));
        assert_eq!(fault.message, expected);
    };
    check("builtin:slep", "`builtin:slep` is not a built-in component; did you mean `builtin:sleep`?");
    check(
        "builtin:frobnicate",
        "`builtin:frobnicate` is not a built-in component; known are noop, echo, sleep, fail, \
         compression.encode, compression.hash, workflow.audit, workflow.orchestrate, workflow.notify, \
         workflow.retry, http.fetch, security.signature, security.secure, serialization.encode, \
         data.transform, data.sanitize, validation.schema, task.schedule, event.dispatch, \
         automation.trigger, debug.console",
    );
    check(
        "builtin:compresion.encode",
        "`builtin:compresion.encode` is not a built-in component; did you mean `builtin:compression.encode`?",
    );
    for foreign in ["oneiric.remote.samples:other", "shop.tasks:charge", "worker:x"] {
        let foreign = descriptor(foreign, Value::Null);
        assert_ne!(runtime(&foreign, oneiric_adapters::Limits::STANDARD).unwrap().name(), "builtin");
    }
}
