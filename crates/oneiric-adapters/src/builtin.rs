//! `builtin:NAME`: components that are part of the binary, and upstream's samples by their Python names.
//!
//! | factory                                               | roles        | payload → result                                    |
//! |-------------------------------------------------------|--------------|-----------------------------------------------------|
//! | `builtin:noop`                                        | task, action, event handler, service | anything → `null`; a service that waits for its stop |
//! | `builtin:echo`                                        | task, action, event handler | anything → the same                  |
//! | `builtin:sleep`                                       | task         | `{"seconds": 1.5}` → `{"slept": 1.5}`               |
//! | `builtin:fail`                                        | task         | `{"times": 2, "message": "no"}` → `{"attempts": 3}` |
//! | `oneiric.remote.samples:demo_remote_task`             | task         | anything → `"remote-task-run"`                      |
//! | `oneiric.remote.samples:demo_remote_adapter`          | action       | anything → `"hello from remote manifest"`           |
//! | `oneiric.remote.samples:demo_remote_service`          | action       | anything → `"remote-service-ok"`                    |
//! | `oneiric.remote.samples:demo_remote_event_handler`    | event handler, action | an envelope → `{"name", "topic", "payload"}` |
//! | `oneiric.remote.samples:demo_remote_workflow`         | action       | anything → `"remote-workflow-complete"`             |
//!
//! The samples that are no tasks play `Action`: upstream's one interesting method of each (`describe`,
//! `status`, `handle`, `execute`) takes a value or nothing and gives a value. Every other Python name is
//! left to the runtime for Python.
//!
//! With the feature `actions` come upstream's action kits, by their keys (`builtin:compression.encode`) and
//! their Python names (`oneiric.actions.compression:CompressionAction`); each plays `Action`.

mod fail;
mod fields;
mod kind;
mod linger;
mod plain;
mod samples;
mod sleep;

use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Action, EventHandler, Service, Task};
use oneiric_core::{Blueprint, Component, ComponentRuntime, Descriptor, Fault, Instance};

use crate::Parts;
use kind::Kind;
use samples::Sample;

/// The scheme of its factories.
pub(crate) const SCHEME: &str = "builtin";

/// Builds the built-in components.
#[derive(Debug)]
pub struct Builtin {
    parts: Parts,
}

impl Builtin {
    /// The runtime; uses the clock and the chance of `parts`.
    pub fn new(parts: &Parts) -> Self {
        Self { parts: parts.clone() }
    }
}

#[async_trait]
impl ComponentRuntime for Builtin {
    fn name(&self) -> &'static str {
        SCHEME
    }

    #[cfg(feature = "actions")]
    fn offers(&self) -> Vec<Descriptor> {
        crate::actions::descriptors()
    }

    fn recognises(&self, descriptor: &Descriptor) -> bool {
        descriptor.factory.of_scheme(SCHEME).is_some() || Kind::python(&descriptor.factory).is_some()
    }

    fn check(&self, blueprint: &Blueprint) -> Result<(), Fault> {
        match Kind::of(&blueprint.descriptor)? {
            #[cfg(feature = "actions")]
            Kind::Kit(kit) => kit.check(&blueprint.settings),
            _ => Ok(()),
        }
    }

    async fn build(&self, blueprint: &Blueprint) -> Result<Instance, Fault> {
        Ok(match Kind::of(&blueprint.descriptor)? {
            Kind::Noop => {
                let shared = Arc::new(plain::Noop);
                whatever(Arc::clone(&shared)).plays::<dyn Service>(shared)
            }
            Kind::Echo => whatever(Arc::new(plain::Echo)),
            Kind::Sleep => task(sleep::Sleep::new(self.parts.clock.clone())),
            Kind::Fail => task(fail::Fail),
            Kind::Sample(Sample::Task) => task(Sample::Task),
            Kind::Sample(Sample::EventHandler) => handler_and_action(Sample::EventHandler),
            Kind::Sample(other) => action(other),
            #[cfg(feature = "actions")]
            Kind::Kit(kit) => action(kit.bounded(&blueprint.settings, &self.parts)?),
        })
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

fn handler_and_action<T: Component + EventHandler + Action>(component: T) -> Instance {
    let shared = Arc::new(component);
    Instance::new(shared.clone()).plays::<dyn EventHandler>(shared.clone()).plays::<dyn Action>(shared)
}

fn whatever<T: Component + Task + Action + EventHandler>(shared: Arc<T>) -> Instance {
    Instance::new(shared.clone())
        .plays::<dyn Task>(shared.clone())
        .plays::<dyn Action>(shared.clone())
        .plays::<dyn EventHandler>(shared)
}
