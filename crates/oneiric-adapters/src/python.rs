//! Python's `pkg.mod:Attr`: the real thing, in a pool of interpreters.
//!
//! ```yaml
//! factory: shop.tasks:Charge
//! metadata:
//!   python:
//!     executable: python3.12     # default: python3
//!     venv: /srv/shop/.venv      # default: none; its interpreter
//!     path: [/srv/shop/src]      # default: none; searched before all else
//!     factory: true              # default: found out; see below
//!     cwd: /srv/shop             # default: where oneiric runs; searched last
//!     env: {LEDGER: main}        # beside the few variables that are passed on
//!     workers: 4                 # interpreters, started when they are needed
//!     concurrency: 1             # calls at once in each
//! ```
//!
//! `waiting`, `ready_seconds`, `heartbeat_seconds`, `grace_seconds` and `stop_seconds` are those of
//! [`crate::worker`]. The provider's settings may hold a table `python` with the same keys, which win one by
//! one; all other settings are the component's. A fetched manifest may say none of `executable`, `venv`,
//! `path`, `cwd` and `env`: they could make another module of the one that was allowed. The interpreter is 3.8 or later and needs no package: what
//! runs in it is a part of this crate.
//!
//! **Building.** A class is constructed: with the settings where it has a parameter `settings` or `config`
//! (as the type that it is annotated with, where that is a dataclass, a pydantic model, a msgspec struct
//! or an attrs class), otherwise with those settings whose names are parameters. Its `init()` is called if
//! there is one. A function that is annotated as returning a component is called in the same way. Any other
//! function is the component itself; one without a parameter for an input could be either, and what its
//! first call returns tells. `factory` says it where that is not enough. Everything may be async.
//!
//! **Calling.** A task is called by `run`, an event handler by `handle`, an action by `execute`; where
//! there is no such method, by another of these, and by `describe` or `status` as an action; or the
//! component is called itself. The input is the first argument, or the keyword that asks for it; several
//! parameters are taken from the fields of the input; a method without any gets none. A second parameter
//! `context` is told `run`, `workflow`, `node`, `attempt`, `idempotency_key` and `cancelled()`, and takes
//! `heartbeat()` and `progress(fraction, text)`. A handler
//! gets an envelope with `topic`, `payload` and `headers`, as attributes and as a mapping. What is not
//! async runs in a thread. What is printed is logged with the call that printed it.
//!
//! **Result.** JSON; dataclasses, enums, dates, paths, sets, bytes (base64), pydantic models, msgspec and
//! attrs classes become JSON. Anything else is the permanent fault `bad-output`, which names the type.
//!
//! **Faults.** An exception is transient, as upstream repeats all of them, and its code is its name in kebab
//! case. `retryable = False` on it makes it permanent, `oneiric_class` names a class, `retry_after` says in
//! how many seconds. The traceback is logged. At load: `unknown-module`, `unknown-attribute`,
//! `import-failed`, `syntax-error`, `bad-signature` (all permanent) and `build-failed`; where there is no
//! interpreter, `python-missing`. Everything else is as for [`crate::worker`].
//!
//! **End.** `health`, `check_health`, `is_healthy` or `ready` is asked for health, of which `False` and an
//! exception mean no; `cleanup`, `close` or `shutdown` is called at a stop. A cancelled coroutine is
//! cancelled; a thread cannot be, and its interpreter is killed after the grace. An interpreter
//! whose orchestrator is gone ends itself, with everything that it started.

mod settings;

use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::factory::FactoryKind;
use oneiric_core::{Blueprint, Clock, ComponentRuntime, Descriptor, Environment, Fault, Instance};
use serde_json::{Map, Value, json};

pub use settings::PythonSettings;

use crate::foreign::{Section, handed_on, loss};
use crate::process::launch::Launch;
use crate::worker::{self, Spec, WorkerSettings};
use crate::{Limits, Parts};

/// Its name, and that of its section.
const NAME: &str = "python";

/// What runs in the interpreter.
const HARNESS: &str = include_str!("python/harness.py");

/// Builds components that are written in Python.
#[derive(Debug)]
pub struct Python {
    clock: Arc<dyn Clock>,
    environment: Arc<dyn Environment>,
    limits: Limits,
    worker: WorkerSettings,
    settings: PythonSettings,
}

impl Python {
    /// The runtime; uses all of `parts`.
    pub fn new(parts: &Parts) -> Self {
        Self {
            clock: parts.clock.clone(),
            environment: parts.environment.clone(),
            limits: parts.limits,
            worker: parts.worker,
            settings: parts.python.clone(),
        }
    }

    fn spec(&self, blueprint: &Blueprint) -> Result<Spec, Fault> {
        let descriptor = &blueprint.descriptor;
        let FactoryKind::Python { module, attr } = descriptor.factory.kind() else {
            let message = format!("`{}` does not name a module and an attribute", descriptor.factory);
            return Err(Fault::permanent("bad-factory", message));
        };
        let section = Section::read(NAME, &settings::keys(), blueprint)?;
        let interpreter = self.settings.interpreter(&section)?;
        let path = self.settings.search_path(&section)?;
        let factory = section.flag("factory")?;
        let launch = Launch::read(interpreter, &section, self.environment.as_ref(), &[])?
            .with_args(vec!["-c".to_owned(), HARNESS.to_owned()]);
        launch.locate().map_err(|fault| missing(fault, &launch.name))?;

        let defaults = WorkerSettings {
            workers: self.settings.workers,
            concurrency: self.settings.concurrency,
            ready: self.settings.ready,
            ..self.worker
        };
        let settings = defaults.with(&section)?;
        let given = handed_on(&blueprint.settings, NAME);
        let about = json!({"module": module, "attr": attr, "path": path, "factory": factory});
        let more: Map<String, Value> = [(NAME.to_owned(), about)].into_iter().collect();
        Ok(Spec {
            name: format!("{module}:{attr}"),
            launch,
            hello: worker::hello(descriptor, &given, settings.concurrency, self.limits, more),
            settings,
            loss: loss(descriptor),
            limits: self.limits,
            clock: self.clock.clone(),
            reaper: Arc::default(),
        })
    }
}

/// The same fault with the way out, where it is the interpreter that is missing.
fn missing(fault: Fault, interpreter: &str) -> Fault {
    match fault.code.as_str() {
        "program-missing" | "program-not-executable" => Fault::permanent(
            "python-missing",
            format!(
                "no Python interpreter `{interpreter}` ({fault}); install Python 3.8 or later, or name one in \
                 `metadata.python.executable` or `metadata.python.venv`"
            ),
        ),
        _ => fault,
    }
}

#[async_trait]
impl ComponentRuntime for Python {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recognises(&self, descriptor: &Descriptor) -> bool {
        matches!(descriptor.factory.kind(), FactoryKind::Python { .. })
    }

    fn check(&self, blueprint: &Blueprint) -> Result<(), Fault> {
        self.spec(blueprint).map(|_| ())
    }

    async fn build(&self, blueprint: &Blueprint) -> Result<Instance, Fault> {
        worker::open(self.spec(blueprint)?, blueprint).await
    }
}
