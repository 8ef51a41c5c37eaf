//! `exec:` what happens when a program writes too much, reads too little or is called too often.

use std::fs;

use oneiric_adapters::Limits;
use oneiric_core::Class;
use oneiric_core::roles::Stream;
use serde_json::{Value, json};

use crate::process::{children, script, script_descriptor};
use crate::support::{Call, build, descriptor, eventually, runtime};

/// The most memory that this process ever had, in KiB. Each test has a process of its own under nextest.
fn peak_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[tokio::test]
async fn a_result_larger_than_the_bound_kills_the_group_and_memory_stays_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("finished");
    let flood = script(
        "head -c 100000000 /dev/zero; touch \"$MARKER\"",
        json!({"env": {"MARKER": marker.to_str().unwrap()}}),
    )
    .await;
    let before = peak_kib();
    let fault = Call::new(json!(1)).run(&flood).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Permanent, "output-too-large"));
    assert_eq!(fault.message, "`sh` wrote more than 4194304 bytes to standard output");
    assert!(peak_kib() - before < 32 * 1024, "{} KiB more", peak_kib() - before);
    flood.component().stop().await.unwrap();
    assert_eq!(children(), []);
    assert!(!marker.exists());
}

#[tokio::test]
async fn a_result_as_large_as_the_bound_is_kept() {
    let limits = Limits { stdout_bytes: 1000, ..Limits::STANDARD };
    for (bytes, kept) in [(1000, true), (1001, false)] {
        let text = format!("head -c {bytes} /dev/zero | tr '\\000' x");
        let descriptor = script_descriptor(&text, json!({"stdout": "text"}));
        let instance = runtime(&descriptor, limits).unwrap().build(&descriptor.clone().into()).await.unwrap();
        assert_eq!(Call::new(json!(1)).run(&instance).await.is_ok(), kept, "{bytes}");
    }
}

#[tokio::test]
async fn a_large_result_is_parsed() {
    let cat = build(&descriptor("exec:cat", Value::Null)).await.unwrap();
    let value = json!({"text": "x".repeat(3_000_000)});
    assert_eq!(Call::new(value.clone()).run(&cat).await.unwrap(), value);
}

#[tokio::test]
async fn a_hundred_megabytes_of_log_are_counted_and_dropped_in_bounded_memory() {
    let flood =
        script("yes 'a line of the log' | head -c 100000008 >&2; echo 'the end' >&2; exit 1", json!({}))
            .await;
    let (call, before) = (Call::new(json!(1)), peak_kib());
    let fault = call.run(&flood).await.unwrap_err();
    assert_eq!(fault.message, "`sh` exited with 1: the end");
    assert!(peak_kib() - before < 32 * 1024, "{} KiB more", peak_kib() - before);
    let lines = call.log.lines(Stream::Stderr);
    let kept = lines.len() - 1;
    assert_eq!(kept, 1024 * 1024 / 18);
    let total = 100_000_008 / 18 + 1;
    assert!(lines[kept].starts_with(&format!("[{} further lines dropped", total - kept)), "{}", lines[kept]);
}

#[tokio::test]
async fn a_line_longer_than_the_bound_is_cut() {
    let call = Call::new(json!(1));
    let long =
        script("head -c 100000 /dev/zero | tr '\\000' x >&2; printf '\\nshort\\n' >&2", json!({})).await;
    call.run(&long).await.unwrap();
    let lines = call.log.lines(Stream::Stderr);
    assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [8 * 1024 + " [cut]".len(), 5]);
}

#[tokio::test]
async fn a_program_that_ignores_a_large_input_is_fine() {
    let input = json!("x".repeat(8 * 1024 * 1024));
    let deaf = script("echo '\"done\"'", json!({})).await;
    assert_eq!(Call::new(input.clone()).run(&deaf).await.unwrap(), json!("done"));
    let closing = script("exec <&-; sleep 0.05; echo 1", json!({})).await;
    assert_eq!(Call::new(input).run(&closing).await.unwrap(), json!(1));
}

#[tokio::test]
async fn input_and_output_move_at_the_same_time() {
    // More than the pipes hold in both directions: writing all before reading any would never end.
    let cat = build(&descriptor("exec:cat", json!({"stdout": "text"}))).await.unwrap();
    let value = json!("y".repeat(4_000_000));
    let text = Call::new(value.clone()).run(&cat).await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(text.as_str().unwrap()).unwrap(), value);
}

#[tokio::test]
async fn a_thousand_calls_leave_neither_files_nor_children() {
    let instance = build(&descriptor("exec:true", Value::Null)).await.unwrap();
    Call::new(json!(1)).run(&instance).await.unwrap();
    let before = open_files();
    for _ in 0..1000 {
        Call::new(json!(1)).run(&instance).await.unwrap();
    }
    assert_eq!(children(), []);
    eventually("files are closed", || (open_files() <= before).then_some(())).await;
}

#[tokio::test]
async fn progress_is_told_by_lines_that_are_no_log() {
    let instance = script(
        "echo plain >&2; for i in $(seq 1000); do echo ::progress 0.5 half >&2; done; echo '::progress 75%' >&2; exit 3",
        json!({}),
    )
    .await;
    let call = Call::new(json!(1));
    let fault = call.run(&instance).await.unwrap_err();
    assert_eq!(fault.message, "`sh` exited with 3: plain");
    assert_eq!(call.log.lines(Stream::Stderr), ["plain"]);
    assert_eq!(call.pulse.said().unwrap().progress.to_string(), "75%");
}

#[tokio::test]
async fn a_program_beyond_its_memory_is_stopped_by_it() {
    let greedy = "x = bytearray(300_000_000); print(len(x))";
    let check = async |limit: Value| {
        let mut exec = json!({"args": ["-c", greedy]});
        exec["memory_mib"] = limit;
        let instance = build(&descriptor("exec:python3", exec)).await?;
        Call::new(json!(null)).run(&instance).await
    };
    assert_eq!(check(json!(1000)).await.unwrap(), json!(300_000_000));
    let fault = check(json!(100)).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Transient, "exit-code"));
    assert!(fault.message.ends_with("MemoryError"), "{fault}");
    let fault = check(json!(1)).await.unwrap_err();
    assert_eq!(fault.message, "`metadata.exec.memory_mib` is not a whole number from 8 to 16777216");
}
