//! Embedded: closures as tasks, no servers, no state folder.

mod crackerjack;
mod failing;
mod leaving;
mod linking;
mod noted;
mod ranking;
mod swapping;

use std::sync::Arc;

use oneiric_core::{Fault, Payload};
use oneiric_runtime::{Oneiric, RunRequest};
use oneiric_store::{RunStatus, UnknownNodes};
use oneiric_testkit::FnTask;
use serde_json::json;

use crate::support::{builder, key, process, status};

const GREET: &[u8] = br#"
entries:
- domain: workflow
  key: greet
  provider: test
  factory: builtin:noop
  dag: {nodes: [{id: hello, task: hello}, {id: loud, task: loud, depends_on: [hello], payload: "${{ nodes.hello.output }}!"}]}
"#;

#[test]
fn closures_are_tasks_and_memory_is_enough() {
    process(async {
        let hello = FnTask::new(|cx| {
            Ok(Payload::from(json!(format!("hello {}", cx.input.value()["name"].as_str().unwrap()))))
        });
        let loud = FnTask::new(|cx| {
            let text = cx.input.value().as_str().ok_or_else(|| Fault::permanent("text", "no text"))?;
            Ok(Payload::from(json!(text.to_uppercase())))
        });
        let oneiric = Oneiric::builder()
            .task(key("hello"), hello)
            .task(key("loud"), loud)
            .manifest_text("greet.yaml", GREET)
            .start()
            .await
            .unwrap();
        let request = RunRequest { input: json!({"name": "ada"}).into(), ..RunRequest::new(key("greet")) };
        let run = oneiric.run(request).await.unwrap();
        assert_eq!(status(&run).await, RunStatus::Completed);
        assert_eq!(run.report().nodes[1].output.value(), "HELLO ADA!");
        oneiric.shutdown(std::time::Duration::from_secs(1)).await.unwrap();
    });
}

#[test]
fn a_run_is_caused_by_the_program_unless_it_says_otherwise() {
    process(async {
        let noop = FnTask::new(|cx| Ok(cx.input.clone()));
        let oneiric = Oneiric::builder()
            .task("hello", Arc::clone(&noop))
            .task("loud", noop)
            .manifest_text("greet.yaml", GREET)
            .start()
            .await
            .unwrap();
        let check = async |request: RunRequest, expected: &str| {
            let run = oneiric.run(request).await.unwrap();
            let record = oneiric.store().run(run.id()).await.unwrap().unwrap();
            assert_eq!(record.trigger, expected);
        };
        check(RunRequest::of("greet", &()).unwrap(), "program").await;
        check(RunRequest { trigger: "test".to_owned(), ..RunRequest::new(key("greet")) }, "test").await;
    });
}

#[test]
fn many_runs_at_once_share_one_process() {
    process(async {
        let noop = FnTask::new(|cx| Ok(cx.input.clone()));
        let oneiric = Oneiric::builder()
            .task(key("hello"), Arc::clone(&noop))
            .task(key("loud"), noop)
            .manifest_text("greet.yaml", GREET)
            .max_parallel(3)
            .start()
            .await
            .unwrap();
        let mut runs = Vec::new();
        for number in 0..100 {
            let request =
                RunRequest { input: json!({"number": number}).into(), ..RunRequest::new(key("greet")) };
            runs.push(oneiric.run(request).await.unwrap());
        }
        for run in runs {
            assert_eq!(status(&run).await, RunStatus::Completed);
        }
    });
}

#[test]
fn a_run_that_has_ended_or_is_under_way_is_not_resumed() {
    process(async {
        let text = br#"
entries:
- {domain: task, key: nap, provider: b, factory: builtin:sleep}
- {domain: workflow, key: nap, provider: t, factory: builtin:noop, dag: {nodes: [{id: a, task: nap, payload: {seconds: 0.2}}]}}
"#;
        let oneiric = builder().manifest_text("nap.yaml", text.to_vec()).start().await.unwrap();
        let run = oneiric.run(RunRequest::new(key("nap"))).await.unwrap();
        let again = RunRequest { id: Some(run.id()), ..RunRequest::new(key("nap")) };
        assert!(oneiric.run(again).await.unwrap_err().to_string().contains("exists already"));
        status(&run).await;
        let over = oneiric.resume(run.id(), UnknownNodes::Keep).await.unwrap_err();
        assert_eq!(over.to_string(), format!("run {} is completed", run.id()));
    });
}
