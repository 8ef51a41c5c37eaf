//! `exec:` what goes in and what comes out of one call.

use oneiric_core::Class;
use oneiric_core::roles::Stream;
use serde_json::{Value, json};

use crate::process::script;
use crate::support::{Call, build, descriptor};

#[tokio::test]
async fn the_payload_is_one_line_of_json_and_the_result_is_the_document_on_stdout() {
    let cat = build(&descriptor("exec:cat", Value::Null)).await.unwrap();
    for value in [json!(null), json!({"a": [1, 2.5, "ä"]}), json!("x"), json!(0)] {
        assert_eq!(Call::new(value.clone()).run(&cat).await.unwrap(), value);
    }
    let read = script("read -r line && printf '%s' \"$line\"", json!({})).await;
    assert_eq!(Call::new(json!({"a": 1})).run(&read).await.unwrap(), json!({"a": 1}));
}

#[tokio::test]
async fn arguments_are_handed_over_unread_by_any_shell() {
    let args = json!({"args": ["[%s]", "a b", "$HOME; *", ""], "stdout": "text"});
    let printf = build(&descriptor("exec:printf", args)).await.unwrap();
    assert_eq!(Call::new(json!(null)).run(&printf).await.unwrap(), json!("[a b][$HOME; *][]"));
}

#[tokio::test]
async fn json_may_be_empty_and_must_not_be_anything_else() {
    assert_eq!(Call::new(json!(1)).run(&script("exit 0", json!({})).await).await.unwrap(), json!(null));
    let fault =
        Call::new(json!(1)).run(&script("echo 'hello, \"world\"'", json!({})).await).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Permanent, "bad-output"));
    assert!(fault.message.contains(r#"it begins "hello, \"world\"\n""#), "{fault}");
}

#[tokio::test]
async fn text_is_a_string_without_its_last_line_feed() {
    let text = script("printf ' a\\n\\n'", json!({"stdout": "text"})).await;
    assert_eq!(Call::new(json!(1)).run(&text).await.unwrap(), json!(" a\n"));
    let broken = script("printf 'a\\377b'", json!({"stdout": "text"})).await;
    assert_eq!(Call::new(json!(1)).run(&broken).await.unwrap_err().code, "bad-output");
}

#[tokio::test]
async fn none_is_null_and_lines_go_to_the_log_each_with_its_stream() {
    let call = Call::new(json!(1));
    let none = script("echo out; printf 'e\\377r\\nlast' >&2; echo more", json!({"stdout": "none"})).await;
    assert_eq!(call.run(&none).await.unwrap(), json!(null));
    assert_eq!(call.log.lines(Stream::Stdout), ["out", "more"]);
    assert_eq!(call.log.lines(Stream::Stderr), ["e\u{fffd}r", "last"]);
}

#[tokio::test]
async fn the_environment_is_scrubbed_and_carries_the_call() {
    let env = json!({"env": {"LEDGER": "main", "HOME": "/srv"}, "stdout": "text"});
    let env = build(&descriptor("exec:env", env)).await.unwrap();
    let mut call = Call::new(json!({"a": 1}));
    call.attempt = 2;
    let text = call.run(&env).await.unwrap();
    let mut lines: Vec<_> = text.as_str().unwrap().lines().collect();
    lines.sort_unstable();
    let key = format!("ONEIRIC_IDEMPOTENCY_KEY={}", call.cx().idempotency_key());
    let run = format!("ONEIRIC_RUN_ID={}", call.run);
    let expected = [
        "HOME=/srv",
        "LC_ALL=C.UTF-8",
        "LEDGER=main",
        "ONEIRIC_ATTEMPT=2",
        key.as_str(),
        "ONEIRIC_NODE=charge",
        "ONEIRIC_ROLE=task",
        run.as_str(),
        "ONEIRIC_SETTINGS={}",
        "ONEIRIC_WORKFLOW=shop",
        "PATH=/usr/local/bin:/usr/bin:/bin",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn the_end_of_the_program_is_the_fault() {
    let check = async |text: &str, class, code: &str, message: &str| {
        let fault = Call::new(json!(1)).run(&script(text, json!({})).await).await.unwrap_err();
        assert_eq!((fault.class, fault.code.as_str(), fault.message.as_str()), (class, code, message));
    };
    check("exit 3", Class::Transient, "exit-code", "`sh` exited with 3").await;
    check("echo a >&2; printf 'b\\n\\n' >&2; exit 1", Class::Transient, "exit-code", "`sh` exited with 1: b")
        .await;
    check("echo not json; exit 64", Class::Permanent, "exit-code", "`sh` exited with 64").await;
    check("exit 75", Class::Transient, "exit-code", "`sh` exited with 75").await;
    check("exit 77", Class::Denied, "exit-code", "`sh` exited with 77").await;
    check("kill -KILL $$", Class::Transient, "signal", "`sh` was killed by SIGKILL").await;
}

#[tokio::test]
async fn a_program_that_closes_its_streams_and_works_on_is_waited_for() {
    let closing = script("exec >&- 2>&- <&-; sleep 0.05; exit 9", json!({})).await;
    assert_eq!(Call::new(json!(1)).run(&closing).await.unwrap_err().message, "`sh` exited with 9");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_one_component_run_side_by_side() {
    let cat = build(&descriptor("exec:cat", Value::Null)).await.unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..64 {
        let cat = cat.clone();
        calls.spawn(async move { (n, Call::new(json!({ "n": n })).run(&cat).await) });
    }
    while let Some(call) = calls.join_next().await {
        let (n, result) = call.unwrap();
        assert_eq!(result.unwrap(), json!({ "n": n }));
    }
}
