//! `worker:PROGRAM`: a pool of processes that speak JSON lines, called again and again.
//!
//! ```yaml
//! factory: worker:./bin/charge-worker   # argv, never a shell
//! metadata:
//!   worker:
//!     args: [--currency, EUR]           # default: none
//!     cwd: /srv/shop                    # default: where oneiric runs
//!     env: {LEDGER: main}               # beside the few variables that are passed on
//!     workers: 4                        # processes, started when they are needed
//!     concurrency: 16                   # calls at once in each, as far as the worker announces them
//!     waiting: 1000                     # calls in line; more are refused as `overloaded`
//!     ready_seconds: 10
//!     heartbeat_seconds: 30             # how often an idle process is asked; 0 for never
//!     grace_seconds: 1                  # how long a call may go on whose caller has gone
//!     stop_seconds: 5                   # how long a process may take to end
//! ```
//!
//! The provider's settings may hold a table `worker` with the same keys, which win one by one; all other
//! settings go to the worker in its `hello`. A fetched manifest may say neither `cwd` nor `env`. The
//! protocol is written down in `docs/worker-protocol.md`.
//!
//! **Roles.** What the worker announces, within its domain: a component of the domains task, action and
//! event plays that role, any other is an action, and a task where it says so. The first process is
//! started when the component is built, so that what is missing is found then.
//!
//! **Faults.** What the worker says; and of our own:
//!
//! | code               | class       | when                                                             |
//! |--------------------|-------------|------------------------------------------------------------------|
//! | `worker-start`     | by its exit | it ended before it was ready, or was not ready in time           |
//! | `worker-died`      | see below   | it ended during the call                                         |
//! | `worker-protocol`  | permanent   | it speaks another version, or out of turn                        |
//! | `bad-output`       | permanent   | a line that is no message                                        |
//! | `output-too-large` | permanent   | a line longer than a result may be                               |
//! | `overloaded`       | transient   | too many calls wait                                              |
//! | `cancelled`        | transient   | the call was cancelled                                           |
//!
//! A call whose process died is `unknown_outcome`: nobody knows how far it came. Where the entry says
//! `idempotent: true`, or says nothing but states a retry policy, it is transient. A call that no process
//! has seen goes to the next one. The next call starts a new process; where processes keep dying at their start, after a pause that doubles up to 30 s.
//!
//! **End.** A cancelled call is told to the worker, which has the grace of the call to answer; a dropped
//! one (a timeout) has `grace_seconds`. After that the process is killed with its group, and a further
//! try of the same call waits for that. A stop waits for calls under way, then says `stop`, then sends
//! SIGTERM, then SIGKILL. Dropping an instance kills its processes.

mod calls;
mod child;
mod driver;
mod faults;
mod json;
mod message;
mod outbox;
mod owner;
mod pending;
mod pool;
mod reader;
mod settings;
mod start;
mod starts;

use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::{Blueprint, Clock, ComponentRuntime, Descriptor, Environment, Fault, Instance};
use serde_json::Map;

pub use settings::WorkerSettings;

pub(crate) use message::{Ready, hello};
pub(crate) use pool::{Pool, Spec};
pub(crate) use settings::KEYS;

use crate::foreign::{Foreign, Section, handed_on, loss, played};
use crate::process::launch::{self, Launch};
use crate::{Limits, Parts};

/// The scheme of its factories.
const SCHEME: &str = "worker";

/// Builds components that are pools of worker processes.
#[derive(Debug)]
pub struct Worker {
    clock: Arc<dyn Clock>,
    environment: Arc<dyn Environment>,
    limits: Limits,
    settings: WorkerSettings,
}

impl Worker {
    /// The runtime; uses clock, environment, limits and worker settings of `parts`.
    pub fn new(parts: &Parts) -> Self {
        Self {
            clock: parts.clock.clone(),
            environment: parts.environment.clone(),
            limits: parts.limits,
            settings: parts.worker,
        }
    }

    fn spec(&self, blueprint: &Blueprint) -> Result<Spec, Fault> {
        let descriptor = &blueprint.descriptor;
        let name = descriptor.factory.of_scheme(SCHEME).unwrap_or_default();
        if name.is_empty() {
            let message = "`worker:` names no program; write `worker:PROGRAM`";
            return Err(Fault::permanent("bad-factory", message));
        }
        let known = [&launch::KEYS[..], &KEYS].concat();
        let section = Section::read(SCHEME, &known, blueprint)?;
        let launch = Launch::read(name, &section, self.environment.as_ref(), &[])?;
        let settings = self.settings.with(&section)?;
        launch.locate()?;
        let given = handed_on(&blueprint.settings, SCHEME);
        Ok(Spec {
            name: name.to_owned(),
            launch,
            hello: hello(descriptor, &given, settings.concurrency, self.limits, Map::new()),
            settings,
            loss: loss(descriptor),
            limits: self.limits,
            clock: self.clock.clone(),
            reaper: Arc::default(),
        })
    }
}

#[async_trait]
impl ComponentRuntime for Worker {
    fn name(&self) -> &'static str {
        SCHEME
    }

    fn recognises(&self, descriptor: &Descriptor) -> bool {
        descriptor.factory.of_scheme(SCHEME).is_some()
    }

    fn check(&self, blueprint: &Blueprint) -> Result<(), Fault> {
        self.spec(blueprint).map(|_| ())
    }

    async fn build(&self, blueprint: &Blueprint) -> Result<Instance, Fault> {
        open(self.spec(blueprint)?, blueprint).await
    }
}

/// Starts a pool and makes an instance of it.
///
/// # Errors
/// Whatever the first process met, or the permanent `missing-role`.
pub(crate) async fn open(spec: Spec, blueprint: &Blueprint) -> Result<Instance, Fault> {
    let (name, clock) = (spec.name.clone(), spec.clock.clone());
    let (pool, Ready { roles, .. }) = Pool::open(spec).await?;
    let roles = played(&name, &blueprint.descriptor.domain, &roles)?;
    Ok(Foreign::instance(blueprint, pool, clock, &roles))
}
