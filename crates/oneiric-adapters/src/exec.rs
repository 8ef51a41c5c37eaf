//! `exec:PROGRAM`: a process per call, JSON on standard input, JSON on standard output.
//!
//! ```yaml
//! factory: exec:./bin/charge          # argv, never a shell
//! metadata:
//!   exec:
//!     args: [--currency, EUR]         # default: none
//!     cwd: /srv/shop                  # default: where oneiric runs
//!     env: {LEDGER: main}             # beside the few variables that are passed on
//!     stdout: json                    # json (default), text or none
//! ```
//!
//! **Program.** With a `/` it is a path, relative to the folder where oneiric runs (not to `cwd`); a bare
//! name is looked up in the `PATH` that the process gets. Both are looked up when the component is
//! loaded and again for every call.
//!
//! **Input.** The payload as one line of JSON, then end of file. A program that reads none of it is fine.
//!
//! **Result.** `json`: standard output is one JSON document, or empty for `null`; anything else is
//! the permanent fault `bad-output`. `text`: it is a string in UTF-8, without its last line feed.
//! `none`: the result is `null`, and its lines go to the log. Standard error goes to the log line by line.
//!
//! **Environment.** Scrubbed: see [`PASSED_ON`]. The call adds `ONEIRIC_RUN_ID`, `ONEIRIC_WORKFLOW`,
//! `ONEIRIC_NODE`, `ONEIRIC_ATTEMPT` and `ONEIRIC_IDEMPOTENCY_KEY`.
//!
//! **Failure.** The end of the program decides, and the last line on standard error is in the message:
//!
//! | end                  | fault        | why                                                          |
//! |----------------------|--------------|--------------------------------------------------------------|
//! | code 0               | none         |                                                              |
//! | code 64, 65, 78      | permanent    | `EX_USAGE`, `EX_DATAERR`, `EX_CONFIG` of `sysexits.h`        |
//! | code 77              | denied       | `EX_NOPERM`                                                  |
//! | code 126, 127        | permanent    | a shell's "not executable" and "not found"                   |
//! | any other code       | transient    | a script that dies exits with 1, and may fare better later   |
//! | signal               | transient    | the machine ran out of memory, or somebody stopped it        |
//!
//! **End.** Each call is a process group of its own. When the program exits, what it left running in that
//! group is killed. A cancelled call gets SIGTERM, up to its grace to stop, then SIGKILL; its fault is the
//! transient `cancelled`, whatever code the program still exits with. A dropped call (a timeout) gets
//! SIGKILL at once. A descendant that makes a session of its own (`setsid`) escapes. An orchestrator that
//! is killed leaves its programs running; the next try of the same call ends them before it begins.

mod call;
mod environment;
mod group;
mod leftover;
mod lines;
mod output;
mod program;
mod reaper;
mod settings;
mod status;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Task, TaskContext};
use oneiric_core::{
    Blueprint, Clock, Component, ComponentRuntime, Descriptor, Environment, Fault, Instance, Payload,
};

pub use environment::PASSED_ON;

use crate::{Limits, Parts};
use reaper::Reaper;
use settings::Settings;

/// The scheme of its factories.
const SCHEME: &str = "exec";

/// Builds components that are programs.
#[derive(Debug)]
pub struct Exec {
    clock: Arc<dyn Clock>,
    environment: Arc<dyn Environment>,
    limits: Limits,
}

impl Exec {
    /// The runtime; uses all of `parts`.
    pub fn new(parts: &Parts) -> Self {
        Self { clock: parts.clock.clone(), environment: parts.environment.clone(), limits: parts.limits }
    }

    /// Everything about a call that is known before it, checked.
    fn program(&self, descriptor: &Descriptor) -> Result<Program, Fault> {
        let name = descriptor.factory.of_scheme(SCHEME).unwrap_or_default();
        if name.is_empty() {
            return Err(Fault::permanent("bad-factory", "`exec:` names no program; write `exec:PROGRAM`"));
        }
        let settings = Settings::read(&descriptor.metadata)?;
        let variables = environment::base(self.environment.as_ref(), &settings.env);
        let program = Program {
            name: name.to_owned(),
            settings,
            variables,
            clock: self.clock.clone(),
            limits: self.limits,
            reaper: Arc::default(),
        };
        program.locate()?;
        Ok(program)
    }
}

#[async_trait]
impl ComponentRuntime for Exec {
    fn name(&self) -> &'static str {
        SCHEME
    }

    fn recognises(&self, descriptor: &Descriptor) -> bool {
        descriptor.factory.of_scheme(SCHEME).is_some()
    }

    fn check(&self, blueprint: &Blueprint) -> Result<(), Fault> {
        self.program(&blueprint.descriptor).map(|_| ())
    }

    async fn build(&self, blueprint: &Blueprint) -> Result<Instance, Fault> {
        let program = Arc::new(self.program(&blueprint.descriptor)?);
        Ok(Instance::new(program.clone()).plays::<dyn Task>(program))
    }
}

/// A program with what its descriptor says about calling it.
struct Program {
    name: String,
    settings: Settings,
    variables: environment::Variables,
    clock: Arc<dyn Clock>,
    limits: Limits,
    reaper: Arc<Reaper>,
}

impl Program {
    /// The file to run and the folder to run it in, both seen to exist a moment ago.
    fn locate(&self) -> Result<PathBuf, Fault> {
        self.settings.check_cwd()?;
        program::locate(&self.name, self.variables.get("PATH").map(String::as_str))
    }
}

#[async_trait]
impl Component for Program {
    async fn health(&self) -> Result<(), Fault> {
        self.locate().map(|_| ())
    }

    async fn stop(&self) -> Result<(), Fault> {
        self.reaper.settle().await;
        Ok(())
    }
}

#[async_trait]
impl Task for Program {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        leftover::end(self, &cx).await?;
        call::call(self, &cx).await
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("name", &self.name).finish_non_exhaustive()
    }
}
