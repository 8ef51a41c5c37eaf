//! Python: interpreters live long, and die without taking anything with them.

use std::time::Duration;

use oneiric_adapters::Limits;
use oneiric_core::roles::Task;
use oneiric_core::{Class, Clock, Domain, Instance};
use serde_json::{Value, json};

use crate::module::{Module, build};
use crate::process::{alive, children, pid_in};
use crate::support::{Call, LONG, RealClock, eventually, parts, within};

const WORK: &str = "\
import asyncio, os, subprocess, time
class Attr:
    async def run(self, payload):
        if payload == 'block':
            time.sleep(1000)
        if payload == 'wait':
            open('pid', 'w').write('%d\\n' % os.getpid())
            await asyncio.sleep(1000)
        if payload == 'child':
            child = subprocess.Popen(['sleep', '1000'])
            open('pid', 'w').write('%d\\n' % child.pid)
            child.wait()
        if payload == 'exit':
            os._exit(3)
        if isinstance(payload, int):
            return 'x' * payload
        return os.getpid()
class Thread:
    def run(self, payload, context):
        if payload == 'block':
            time.sleep(1000)
        if payload == 'polite':
            while not context.cancelled():
                time.sleep(0.001)
            open('stopped', 'w').close()
        return os.getpid()
";

async fn pid(instance: &Instance) -> u32 {
    let pid = Call::new(json!("pid")).run(instance).await.unwrap();
    pid.as_u64().unwrap().try_into().unwrap()
}

#[tokio::test]
async fn a_thousand_calls_reuse_one_process() {
    let instance = Module::new(WORK).build("Attr", json!({})).await.unwrap();
    let first = pid(&instance).await;
    for _ in 0..1000 {
        assert_eq!(pid(&instance).await, first);
    }
    instance.component().stop().await.unwrap();
    assert_eq!(children(), []);
}

#[tokio::test]
async fn killing_it_during_a_call_gives_a_fault_and_the_next_call_works() {
    let module = Module::new(WORK);
    let instance = module.build("Attr", json!({})).await.unwrap();
    let first = pid(&instance).await;
    let (call, file) = (Call::new(json!("wait")), module.0.path().join("pid"));
    let (answer, ()) = tokio::join!(call.run(&instance), async {
        assert_eq!(pid_in(&file).await, first);
        std::process::Command::new("kill").args(["-9", &first.to_string()]).status().unwrap();
    });
    let fault = answer.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::UnknownOutcome, "worker-died"));
    assert_eq!(fault.message, "`m:Attr` was killed by SIGKILL during the call");
    assert_ne!(pid(&instance).await, first);
    instance.component().stop().await.unwrap();
    assert_eq!(children(), []);
}

#[tokio::test]
async fn a_death_is_transient_where_the_entry_says_that_a_repetition_is_harmless() {
    let module = Module::new(WORK);
    let check = async |idempotent: Option<bool>, retry: bool, class: Class| {
        let mut blueprint = module.blueprint(Domain::TASK, "m:Attr", json!({}), json!({}));
        let mut descriptor = blueprint.descriptor.as_ref().clone();
        descriptor.idempotent = idempotent;
        descriptor.retry = retry.then(Default::default);
        blueprint.descriptor = descriptor.into();
        let instance = build(&parts(Limits::STANDARD), blueprint).await.unwrap();
        let fault = Call::new(json!("exit")).run(&instance).await.unwrap_err();
        assert_eq!((fault.class, fault.message.as_str()), (class, "`m:Attr` exited with 3 during the call"));
    };
    check(Some(true), false, Class::Transient).await;
    check(None, true, Class::Transient).await;
    check(None, false, Class::UnknownOutcome).await;
    check(Some(false), true, Class::UnknownOutcome).await;
}

/// Drops a call after a moment, as a timeout does.
async fn time_out(instance: &Instance, payload: Value) {
    let call = Call::new(payload);
    let task = instance.role::<dyn Task>().unwrap();
    assert!(within(Duration::from_millis(100), task.run(call.cx())).await.is_none());
}

#[tokio::test]
async fn what_blocks_for_ever_is_cut_by_its_timeout() {
    for (attr, payload, survives) in [
        ("Attr", "block", false),
        ("Attr", "wait", true),
        ("Thread", "block", false),
        ("Thread", "polite", true),
    ] {
        let module = Module::new(WORK);
        let grace = json!({"grace_seconds": if survives { 20.0 } else { 0.1 }, "workers": 1});
        let instance = module.build(attr, grace).await.unwrap();
        let first = pid(&instance).await;
        let start = RealClock.monotonic();
        time_out(&instance, json!(payload)).await;
        assert_eq!(pid(&instance).await == first, survives, "{attr} {payload}");
        assert!(RealClock.monotonic() - start < LONG / 2, "{attr} {payload}");
        assert!(payload != "polite" || module.0.path().join("stopped").exists());
        instance.component().stop().await.unwrap();
        assert_eq!(children(), []);
    }
}

#[tokio::test]
async fn what_a_component_started_dies_with_it() {
    let module = Module::new(WORK);
    let instance = module.build("Attr", json!({"grace_seconds": 0})).await.unwrap();
    let (call, file) = (Call::new(json!("child")), module.0.path().join("pid"));
    let grandchild = tokio::select! {
        _ = call.run(&instance) => panic!("it waits for a thousand seconds"),
        pid = pid_in(&file) => pid,
    };
    eventually("the grandchild is gone", || (!alive(grandchild)).then_some(())).await;
    drop(instance);
}

#[tokio::test]
async fn a_result_that_is_too_large_costs_its_call_only() {
    let instance = Module::new(WORK).build("Attr", json!({})).await.unwrap();
    let first = pid(&instance).await;
    let fault = Call::new(json!(10_000_000)).run(&instance).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Permanent, "output-too-large"));
    assert!(fault.message.contains("the result has 10000002 bytes, at most 4194304 are allowed"), "{fault}");
    assert_eq!(pid(&instance).await, first);
    instance.component().stop().await.unwrap();
}

#[tokio::test]
async fn an_interpreter_whose_orchestrator_is_gone_ends_itself() {
    // The harness alone, with a pipe whose other end is closed while it works.
    let module = Module::new(WORK);
    let harness = concat!(env!("CARGO_MANIFEST_DIR"), "/src/python/harness.py");
    let mut child = std::process::Command::new("setsid")
        .args(["python3", harness])
        .current_dir(module.0.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let hello = json!({
        "type": "hello", "protocol": 1, "component": {"domain": "task"}, "settings": {}, "concurrency": 1,
        "result_bytes": 1000, "line_bytes": 1000,
        "python": {"module": "m", "attr": "Attr", "path": [], "factory": null},
    });
    let call = json!({"type": "call", "id": 1, "role": "task", "input": "child"});
    std::io::Write::write_all(&mut stdin, format!("{hello}\n{call}\n").as_bytes()).unwrap();
    let grandchild = pid_in(&module.0.path().join("pid")).await;
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), None, "it was killed");
    eventually("the grandchild is gone", || (!alive(grandchild)).then_some(())).await;
}
