//! Runs a workflow whose task comes from a runtime that Oneiric has never heard of, and swaps it.

mod choir;
mod shout;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use choir::{SEATED, Voice, voice};
use oneiric_core::ComponentRuntime;
use oneiric_runtime::{Kind, Oneiric, RunRequest};
use shout::Shouting;

const MANIFEST: &str = "
entries:
- {domain: task, key: greet, provider: loud, factory: 'shout:thrice'}
- {domain: task, key: greet, provider: shy, factory: 'shout:once', priority: 1}
- {domain: task, key: greet, provider: lost, factory: 'shout:never'}
- domain: workflow
  key: hello
  provider: downstream
  factory: builtin:noop
  dag: {nodes: [{id: greet, task: greet}]}
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let oneiric = Oneiric::builder()
        .with([Arc::new(Shouting) as Arc<dyn ComponentRuntime>])
        .allow("shout:")
        .manifest_text("hello.yaml", MANIFEST.as_bytes())
        .component(voice("alto", '~'))
        .component(voice("bass", '='))
        .start()
        .await?;

    assert_eq!(greet(&oneiric).await?, "HELLO");
    oneiric.swap_to("task", "greet", "loud").await?;
    assert_eq!(greet(&oneiric).await?, "HELLO HELLO HELLO");
    let lost = oneiric.swap_to("task", "greet", "lost").await.expect_err("nobody shouts never");
    assert_eq!(lost.to_string(), "task `greet`: nobody shouts `never`; known are `once`, `twice`, `thrice`");
    assert_eq!(lost.kind(), Kind::Resolution);
    assert_eq!(greet(&oneiric).await?, "HELLO HELLO HELLO");

    let voice = oneiric.resolve::<dyn Voice>("voice").await?;
    assert_eq!(voice.current()?.sing("hello"), "= hello =");
    assert!(oneiric.swap_to("choir", "voice", "alto").await?.old_stopped);
    assert_eq!(voice.current()?.sing("hello"), "~ hello ~");
    assert_eq!(SEATED.load(Ordering::Relaxed), 1);

    assert!(oneiric.shutdown(Duration::from_secs(5)).await?);
    assert_eq!(SEATED.load(Ordering::Relaxed), 2);
    println!("all of it works from outside");
    Ok(())
}

async fn greet(oneiric: &Oneiric) -> Result<String, Box<dyn Error>> {
    let run = oneiric.run(RunRequest::of("hello", "hello")?).await?;
    Ok(run.completed().await?.output("greet")?)
}
