//! `process:PROGRAM`: a service that is a program.
//!
//! ```yaml
//! domain: service
//! factory: process:./bin/gateway      # argv, never a shell
//! metadata:
//!   process:
//!     args: [--port, '8010']          # default: none
//!     cwd: /srv/shop                  # default: where oneiric runs
//!     env: {LEDGER: main}             # beside the few variables that are passed on
//!     memory_mib: 512                 # default: no limit of its own
//!     ready_line: 'listening on'      # default: none; a text in a line, or /a regular expression/
//!     notify: true                    # default: false; the program says when it is ready, as under systemd
//!     stop_signal: INT                # TERM (default), INT, QUIT, HUP, USR1, USR2 or KILL
//!     kill_after: 5                   # seconds; default: the `stop_timeout` of the service
//!     success_codes: [0, 143]         # default: [0]
//! ```
//!
//! Which program that is, `args`, `cwd`, `env` and `memory_mib` are as for [`exec:`](crate::exec), and so is what a
//! fetched manifest may not say. The provider's settings may hold a table `process` with the same keys, which win one
//! by one.
//!
//! **Role.** Service; a candidate of another domain is refused when it is loaded. When it is started, ordered, probed and
//! restarted is said in `metadata.service`, and is the supervisor's.
//!
//! **Environment.** Scrubbed: see [`PASSED_ON`](crate::PASSED_ON). Each start adds `ONEIRIC_SERVICE` (its key),
//! `ONEIRIC_SERVICE_ID`, `ONEIRIC_ATTEMPT`, `ONEIRIC_SETTINGS` (the provider's other settings as a JSON object) and, with
//! `notify`, `NOTIFY_SOCKET`. Standard input is empty.
//!
//! **Output.** Both streams are read always, whoever wants their lines, and go to the log of the service line by line. A
//! program that closes them goes on.
//!
//! **Ready.** With `ready_line`, once a line on either stream has it. With `notify`, once any of its processes says
//! `READY=1` (`sd_notify(3)`, `systemd-notify`); what it says as `STATUS=` goes into its log, all else is passed over.
//! With both, whichever comes first. With neither it is ready once it runs, or its `ready` probe says so.
//!
//! **End.** It ends with its first process, whose group is killed then. A code among `success_codes` is an end in
//! order; otherwise the fault is that of the table in [`exec:`](crate::exec). A program that puts itself into the
//! background has ended: run it in the foreground.
//!
//! **Stop.** Its group gets the stop signal. What its first process leaves in the group gets the same time. Whatever code
//! it exits with, it was asked to. After `kill_after` the group is killed; where the service is dropped before (its
//! `stop_timeout` is over), at once.
//!
//! **Nothing stays behind.** Descendants that made a session of their own are found by their `ONEIRIC_SERVICE_ID` in
//! `/proc` and killed when the service ends. An orchestrator that is killed leaves its services running; the next one on
//! the same state folder kills them before it starts its first. What clears its environment *and* leaves its group
//! escapes both; under systemd, the unit's control group has the last word. In a container whose first process this is,
//! [`reap_orphans`](crate::reap_orphans) reaps what others left.

mod figures;
mod notify;
mod ready;
mod run;
mod settings;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use oneiric_core::roles::{Figures, Service, ServiceContext};
use oneiric_core::{
    Blueprint, Clock, Component, ComponentRuntime, Descriptor, Domain, Environment, Fault, Instance, Rng,
};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::foreign::{Section, handed_on};
use crate::process::launch::Launch;
use crate::process::reaper::Reaper;
use crate::process::service_id::{self, Owner};
use crate::process::stat::Stat;
use crate::process::sweep;
use crate::{Limits, Parts};
use settings::Settings;

/// The scheme of its factories, its name, and that of its section.
const SCHEME: &str = "process";

/// The most bytes of settings: Linux refuses a variable of more than 128 KiB (`MAX_ARG_STRLEN`).
const MAX_SETTINGS_BYTES: usize = 120 * 1024;

/// Builds services that are programs.
#[derive(Debug)]
pub struct Process {
    environment: Arc<dyn Environment>,
    rng: Arc<dyn Rng>,
    limits: Limits,
    household: Arc<Household>,
}

/// What the services of one orchestrator share.
#[derive(Debug)]
struct Household {
    clock: Arc<dyn Clock>,
    place: String,
    owner: OnceCell<Owner>,
}

impl Household {
    /// This process as an owner. The first who asks kills what dead owners of the place left running.
    ///
    /// # Errors
    /// Transient where something is still there after having been killed.
    async fn owner(&self) -> Result<Owner, Fault> {
        let first = || async {
            let owner = Owner::this();
            let (place, namespace) = (self.place.clone(), service_id::namespace());
            let pass = move || {
                let dead = |owner: Owner| owner.is_dead(namespace, Stat::of);
                sweep::kill_all(service_id::VARIABLE, |value| {
                    service_id::owner_in(&place, value).is_some_and(dead)
                })
            };
            match sweep::until_gone(self.clock.as_ref(), pass).await {
                0 => Ok(owner),
                found => {
                    let message =
                        format!("{found} process(es) of an orchestrator that was killed do not end");
                    Err(Fault::transient("leftover", message))
                }
            }
        };
        self.owner.get_or_try_init(first).await.copied()
    }
}

impl Process {
    /// The runtime; uses clock, environment, chance, limits and state folder of `parts`.
    pub fn new(parts: &Parts) -> Self {
        let household = Household {
            clock: parts.clock.clone(),
            place: service_id::place(parts.state_dir.as_deref()),
            owner: OnceCell::new(),
        };
        Self {
            environment: parts.environment.clone(),
            rng: parts.rng.clone(),
            limits: parts.limits,
            household: Arc::new(household),
        }
    }

    /// Everything about a start that is known before it, checked.
    fn program(&self, blueprint: &Blueprint) -> Result<Program, Fault> {
        let name = blueprint.descriptor.factory.of_scheme(SCHEME).unwrap_or_default();
        if name.is_empty() {
            return Err(Fault::permanent(
                "bad-factory",
                "`process:` names no program; write `process:PROGRAM`",
            ));
        }
        if blueprint.descriptor.domain != Domain::SERVICE {
            let domain = &blueprint.descriptor.domain;
            let message = format!(
                "`process:{name}` is a service and plays nothing in domain `{domain}`; a program that is called is \
                 `exec:` or `worker:`"
            );
            return Err(Fault::permanent("missing-role", message));
        }
        let section = Section::read(SCHEME, &settings::KEYS, blueprint)?;
        let launch = Launch::read(name, &section, self.environment.as_ref(), &run::OF_A_START)?;
        let settings = Settings::read(&section)?;
        launch.locate()?;
        let handed_on = Value::Object(handed_on(&blueprint.settings, SCHEME)).to_string();
        if handed_on.len() > MAX_SETTINGS_BYTES {
            let message = format!("the settings of `{name}` have more than {MAX_SETTINGS_BYTES} bytes");
            return Err(Fault::permanent("bad-settings", message));
        }
        Ok(Program {
            launch,
            settings,
            handed_on,
            household: self.household.clone(),
            rng: self.rng.clone(),
            limits: self.limits,
            reaper: Arc::default(),
            running: AtomicU32::new(0),
        })
    }
}

#[async_trait]
impl ComponentRuntime for Process {
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
        let program = Arc::new(self.program(blueprint)?);
        Ok(Instance::new(program.clone()).plays::<dyn Service>(program))
    }
}

/// A program with what its descriptor says about running it.
struct Program {
    launch: Launch,
    settings: Settings,
    /// The provider's settings, as JSON.
    handed_on: String,
    household: Arc<Household>,
    rng: Arc<dyn Rng>,
    limits: Limits,
    reaper: Arc<Reaper>,
    /// The first process of the start that is under way; 0 where there is none.
    running: AtomicU32,
}

#[async_trait]
impl Component for Program {
    async fn health(&self) -> Result<(), Fault> {
        self.launch.locate().map(|_| ())
    }

    async fn stop(&self) -> Result<(), Fault> {
        self.reaper.settle().await;
        Ok(())
    }
}

#[async_trait]
impl Service for Program {
    async fn run(&self, cx: ServiceContext) -> Result<(), Fault> {
        run::run(self, &cx).await
    }

    fn says_ready(&self) -> bool {
        self.settings.says_ready()
    }

    fn figures(&self) -> Option<Figures> {
        match self.running.load(Ordering::Relaxed) {
            0 => None,
            pid => figures::of_group(pid),
        }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("name", &self.launch.name).finish_non_exhaustive()
    }
}
