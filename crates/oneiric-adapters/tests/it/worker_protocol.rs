//! `worker:` what is said, and what happens when it is said wrongly.

use std::path::Path;
use std::time::Duration;

use oneiric_core::roles::Stream;
use oneiric_core::{Class, Clock, Domain, Instance};
use serde_json::{Value, json};

use crate::process::children;
use crate::support::{Call, LONG, RealClock, build_with, within};

/// The first block of code of a language in the description of the protocol.
fn example(language: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/worker-protocol.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// A worker in Python; `more` is merged into `metadata.worker`.
pub(crate) async fn python(script: &str, more: Value) -> Result<Instance, oneiric_core::Fault> {
    let mut worker = json!({"args": ["-c", script]});
    for (key, value) in more.as_object().into_iter().flatten() {
        worker[key] = value.clone();
    }
    build_with(Domain::TASK, "worker:python3", "worker", worker, json!({})).await
}

/// The beginning of most workers here: `say`, `hear`, and `ready` is said.
pub(crate) const READY: &str = "
import json, os, sys, time
def say(**m):
    sys.stdout.write(json.dumps(m) + '\\n')
    sys.stdout.flush()
def hear():
    line = sys.stdin.readline()
    if not line: sys.exit()
    return json.loads(line)
hello = hear()
say(type='ready', concurrency=1)
";

#[tokio::test]
async fn the_examples_of_the_description_work() {
    let settings = json!({"greeting": "Good evening"});
    let args = json!({"args": ["-c", example("python")], "stop_seconds": 3600});
    let greeter = build_with(Domain::TASK, "worker:python3", "worker", args, settings).await.unwrap();
    let call = Call::new(json!({"name": "Ada"}));
    assert_eq!(call.run(&greeter).await.unwrap(), json!("Good evening, Ada"));
    assert_eq!(call.log.lines(Stream::Stderr), ["greeting Ada"]);
    let fault = Call::new(json!({})).run(&greeter).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Permanent, "no-name"));
    let args = json!({"args": ["-c", example("python")]});
    let fault = build_with(Domain::EVENT, "worker:python3", "worker", args, json!({})).await.unwrap_err();
    assert_eq!(fault.message, "`python3` offers task and action only; domain `event` needs event");

    let args = json!({"args": ["-c", example("sh")], "heartbeat_seconds": 0.01, "stop_seconds": 3600});
    let counter = build_with(Domain::TASK, "worker:sh", "worker", args, json!({})).await.unwrap();
    for n in 1..=3 {
        let call = Call::new(json!({"id": 77, "text": "\"id\":88"}));
        assert_eq!(call.run(&counter).await.unwrap(), json!(n));
        assert_eq!(call.log.lines(Stream::Stderr), [format!("this is call {n}")]);
        let heartbeats = within(Duration::from_millis(50), std::future::pending::<()>());
        assert!(heartbeats.await.is_none(), "some of them pass");
    }
    let start = RealClock.monotonic();
    greeter.component().stop().await.unwrap();
    counter.component().stop().await.unwrap();
    assert!(RealClock.monotonic() - start < LONG, "they know `stop`");
    assert_eq!(children(), []);
}

#[tokio::test]
async fn a_call_says_who_calls() {
    let script = format!(
        "{READY}\nwhile True:\n    m = hear()\n    say(type='result', id=m['id'], output=[hello, m])\n"
    );
    let instance = python(&script, json!({})).await.unwrap();
    let call = Call::new(json!({"a": 1}));
    let answer = call.run(&instance).await.unwrap();
    let (hello, message) = (&answer[0], &answer[1]);
    let component = json!({"domain": "task", "key": "demo", "provider": "test", "factory": "worker:python3"});
    assert_eq!((&hello["protocol"], &hello["component"]), (&json!(1), &component));
    assert_eq!(hello["result_bytes"], json!(4 * 1024 * 1024));
    let expected = json!({
        "type": "call", "id": 1, "role": "task", "input": {"a": 1}, "run": call.run.to_string(),
        "workflow": "shop", "node": "charge", "attempt": 1, "idempotency_key": call.cx().idempotency_key(),
    });
    assert_eq!(message, &expected);
}

#[tokio::test]
async fn a_worker_that_cannot_begin_is_a_fault_that_says_why() {
    let check = async |script: &str, class: Class, code: &str, message: &str| {
        let fault = python(script, json!({"ready_seconds": 5})).await.unwrap_err();
        assert_eq!((fault.class, fault.code.as_str(), fault.message.as_str()), (class, code, message));
    };
    let (transient, permanent) = (Class::Transient, Class::Permanent);
    check(
        "import sys; sys.stderr.write('no database\\n'); sys.exit(1)",
        transient,
        "worker-start",
        "`python3` exited with 1 before it was ready: no database",
    )
    .await;
    check(
        "import sys; sys.exit(78)",
        permanent,
        "worker-start",
        "`python3` exited with 78 before it was ready",
    )
    .await;
    check(
        "print('{\"type\":\"ready\",\"protocol\":2}', flush=True); input(); input()",
        permanent,
        "worker-protocol",
        "`python3` speaks protocol 2, here 1 is spoken",
    )
    .await;
    check(
        "print('hello', flush=True); input(); input()",
        permanent,
        "bad-output",
        "`python3` wrote a line that is no message (expected value at line 1 column 1); it begins \"hello\"",
    )
    .await;
    check(
        "print('{\"type\":\"fault\",\"class\":\"denied\",\"code\":\"licence\",\"message\":\"expired\"}', flush=True); input()",
        Class::Denied,
        "licence",
        "expired",
    )
    .await;
    let silent = python("input(); input()", json!({"ready_seconds": 0.1})).await.unwrap_err();
    assert_eq!(silent.message, "`python3` was not ready within 100ms");
    assert_eq!((silent.class, silent.code.as_str()), (transient, "worker-start"));
}

#[tokio::test]
async fn what_is_no_message_fails_its_call_only_where_it_says_which() {
    let script = format!(
        "{READY}\nwhile True:\n    m = hear()\n    if m['input'] == 'noise':\n        print('oops', flush=True)\n    \
         elif m['input'] == 'deep':\n        print('{{\"type\":\"result\",\"id\":%d,\"output\":%s}}' % (m['id'], '[' * 500 + ']' * 500), flush=True)\n    \
         elif m['input'] == 'long':\n        print('x' * 6000000, flush=True)\n    \
         else:\n        say(type='result', id=m['id'], output=os.getpid())\n"
    );
    let instance = python(&script, json!({})).await.unwrap();
    let pid = async || Call::new(json!("pid")).run(&instance).await.unwrap();
    let first = pid().await;
    let check = async |input: &str, code: &str, message: &str| {
        let fault = Call::new(json!(input)).run(&instance).await.unwrap_err();
        assert_eq!((fault.class, fault.code.as_str()), (Class::Permanent, code));
        assert!(fault.message.contains(message), "{fault}");
    };
    check("deep", "bad-output", "recursion limit exceeded").await;
    assert_eq!(pid().await, first, "the process lives");
    check("noise", "bad-output", "it begins \"oops\"").await;
    let second = pid().await;
    assert_ne!(second, first);
    check("long", "output-too-large", "more than 4194304 bytes").await;
    assert_ne!(pid().await, second);
    instance.component().stop().await.unwrap();
    assert_eq!(children(), []);
}

#[tokio::test]
async fn answers_to_calls_that_are_not_under_way_are_passed_over() {
    let script = format!(
        "{READY}\nwhile True:\n    m = hear()\n    say(type='result', id=999, output=1)\n    \
         say(type='pong')\n    say(type='log', id=999, line='lost')\n    \
         say(type='result', id=m['id'], output=2, extra=True)\n    say(type='result', id=m['id'], output=3)\n"
    );
    let instance = python(&script, json!({})).await.unwrap();
    for _ in 0..10 {
        assert_eq!(Call::new(json!(1)).run(&instance).await.unwrap(), json!(2));
    }
}

#[tokio::test]
async fn what_a_call_logs_is_bounded() {
    let script = format!(
        "{READY}\nwhile True:\n    m = hear()\n    say(type='log', id=m['id'], line='y' * 10000)\n    for n in range(30000):\n        \
         say(type='log', id=m['id'], line='x' * 99, stream='stdout')\n    say(type='result', id=m['id'])\n"
    );
    let instance = python(&script, json!({})).await.unwrap();
    for _ in 0..2 {
        let call = Call::new(json!(1));
        call.run(&instance).await.unwrap();
        let lines = call.log.lines(Stream::Stdout);
        let kept = 1024 * 1024 / 100;
        assert_eq!(lines.len(), kept + 1);
        assert!(lines[kept].starts_with(&format!("[{} further lines dropped", 30_000 - kept)));
        assert_eq!(call.log.lines(Stream::Stderr)[0].len(), 8 * 1024 + " [cut]".len());
    }
}

#[tokio::test]
async fn a_worker_says_how_far_a_call_is() {
    let script = format!(
        "{READY}
assert hello['progress'] is True
m = hear()
say(type='progress', id=m['id'], fraction=0.25, text='one of four')
say(type='progress', id=99, fraction=0.9)
say(type='result', id=m['id'], output=1, text=5)
m = hear()
sys.stderr.write('::progress 0.5 two of four\\n'); sys.stderr.flush()
say(type='result', id=m['id'], output=2)
m = hear()
say(type='progress')
say(type='result', id=m['id'], output=3)
hear()"
    );
    let instance = python(&script, json!({"workers": 1})).await.unwrap();
    for expected in ["25% one of four", "50% two of four", "alive"] {
        let call = Call::new(json!(null));
        call.run(&instance).await.unwrap();
        assert_eq!(call.pulse.said().unwrap().progress.to_string(), expected);
        assert_eq!(call.log.lines(Stream::Stderr), [""; 0]);
    }
}

#[tokio::test]
async fn a_worker_beyond_its_memory_fails_its_call_and_serves_the_next() {
    let script = format!(
        "{READY}
while True:
    m = hear()
    try:
        say(type='result', id=m['id'], output=len(bytearray(m['input'])))
    except MemoryError:
        say(type='fault', id=m['id'], code='memory')"
    );
    let instance = python(&script, json!({"workers": 1, "memory_mib": 100})).await.unwrap();
    assert_eq!(Call::new(json!(300_000_000)).run(&instance).await.unwrap_err().code, "memory");
    assert_eq!(Call::new(json!(1000)).run(&instance).await.unwrap(), json!(1000));
}
