//! `exec:PROGRAM`: a process per call, JSON on standard input, JSON on standard output.
//!
//! ```yaml
//! factory: exec:./bin/charge          # argv, never a shell
//! metadata:
//!   exec:
//!     args: [--currency, EUR]         # default: none
//!     cwd: /srv/shop                  # default: where oneiric runs
//!     env: {LEDGER: main}             # beside the few variables that are passed on
//!     memory_mib: 512                 # default: no limit of its own
//!     stdout: json                    # json (default), text or none
//! ```
//!
//! **Program.** With a `/` it is a path, relative to the folder where oneiric runs (not to `cwd`); a bare
//! name is looked up in the `PATH` that the process gets. Both are looked up when the component is
//! loaded and again for every call.
//!
//! The provider's settings may hold a table `exec` with the same keys, which win one by one. A fetched
//! manifest may say neither `cwd` nor `env`: they could make another program of the one that was allowed.
//!
//! **Roles.** Task, action and event handler, whatever its domain.
//!
//! **Input.** The payload as one line of JSON, then end of file; a handler gets the envelope. A program
//! that reads none of it is fine.
//!
//! **Result.** `json`: standard output is one JSON document, or empty for `null`; anything else is
//! the permanent fault `bad-output`. `text`: it is a string in UTF-8, without its last line feed.
//! `none`: the result is `null`, and its lines go to the log. Standard error goes to the log line by line.
//!
//! **Memory.** `memory_mib` is the most private memory that each of its processes may have (`RLIMIT_DATA`: what is
//! only reserved does not count). What happens beyond it is the program's: an interpreter raises, others abort.
//!
//! **Progress.** A line on standard error that begins with `::progress` says that the program is alive and, if it
//! likes, how far: `echo "::progress 0.4 page 2 of 5" >&2`. It goes into no log. Where the entry or the node says
//! `heartbeat_timeout`, a program that says nothing of the kind for longer is killed: the transient fault `heartbeat`.
//!
//! **Environment.** Scrubbed: see [`PASSED_ON`](crate::PASSED_ON). Every call adds `ONEIRIC_ROLE` (`task`,
//! `event` or `action`) and `ONEIRIC_SETTINGS`, the provider's other settings as a JSON object; a task also
//! `ONEIRIC_RUN_ID`, `ONEIRIC_WORKFLOW`, `ONEIRIC_NODE`, `ONEIRIC_ATTEMPT` and `ONEIRIC_IDEMPOTENCY_KEY`.
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
//! SIGKILL at once. A stop waits for the calls under way. A descendant that makes a session of its own (`setsid`) escapes. An orchestrator that
//! is killed leaves its programs running; the next try of the same call ends them before it begins.

mod call;
mod leftover;
mod output;
mod settings;
mod variables;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::{Blueprint, Clock, ComponentRuntime, Descriptor, Environment, Fault, Instance, Payload};
use serde_json::Value;

use crate::foreign::{Call, Caller, Foreign, Role, Section, handed_on};
use crate::process::launch::Launch;
use crate::process::reaper::Reaper;
use crate::{Limits, Parts};
use output::Mode;
use variables::OF_A_CALL;

/// The scheme of its factories.
const SCHEME: &str = "exec";

/// The most bytes of settings: Linux refuses a variable of more than 128 KiB (`MAX_ARG_STRLEN`).
const MAX_SETTINGS_BYTES: usize = 120 * 1024;

/// Builds components that are programs.
#[derive(Debug)]
pub struct Exec {
    clock: Arc<dyn Clock>,
    environment: Arc<dyn Environment>,
    limits: Limits,
}

impl Exec {
    /// The runtime; uses clock, environment and limits of `parts`.
    pub fn new(parts: &Parts) -> Self {
        Self { clock: parts.clock.clone(), environment: parts.environment.clone(), limits: parts.limits }
    }

    /// Everything about a call that is known before it, checked.
    fn program(&self, blueprint: &Blueprint) -> Result<Program, Fault> {
        let name = blueprint.descriptor.factory.of_scheme(SCHEME).unwrap_or_default();
        if name.is_empty() {
            return Err(Fault::permanent("bad-factory", "`exec:` names no program; write `exec:PROGRAM`"));
        }
        let section = Section::read(SCHEME, &settings::KEYS, blueprint)?;
        let launch = Launch::read(name, &section, self.environment.as_ref(), &OF_A_CALL)?;
        let stdout = settings::mode(&section)?;
        launch.locate()?;
        let settings = Value::Object(handed_on(&blueprint.settings, SCHEME)).to_string();
        if settings.len() > MAX_SETTINGS_BYTES {
            let message = format!("the settings of `{name}` have more than {MAX_SETTINGS_BYTES} bytes");
            return Err(Fault::permanent("bad-settings", message));
        }
        Ok(Program {
            launch,
            stdout,
            settings,
            clock: self.clock.clone(),
            limits: self.limits,
            reaper: Arc::default(),
        })
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
        self.program(blueprint).map(|_| ())
    }

    async fn build(&self, blueprint: &Blueprint) -> Result<Instance, Fault> {
        let program = self.program(blueprint)?;
        Ok(Foreign::instance(blueprint, program, self.clock.clone(), &Role::ALL))
    }
}

/// A program with what its descriptor says about calling it.
struct Program {
    launch: Launch,
    stdout: Mode,
    /// The provider's settings, as JSON.
    settings: String,
    clock: Arc<dyn Clock>,
    limits: Limits,
    reaper: Arc<Reaper>,
}

#[async_trait]
impl Caller for Program {
    async fn call(&self, call: Call<'_>) -> Result<Payload, Fault> {
        if let Some(cx) = call.cx {
            leftover::end(self, cx).await?;
        }
        call::call(self, &call).await
    }

    async fn health(&self) -> Result<(), Fault> {
        self.launch.locate().map(|_| ())
    }

    async fn stop(&self) -> Result<(), Fault> {
        self.reaper.settle().await;
        Ok(())
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("name", &self.launch.name).finish_non_exhaustive()
    }
}
