//! A component runtime of one's own: `shout:twice` is a task that says its input twice, loudly.

use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Task, TaskContext};
use oneiric_core::{Blueprint, Component, ComponentRuntime, Descriptor, Fault, Instance, Payload};

/// Builds `shout:once`, `shout:twice` and `shout:thrice`.
#[derive(Debug)]
pub struct Shouting;

struct Shout {
    times: usize,
}

impl Component for Shout {}

#[async_trait]
impl Task for Shout {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        let text: String = cx.input.read()?;
        Ok(Payload::of(&vec![text.to_uppercase(); self.times].join(" "))?)
    }
}

impl Shouting {
    fn shout(blueprint: &Blueprint) -> Result<Shout, Fault> {
        match blueprint.descriptor.factory.of_scheme("shout") {
            Some("once") => Ok(Shout { times: 1 }),
            Some("twice") => Ok(Shout { times: 2 }),
            Some("thrice") => Ok(Shout { times: 3 }),
            other => {
                let other = other.unwrap_or_default();
                let message = format!("nobody shouts `{other}`; known are `once`, `twice`, `thrice`");
                Err(Fault::permanent("unknown-shout", message))
            }
        }
    }
}

#[async_trait]
impl ComponentRuntime for Shouting {
    fn name(&self) -> &'static str {
        "shout"
    }

    fn recognises(&self, descriptor: &Descriptor) -> bool {
        descriptor.factory.of_scheme("shout").is_some()
    }

    fn check(&self, blueprint: &Blueprint) -> Result<(), Fault> {
        Self::shout(blueprint).map(drop)
    }

    async fn build(&self, blueprint: &Blueprint) -> Result<Instance, Fault> {
        let shout = Arc::new(Self::shout(blueprint)?);
        Ok(Instance::new(shout.clone()).plays::<dyn Task>(shout))
    }
}
