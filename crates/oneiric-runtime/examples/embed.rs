//! Oneiric inside of your own program: a task of yours, a workflow, a durable run.
//!
//! `cargo run -p oneiric-runtime --example embed`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::roles::{Task, TaskContext};
use oneiric_core::{Fault, Payload};
use oneiric_runtime::{Oneiric, RunRequest};
use serde_json::json;

/// Any type can be a task. The input is JSON, and so is the output.
struct Greet;

#[async_trait]
impl Task for Greet {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        let name = cx.input.value()["name"].as_str();
        let name = name.ok_or_else(|| Fault::permanent("no-name", "the input has no `name`"))?;
        Ok(json!(format!("Good evening, {name}.")).into())
    }
}

/// The graph: data, checked when it is loaded. `${{ ... }}` hands values from node to node.
const WORKFLOW: &str = r#"
entries:
- domain: workflow
  key: evening
  provider: example
  factory: builtin:noop
  dag:
    nodes:
    - {id: ada, task: greet}
    - {id: grace, task: greet, depends_on: [ada], payload: {name: "Grace, after ${{ inputs.name }}"}}
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let state = std::env::temp_dir().join("oneiric-embed");
    let oneiric = Oneiric::builder()
        .task("greet".parse()?, std::sync::Arc::new(Greet))
        .manifest_text("evening.yaml", WORKFLOW.as_bytes())
        .state_dir(&state) // leave this out to keep everything in memory
        .start()
        .await?;

    // Whatever an earlier process left behind goes on where it was.
    oneiric.resume_all().await?;

    let mut request = RunRequest::new("evening".parse()?);
    request.input = json!({"name": "Ada"}).into();
    let run = oneiric.run(request).await?;
    println!("run {}: {:?}", run.id(), run.ended().await);
    for node in run.report().nodes {
        println!("  {}: {}", node.id, node.output.value());
    }

    oneiric.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}
