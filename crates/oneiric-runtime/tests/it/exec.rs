//! The first whole thing: two programs, one after the other, through the file and back.

use oneiric_core::Payload;
use oneiric_runtime::RunRequest;
use oneiric_store::{RunFilter, RunStatus, UnknownNodes};
use serde_json::{Value, json};

use crate::support::{builder, key, process, status};

const TWO: &str = r#"
entries:
- {domain: task, key: double, provider: sh, factory: exec:sh,
   metadata: {exec: {args: ["-c", "read line; echo \"{\\\"got\\\": $line}\""]}}}
- {domain: task, key: slow, provider: sh, factory: exec:sh,
   metadata: {exec: {args: ["-c", "echo started >> \"$MARK\"; sleep ${SECONDS_TO_SLEEP:-0}; echo 2"], env: {MARK: MARKFILE, SECONDS_TO_SLEEP: "SLEEP"}}}}
- domain: workflow
  key: two
  provider: test
  factory: builtin:noop
  dag:
    nodes:
    - {id: first, task: double, payload: {n: 21}}
    - {id: second, task: slow, depends_on: [first], payload: "${{ nodes.first.output.got.n * 2 }}"}
"#;

fn manifest(mark: &std::path::Path, seconds: u32) -> Vec<u8> {
    TWO.replace("MARKFILE", &mark.display().to_string())
        .replace("SLEEP\"", &format!("{seconds}\""))
        .into_bytes()
}

/// Waits until the slow program has begun that often.
async fn started(mark: &std::path::Path, times: usize) {
    while std::fs::read_to_string(mark).unwrap_or_default().lines().count() < times {
        tokio::task::yield_now().await;
    }
}

#[test]
fn two_programs_hand_their_values_on() {
    let folder = tempfile::tempdir().unwrap();
    let text = manifest(&folder.path().join("mark"), 0);
    process(async {
        let oneiric =
            builder().state_dir(folder.path()).manifest_text("two.yaml", text).start().await.unwrap();
        let run = oneiric.run(RunRequest::new(key("two"))).await.unwrap();
        assert_eq!(status(&run).await, RunStatus::Completed);
        let outputs: Vec<Value> = run.report().nodes.into_iter().map(|node| node.output.into()).collect();
        assert_eq!(outputs, [json!({"got": {"n": 21}}), json!(2)]);
        assert!(oneiric.shutdown(std::time::Duration::from_secs(5)).await.unwrap());
    });
}

#[test]
fn a_process_that_ends_between_two_programs_is_resumed_without_its_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let text = manifest(&mark, 30);
    let id = process(async {
        let oneiric =
            builder().state_dir(folder.path()).manifest_text("two.yaml", text).start().await.unwrap();
        let run = oneiric.run(RunRequest::new(key("two"))).await.unwrap();
        started(&mark, 1).await;
        // No shutdown: the runtime is dropped with the second program under way.
        run.id()
    });
    process(async {
        let oneiric = builder().state_dir(folder.path()).start().await.unwrap();
        let store = oneiric.store();
        let runs = store.runs(RunFilter::newest(10)).await.unwrap();
        assert_eq!((runs.len(), runs[0].state.status), (1, RunStatus::Running));
        let run = oneiric.resume(id, UnknownNodes::Keep).await.unwrap();
        started(&mark, 2).await;
        // It would sleep for half a minute again.
        run.cancel("seen enough").await.unwrap();
        assert_eq!(status(&run).await, RunStatus::Cancelled);
        let report = run.report();
        assert_eq!(report.nodes[0].attempts, 1, "what was checkpointed does not run again");
        assert_eq!(report.nodes[1].attempts, 2, "a try that was cut short counts");
        assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());
        oneiric.shutdown(std::time::Duration::from_secs(5)).await.unwrap();
    });
}

#[test]
fn a_run_that_is_suspended_is_found_and_resumed_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let text = br#"
entries:
- {domain: task, key: nap, provider: b, factory: builtin:sleep}
- domain: workflow
  key: naps
  provider: test
  factory: builtin:noop
  dag: {nodes: [{id: a, task: nap, payload: {seconds: 0}}, {id: b, task: nap, depends_on: [a], payload: {seconds: "${{ inputs.nap }}"}}]}
"#;
    let naps = |seconds: f64| RunRequest {
        input: Payload::from(json!({"nap": seconds})),
        ..RunRequest::new(key("naps"))
    };
    process(async {
        let oneiric = builder()
            .state_dir(folder.path())
            .manifest_text("naps.yaml", text.to_vec())
            .start()
            .await
            .unwrap();
        let long = oneiric.run(naps(0.3)).await.unwrap();
        assert!(oneiric.shutdown(std::time::Duration::from_secs(5)).await.unwrap());
        assert!(matches!(long.ended().await, oneiric_dag::Ended::Suspended));
    });
    process(async {
        let oneiric = builder().state_dir(folder.path()).start().await.unwrap();
        let resumed = oneiric.resume_all().await.unwrap();
        assert_eq!(resumed.len(), 1);
        assert_eq!(status(resumed[0].1.as_ref().unwrap()).await, RunStatus::Completed);
        assert!(oneiric.resume_all().await.unwrap().is_empty());
    });
}
