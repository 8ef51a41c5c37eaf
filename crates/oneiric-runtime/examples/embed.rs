//! Oneiric inside of your own program: typed tasks, a durable workflow, a component that is swapped.
//!
//! `cargo run -p oneiric-runtime --example embed`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::time::Duration;

use oneiric_core::linked::{Linked, task_fn};
use oneiric_core::{Fault, Role};
use oneiric_runtime::{Oneiric, RunRequest};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Serialize, Deserialize)]
struct Order {
    customer: String,
    cents: u32,
}

#[derive(Serialize, Deserialize)]
struct Receipt {
    number: String,
}

// A task is an async function of whatever can be read from JSON.
async fn charge(order: Order) -> Result<Receipt, Fault> {
    Ok(Receipt { number: format!("R-{}-{}", order.customer, order.cents) })
}

// A component can be asked for as any trait, with one line beside it.
trait Greeter: Send + Sync {
    fn greet(&self, name: &str) -> String;
}
impl Role for dyn Greeter {
    const NAME: &'static str = "greeter";
}

struct With(&'static str);
impl Greeter for With {
    fn greet(&self, name: &str) -> String {
        format!("{}, {name}.", self.0)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let graph = json!({"nodes": [
        {"id": "charge", "task": "charge"},
        {"id": "thank", "task": "thank", "depends_on": ["charge"],
         "payload": "thank you, ${{ inputs.customer }}: ${{ nodes.charge.output.number }}"},
    ]});
    let greeter =
        |word, provider| Linked::shared::<dyn Greeter>("greeter", Arc::new(With(word))).provider(provider);
    let oneiric = Oneiric::builder()
        .task("charge", task_fn(charge))
        .task("thank", task_fn(|text: String| async move { Ok::<_, Fault>(text.to_uppercase()) }))
        .workflow("order", &graph)
        .component(greeter("Hi", "casual"))
        .component(greeter("Good evening", "formal"))
        .state_dir(std::env::temp_dir().join("oneiric-embed")) // without it, all is in memory
        .start()
        .await?;

    oneiric.resume_all().await?; // whatever an earlier process left goes on where it was

    let run = oneiric.run(RunRequest::of("order", &Order { customer: "Ada".into(), cents: 1250 })?).await?;
    let report = run.completed().await?;
    println!("{}: {}", report.output::<Receipt>("charge")?.number, report.output::<String>("thank")?);

    // The handle stays, what is behind it changes.
    let greeter = oneiric.resolve::<dyn Greeter>("greeter").await?;
    println!("{}", greeter.current()?.greet("Ada"));
    oneiric.swap_to("adapter", "greeter", "casual").await?;
    println!("{}", greeter.current()?.greet("Ada"));

    oneiric.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}
