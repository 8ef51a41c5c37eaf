//! `builtin:NAME`: components that are part of the binary, and upstream's samples by their Python names.
//!
//! | factory                                               | roles        | payload → result                                    |
//! |-------------------------------------------------------|--------------|-----------------------------------------------------|
//! | `builtin:noop`                                        | task, action | anything → `null`                                   |
//! | `builtin:echo`                                        | task, action | anything → the same                                 |
//! | `builtin:sleep`                                       | task         | `{"seconds": 1.5}` → `{"slept": 1.5}`               |
//! | `builtin:fail`                                        | task         | `{"times": 2, "message": "no"}` → `{"attempts": 3}` |
//! | `oneiric.remote.samples:demo_remote_task`             | task         | anything → `"remote-task-run"`                      |
//! | `oneiric.remote.samples:demo_remote_adapter`          | action       | anything → `"hello from remote manifest"`           |
//! | `oneiric.remote.samples:demo_remote_service`          | action       | anything → `"remote-service-ok"`                    |
//! | `oneiric.remote.samples:demo_remote_event_handler`    | action       | an envelope → `{"name", "topic", "payload"}`        |
//! | `oneiric.remote.samples:demo_remote_workflow`         | action       | anything → `"remote-workflow-complete"`             |
//!
//! The samples that are no tasks play `Action`: upstream's one interesting method of each (`describe`,
//! `status`, `handle`, `execute`) takes a value or nothing and gives a value. Every other Python name is
//! left to the runtime for Python.

mod fail;
mod fields;
mod plain;
mod samples;
mod sleep;

use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Action, Task};
use oneiric_core::{
    Blueprint, Clock, Component, ComponentRuntime, Descriptor, Fault, Instance, nearest::nearest,
};

use crate::Parts;
use samples::Sample;

/// The scheme of its factories.
const SCHEME: &str = "builtin";

/// Builds the built-in components.
#[derive(Debug)]
pub struct Builtin {
    clock: Arc<dyn Clock>,
}

impl Builtin {
    /// The runtime; uses the clock of `parts`.
    pub fn new(parts: &Parts) -> Self {
        Self { clock: parts.clock.clone() }
    }
}

#[async_trait]
impl ComponentRuntime for Builtin {
    fn name(&self) -> &'static str {
        SCHEME
    }

    fn recognises(&self, descriptor: &Descriptor) -> bool {
        descriptor.factory.of_scheme(SCHEME).is_some() || Sample::named(&descriptor.factory).is_some()
    }

    fn check(&self, blueprint: &Blueprint) -> Result<(), Fault> {
        Kind::of(&blueprint.descriptor).map(|_| ())
    }

    async fn build(&self, blueprint: &Blueprint) -> Result<Instance, Fault> {
        Ok(match Kind::of(&blueprint.descriptor)? {
            Kind::Noop => task_and_action(plain::Noop),
            Kind::Echo => task_and_action(plain::Echo),
            Kind::Sleep => task(sleep::Sleep::new(self.clock.clone())),
            Kind::Fail => task(fail::Fail),
            Kind::Sample(Sample::Task) => task(Sample::Task),
            Kind::Sample(other) => action(other),
        })
    }
}

/// What a factory of ours names.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Noop,
    Echo,
    Sleep,
    Fail,
    Sample(Sample),
}

impl Kind {
    const NAMED: [(&str, Kind); 4] =
        [("noop", Kind::Noop), ("echo", Kind::Echo), ("sleep", Kind::Sleep), ("fail", Kind::Fail)];

    fn of(descriptor: &Descriptor) -> Result<Kind, Fault> {
        let factory = &descriptor.factory;
        if let Some(sample) = Sample::named(factory) {
            return Ok(Kind::Sample(sample));
        }
        let name = factory.of_scheme(SCHEME).unwrap_or(factory.as_str());
        if let Some((_, kind)) = Self::NAMED.iter().find(|(known, _)| *known == name) {
            return Ok(*kind);
        }
        let known = || Self::NAMED.iter().map(|(known, _)| *known);
        let hint = match nearest(name, known()) {
            Some(near) => format!("did you mean `{SCHEME}:{near}`?"),
            None => format!("known are {}", known().collect::<Vec<_>>().join(", ")),
        };
        Err(Fault::permanent("unknown-builtin", format!("`{factory}` is not a built-in component; {hint}")))
    }
}

fn task<T: Component + Task>(component: T) -> Instance {
    let shared = Arc::new(component);
    Instance::new(shared.clone()).plays::<dyn Task>(shared)
}

fn action<T: Component + Action>(component: T) -> Instance {
    let shared = Arc::new(component);
    Instance::new(shared.clone()).plays::<dyn Action>(shared)
}

fn task_and_action<T: Component + Task + Action>(component: T) -> Instance {
    let shared = Arc::new(component);
    Instance::new(shared.clone()).plays::<dyn Task>(shared.clone()).plays::<dyn Action>(shared)
}
