//! Closures of the embedding program.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use oneiric_core::linked::Linked;
use oneiric_core::roles::{Action, Envelope, EventHandler, Stream, Task, TaskContext};
use oneiric_core::{
    Blueprint, Clock, Component, ComponentRuntime, Descriptor, Domain, Fault, Instance, Payload,
};
use oneiric_testkit::contract::runtime::{Behaviour, Site};
use serde_json::{Map, Value, json};

use crate::support::RealClock;

/// The least that a runtime of linked components does.
#[derive(Debug)]
struct Runtime(Linked);

#[async_trait]
impl ComponentRuntime for Runtime {
    fn name(&self) -> &'static str {
        "linked"
    }

    fn recognises(&self, descriptor: &Descriptor) -> bool {
        self.0.descriptor().is_ok_and(|known| known.factory == descriptor.factory)
    }

    fn check(&self, _: &Blueprint) -> Result<(), Fault> {
        Ok(())
    }

    async fn build(&self, blueprint: &Blueprint) -> Result<Instance, Fault> {
        self.0.make()(blueprint)
    }
}

#[derive(Debug, Default)]
struct Closures {
    at_work: Arc<AtomicUsize>,
}

fn site() -> Arc<dyn Site> {
    Arc::new(Closures::default())
}

struct Behaves {
    how: String,
    settings: Map<String, Value>,
    at_work: Arc<AtomicUsize>,
}

struct AtWork<'a>(&'a AtomicUsize);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Behaves {
    async fn call(&self, input: &Payload, cx: Option<&TaskContext<'_>>) -> Result<Payload, Fault> {
        match self.how.as_str() {
            "Capitals" => Ok(Value::from(input.value().as_str().unwrap_or_default().to_uppercase()).into()),
            "FailsToday" => Err(Fault::transient("weather", "not today")),
            "FailsForEver" => Err(Fault::permanent("age", "not ever")),
            "Waits" => {
                if cx.is_none_or(|cx| !cx.cancel.is_cancelled()) {
                    self.at_work.fetch_add(1, Ordering::SeqCst);
                    let _at_work = AtWork(&self.at_work);
                    match cx {
                        Some(cx) => cx.cancel.cancelled().await,
                        None => std::future::pending().await,
                    }
                }
                Err(Fault::transient("cancelled", "it was cancelled"))
            }
            "Logs" => {
                for line in ["one", "two", "three"] {
                    let cx = cx.expect("only tasks log");
                    cx.log.line(cx, Stream::Stdout, line);
                }
                Ok(Payload::NULL)
            }
            "Settings" => Ok(Value::Object(self.settings.clone()).into()),
            _ => Ok(input.clone()),
        }
    }
}

#[async_trait]
impl Component for Behaves {
    async fn health(&self) -> Result<(), Fault> {
        match self.how.as_str() {
            "Unhealthy" => Err(Fault::transient("sick", "no pulse")),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Task for Behaves {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        self.call(&cx.input, Some(&cx)).await
    }
}

#[async_trait]
impl Action for Behaves {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.call(&input, None).await
    }
}

#[async_trait]
impl EventHandler for Behaves {
    async fn handle(&self, envelope: &Envelope) -> Result<Payload, Fault> {
        self.call(&envelope.to_payload(), None).await
    }
}

impl Site for Closures {
    fn runtime(&self) -> Arc<dyn ComponentRuntime> {
        let at_work = self.at_work.clone();
        Arc::new(Runtime(Linked::new(Domain::TASK, "demo", move |blueprint| {
            let how = blueprint.descriptor.metadata["how"].as_str().unwrap_or_default().to_owned();
            let shared =
                Arc::new(Behaves { how, settings: blueprint.settings.clone(), at_work: at_work.clone() });
            Ok(Instance::new(shared.clone())
                .plays::<dyn Task>(shared.clone())
                .plays::<dyn Action>(shared.clone())
                .plays::<dyn EventHandler>(shared))
        })))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(RealClock)
    }

    fn component(&self, behaviour: Behaviour, domain: Domain) -> Result<Blueprint, &'static str> {
        match behaviour {
            Behaviour::Letters => return Err("a value in memory is bounded by whoever makes it"),
            Behaviour::Dies => return Err("it would take this process with it"),
            _ => {}
        }
        Ok(super::blueprint(domain, "demo", "how", json!(format!("{behaviour:?}"))))
    }

    fn drains(&self) -> Result<(), &'static str> {
        Err("a closure has no end of its own: whoever swaps it waits for its calls")
    }

    fn is_at_work(&self) -> bool {
        self.at_work.load(Ordering::SeqCst) > 0
    }
}

oneiric_testkit::runtime_contract!(site);
