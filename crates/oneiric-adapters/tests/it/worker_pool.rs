//! `worker:` how many processes there are, who waits, and how they end.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use oneiric_core::roles::Task;
use oneiric_core::{Class, Clock, Instance};
use serde_json::{Value, json};

use crate::process::{alive, children, pid_in};
use crate::support::{Call, LONG, RealClock, eventually, within};
use crate::worker_protocol::{READY, python};

/// Answers with its number; `hold` waits for a file, `block` for ever, `die` exits, `family` has a child.
fn script() -> String {
    format!(
        "{READY}\nimport subprocess\nwhile True:\n    m = hear()\n    if m['type'] == 'stop': break\n    \
         if m['type'] != 'call': continue\n    x = m['input']\n    \
         if x == 'hold':\n        open('held-%d' % os.getpid(), 'w').close()\n        \
         while not os.path.exists('go'): time.sleep(0.002)\n    \
         if x == 'block':\n        open('pid', 'w').write('%d\\n' % os.getpid())\n        time.sleep(1000)\n    \
         if x == 'family':\n        c = subprocess.Popen(['sleep', '1000'])\n        \
         open('pid', 'w').write('%d\\n' % c.pid)\n        c.wait()\n    \
         if x == 'die':\n        sys.stderr.write('goodbye\\n')\n        sys.exit(5)\n    \
         say(type='result', id=m['id'], output=os.getpid())\n"
    )
}

async fn pool(folder: &Path, mut more: Value) -> Instance {
    more["cwd"] = json!(folder.to_str().unwrap());
    python(&script(), more).await.unwrap()
}

fn held(folder: &Path) -> usize {
    let files = std::fs::read_dir(folder).unwrap();
    files.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with("held")).count()
}

#[tokio::test]
async fn processes_are_started_when_they_are_needed_and_more_calls_wait() {
    let folder = tempfile::tempdir().unwrap();
    let instance = pool(folder.path(), json!({"workers": 3, "waiting": 2})).await;
    assert_eq!(children().len(), 1, "one is started to hear what it says of itself");
    let mut calls = tokio::task::JoinSet::new();
    let hold = || {
        let instance = instance.clone();
        async move { Call::new(json!("hold")).run(&instance).await }
    };
    for _ in 0..5 {
        calls.spawn(hold());
    }
    eventually("three work", || (held(folder.path()) == 3).then_some(())).await;
    let fault = hold().await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Transient, "overloaded"));
    assert_eq!(fault.message, "`python3`: 2 calls wait already");
    assert_eq!(children().len(), 3);
    instance.component().health().await.unwrap();
    std::fs::write(folder.path().join("go"), "").unwrap();
    let answers: BTreeSet<_> =
        calls.join_all().await.into_iter().map(|answer| answer.unwrap().as_u64()).collect();
    assert_eq!(answers.len(), 3);
    instance.component().stop().await.unwrap();
    assert_eq!(children(), []);
}

#[tokio::test]
async fn a_process_takes_as_many_calls_as_it_announces_and_the_settings_allow() {
    // Answers only when it has three calls, in reverse.
    let script = READY.replace("concurrency=1", "concurrency=8")
        + "
calls = []
while True:
    m = hear()
    if m['type'] == 'stop': break
    calls.append(m['id'])
    if len(calls) == 3:
        for id in reversed(calls): say(type='result', id=id, output=[id, os.getpid()])
        calls = []
";
    let instance = python(&script, json!({"workers": 1, "concurrency": 3})).await.unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let instance = instance.clone();
        calls.spawn(async move { Call::new(json!(1)).run(&instance).await.unwrap() });
    }
    let answers: BTreeSet<_> = calls.join_all().await.iter().map(|answer| answer[0].as_u64()).collect();
    assert_eq!(answers, (1..=6).map(Some).collect());
    instance.component().stop().await.unwrap();
}

#[tokio::test]
async fn a_process_that_died_is_replaced_and_says_its_last_line() {
    let folder = tempfile::tempdir().unwrap();
    let instance = pool(folder.path(), json!({"workers": 1})).await;
    let call = Call::new(json!("die"));
    let fault = call.run(&instance).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::UnknownOutcome, "worker-died"));
    assert_eq!(fault.message, "`python3` exited with 5 during the call: goodbye");
    assert_eq!(call.log.lines(oneiric_core::roles::Stream::Stderr), ["goodbye"]);
    // Who waits behind a call that dies is served by the next process.
    let mut calls = tokio::task::JoinSet::new();
    for input in ["die", "live", "die", "live"] {
        let instance = instance.clone();
        calls.spawn(async move { (input, Call::new(json!(input)).run(&instance).await) });
    }
    for (input, answer) in calls.join_all().await {
        assert_eq!(answer.is_ok(), input == "live", "{input}: {answer:?}");
    }
    instance.component().stop().await.unwrap();
}

#[tokio::test]
async fn a_call_that_no_process_has_seen_goes_to_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let instance = pool(folder.path(), json!({"workers": 1})).await;
    for signal in ["-9", "-15"] {
        let pid = Call::new(json!("live")).run(&instance).await.unwrap();
        let kill = std::process::Command::new("kill").args([signal, &pid.to_string()]).status();
        assert!(kill.unwrap().success());
        // Nothing is awaited in between, so that the pool cannot have noticed.
        let pid: u32 = pid.as_u64().unwrap().try_into().unwrap();
        while alive(pid) {
            std::thread::yield_now();
        }
        assert_ne!(Call::new(json!("live")).run(&instance).await.unwrap(), json!(pid));
    }
    // A process that hears nothing more although it lives is replaced as well.
    let deaf = format!(
        "{READY}\nm = hear()\nos.close(0)\nsay(type='result', id=m['id'], output=os.getpid())\ntime.sleep(1000)\n"
    );
    let instance = python(&deaf, json!({"workers": 1})).await.unwrap();
    let first = Call::new(json!(1)).run(&instance).await.unwrap();
    assert_ne!(Call::new(json!(1)).run(&instance).await.unwrap(), first);
}

#[tokio::test]
async fn processes_that_are_gone_when_they_are_called_do_not_hold_a_call_up_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("{READY}\nos.close(0)\n");
    let cwd = json!({"cwd": folder.path().to_str().unwrap(), "workers": 1});
    let instance = python(&script, cwd).await.unwrap();
    for _ in 0..3 {
        let fault = Call::new(json!(1)).run(&instance).await.unwrap_err();
        assert_eq!(fault.code, "worker-died", "{fault:?}");
    }
}

#[tokio::test]
async fn processes_that_keep_dying_at_their_start_are_started_ever_more_rarely() {
    let folder = tempfile::tempdir().unwrap();
    let script = "import os, sys\nif os.path.exists('broken'):\n    sys.stderr.write('still broken\\n')\n    \
                  sys.exit(1)\n"
        .to_owned() + &script();
    let cwd = json!({"cwd": folder.path().to_str().unwrap()});
    let instance = python(&script, cwd).await.unwrap();
    std::fs::write(folder.path().join("broken"), "").unwrap();
    Call::new(json!("die")).run(&instance).await.unwrap_err();
    instance.component().health().await.expect("nothing is known to be wrong");
    let mut tries = 0;
    loop {
        let fault = Call::new(json!("live")).run(&instance).await.unwrap_err();
        assert_eq!((fault.class, fault.code.as_str()), (Class::Transient, "worker-start"));
        assert_eq!(fault.message, "`python3` exited with 1 before it was ready: still broken");
        tries += 1;
        if fault.retry_after_ms.is_some() {
            break;
        }
    }
    assert!(tries >= 3, "the first two are tried");
    assert_eq!(instance.component().health().await.unwrap_err().code, "worker-start");
    std::fs::remove_file(folder.path().join("broken")).unwrap();
    eventually_runs(&instance).await;
    instance.component().health().await.unwrap();
    instance.component().stop().await.unwrap();
}

async fn eventually_runs(instance: &Instance) {
    let end = RealClock.monotonic() + LONG;
    while Call::new(json!("live")).run(instance).await.is_err() {
        assert!(RealClock.monotonic() < end, "it never starts again");
        RealClock.sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_idle_process_that_does_not_answer_is_killed_and_replaced() {
    let script = format!(
        "{READY}\nm = hear()\nsay(type='result', id=m['id'], output=os.getpid())\nwhile True: time.sleep(1000)\n"
    );
    let instance = python(&script, json!({"heartbeat_seconds": 0.05})).await.unwrap();
    let first = Call::new(json!(1)).run(&instance).await.unwrap();
    let pid: u32 = first.as_u64().unwrap().try_into().unwrap();
    eventually("it is killed", || (!alive(pid)).then_some(())).await;
    assert_ne!(Call::new(json!(1)).run(&instance).await.unwrap(), first);
}

#[tokio::test]
async fn a_busy_process_is_not_asked_for_its_heartbeat() {
    let folder = tempfile::tempdir().unwrap();
    let instance = pool(folder.path(), json!({"heartbeat_seconds": 0.02})).await;
    let call = Call::new(json!("hold"));
    let mut running = std::pin::pin!(call.run(&instance));
    assert!(within(Duration::from_millis(200), &mut running).await.is_none(), "ten periods pass");
    std::fs::write(folder.path().join("go"), "").unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn a_cancelled_call_that_does_not_stop_is_killed_after_its_grace() {
    let folder = tempfile::tempdir().unwrap();
    let instance = pool(folder.path(), json!({})).await;
    let mut call = Call::new(json!("block"));
    call.grace = Duration::from_millis(100);
    let file = folder.path().join("pid");
    let (answer, pid) = tokio::join!(call.run(&instance), async {
        let pid = pid_in(&file).await;
        call.cancel.cancel();
        pid
    });
    let fault = answer.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Transient, "cancelled"));
    assert_eq!(fault.message, "`python3` was cancelled");
    assert!(!alive(pid));
    Call::new(json!("live")).run(&instance).await.unwrap();
    instance.component().stop().await.unwrap();
}

#[tokio::test]
async fn a_call_that_does_not_stop_takes_its_neighbours_with_it_and_they_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let script = READY.replace("concurrency=1", "concurrency=2")
        + "
calls = 0
while True:
    m = hear()
    calls += m['type'] == 'call'
    if calls == 2: open('pid', 'w').write('%d\\n' % os.getpid())
";
    let more = json!({"workers": 1, "cwd": folder.path().to_str().unwrap()});
    let instance = python(&script, more).await.unwrap();
    let (mut stubborn, neighbour) = (Call::new(json!(1)), Call::new(json!(2)));
    stubborn.grace = Duration::from_millis(50);
    let file = folder.path().join("pid");
    let (cancelled, lost, pid) = tokio::join!(stubborn.run(&instance), neighbour.run(&instance), async {
        let pid = pid_in(&file).await;
        stubborn.cancel.cancel();
        pid
    });
    assert_eq!(cancelled.unwrap_err().code, "cancelled");
    let fault = lost.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::UnknownOutcome, "worker-died"));
    assert_eq!(fault.message, "`python3` was killed because another call did not stop");
    assert!(!alive(pid));
}

#[tokio::test]
async fn a_call_that_waits_leaves_the_line_when_it_is_cancelled_or_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let instance = pool(folder.path(), json!({"workers": 1, "waiting": 1})).await;
    let (first, waits) = (Call::new(json!("hold")), Call::new(json!("die")));
    let task = instance.role::<dyn Task>().unwrap();
    let (answer, ()) = tokio::join!(first.run(&instance), async {
        eventually("the first works", || (held(folder.path()) == 1).then_some(())).await;
        assert!(within(Duration::from_millis(20), task.run(waits.cx())).await.is_none());
        let (fault, ()) = tokio::join!(waits.run(&instance), async {
            tokio::task::yield_now().await;
            waits.cancel.cancel();
        });
        assert_eq!(fault.unwrap_err().code, "cancelled");
        std::fs::write(folder.path().join("go"), "").unwrap();
    });
    let pid = answer.unwrap();
    assert_eq!(Call::new(json!("live")).run(&instance).await.unwrap(), pid, "nobody died");
    instance.component().stop().await.unwrap();
}

#[tokio::test]
async fn a_further_try_waits_until_the_one_that_timed_out_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let instance = pool(folder.path(), json!({"workers": 2, "grace_seconds": 0.2})).await;
    let mut call = Call::new(json!("block"));
    let file = folder.path().join("pid");
    let pid = tokio::select! {
        _ = call.run(&instance) => panic!("it blocks"),
        pid = pid_in(&file) => pid,
    };
    assert!(alive(pid));
    call.attempt = 2;
    std::fs::remove_file(&file).unwrap();
    let again = tokio::select! {
        _ = call.run(&instance) => panic!("it blocks"),
        again = pid_in(&file) => again,
    };
    assert_ne!(again, pid);
    assert!(!alive(pid), "the first try ended before the second began");
    instance.component().stop().await.unwrap();
    assert_eq!(children(), []);
}

#[tokio::test]
async fn a_call_that_is_dropped_while_its_input_is_written_does_not_tear_the_line() {
    let script = format!(
        "{READY}\ntime.sleep(0.05)\nwhile True:\n    m = hear()\n    if m['type'] == 'stop': break\n    \
         if m['type'] == 'call': say(type='result', id=m['id'], output=len(m['input']))\n"
    );
    let instance = python(&script, json!({"workers": 1, "grace_seconds": 30})).await.unwrap();
    let task = instance.role::<dyn Task>().unwrap();
    for letters in [3_000_000, 10] {
        let dropped = Call::new(json!("x".repeat(3_000_000)));
        assert!(within(Duration::from_millis(1), task.run(dropped.cx())).await.is_none());
        let answer = Call::new(json!("y".repeat(letters))).run(&instance).await.unwrap();
        assert_eq!(answer, json!(letters));
    }
    instance.component().stop().await.unwrap();
}

#[tokio::test]
async fn a_stop_is_said_then_signalled_then_forced() {
    let check = async |rest: &str, stop_seconds: u32, trace: Option<&str>| {
        let folder = tempfile::tempdir().unwrap();
        let more = json!({"stop_seconds": stop_seconds, "cwd": folder.path().to_str().unwrap()});
        let instance = python(&format!("{READY}\n{rest}"), more).await.unwrap();
        let start = RealClock.monotonic();
        instance.component().stop().await.unwrap();
        assert!(RealClock.monotonic() - start < LONG, "{rest}");
        assert_eq!(children(), []);
        let found = std::fs::read_to_string(folder.path().join("trace")).ok();
        assert_eq!(found.as_deref(), trace, "{rest}");
    };
    let on_signal = "import signal\ndef note(*_):\n    open('trace', 'w').write('asked')\n";
    check("open('trace', 'w').write(hear()['type'])", 3600, Some("stop")).await;
    let leaves = format!("{on_signal}    os._exit(0)\nsignal.signal(15, note)\nwhile True: time.sleep(1000)");
    check(&leaves, 1, Some("asked")).await;
    let stays = format!("{on_signal}signal.signal(15, note)\nwhile True: time.sleep(0.01)");
    check(&stays, 1, Some("asked")).await;
}

#[tokio::test]
async fn dropping_an_instance_kills_its_processes_with_all_that_they_started() {
    let folder = tempfile::tempdir().unwrap();
    let instance = pool(folder.path(), json!({"grace_seconds": 60})).await;
    let (call, file) = (Call::new(json!("family")), folder.path().join("pid"));
    let grandchild = tokio::select! {
        _ = call.run(&instance) => panic!("it waits"),
        pid = pid_in(&file) => pid,
    };
    assert!(alive(grandchild));
    drop(instance);
    eventually("all are gone", || (!alive(grandchild) && children().is_empty()).then_some(())).await;
}

#[test]
fn a_pool_that_is_dropped_after_its_runtime_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (instance, grandchild) = runtime.block_on(async {
        let instance = pool(folder.path(), json!({"grace_seconds": 60})).await;
        let (call, file) = (Call::new(json!("family")), folder.path().join("pid"));
        let grandchild = tokio::select! {
            _ = call.run(&instance) => panic!("it waits"),
            pid = pid_in(&file) => pid,
        };
        (instance, grandchild)
    });
    drop(runtime);
    drop(instance);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(eventually("it is gone", || (!alive(grandchild)).then_some(())));
}

#[tokio::test]
async fn a_caller_whom_nobody_polls_holds_up_no_other() {
    let script = READY.replace("concurrency=1", "concurrency=2")
        + "\nheld = []\nwhile True:\n    m = hear()\n    if m['type'] == 'stop': break\n    \
           if m['type'] != 'call': continue\n    \
           if m['input'] == 'first': held.append(m['id'])\n    \
           else:\n        say(type='result', id=m['id'], output=2)\n        \
           while held: say(type='result', id=held.pop(), output=1)\n";
    let instance = python(&script, json!({"workers": 1, "concurrency": 2})).await.unwrap();
    let (first, second) = (Call::new(json!("first")), Call::new(json!("second")));
    let mut first = Box::pin(first.run(&instance));
    // Alone with the process, it is what the process wakes; then it is left lying.
    assert!(once(first.as_mut()).await.is_none());
    assert_eq!(second.run(&instance).await, Ok(json!(2)));
    assert_eq!(first.await, Ok(json!(1)), "its answer has waited for it");
    assert_eq!(Call::new(json!("third")).run(&instance).await, Ok(json!(2)));
    instance.component().stop().await.unwrap();
}

/// Polls a future a single time.
async fn once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}
