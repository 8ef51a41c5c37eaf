//! What the runtimes are made from, and the list of those that are compiled in.

use std::path::PathBuf;
use std::sync::Arc;

use oneiric_core::settings::Settings;
use oneiric_core::{Clock, ComponentRuntime, Environment, Rng};

use crate::Limits;
#[cfg(feature = "http")]
use crate::endpoint::HttpSettings;
#[cfg(feature = "python")]
use crate::python::PythonSettings;
#[cfg(feature = "worker")]
use crate::worker::WorkerSettings;

/// What the runtimes need from the process that embeds them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Parts {
    /// Time: `builtin:sleep`, and how long a cancelled process may take to stop.
    pub clock: Arc<dyn Clock>,
    /// The environment from which processes get the few variables that are passed on.
    pub environment: Arc<dyn Environment>,
    /// Chance: tokens, salts and ids of the action kits. Outside of tests it must be cryptographically
    /// secure, since others are kept out by what it says (`SystemRng` of the runtime is).
    pub rng: Arc<dyn Rng>,
    /// How much of a component's output is kept; [`Limits::STANDARD`] unless changed.
    pub limits: Limits,
    /// The folder of the state, which tells the services of one installation from those of another; `None` where
    /// there is none, and then what a killed process left running is left alone.
    pub state_dir: Option<PathBuf>,
    /// Size and times of pools of workers, where an entry does not say.
    #[cfg(feature = "worker")]
    pub worker: WorkerSettings,
    /// Which Python there is, and how many interpreters a component may have.
    #[cfg(feature = "python")]
    pub python: PythonSettings,
    /// Where components behind addresses may be, and how long they may take.
    #[cfg(feature = "http")]
    pub http: HttpSettings,
}

impl Parts {
    /// The parts with standard limits.
    pub fn new(clock: Arc<dyn Clock>, environment: Arc<dyn Environment>, rng: Arc<dyn Rng>) -> Self {
        Self {
            clock,
            environment,
            rng,
            limits: Limits::STANDARD,
            state_dir: None,
            #[cfg(feature = "worker")]
            worker: WorkerSettings::default(),
            #[cfg(feature = "python")]
            python: PythonSettings::default(),
            #[cfg(feature = "http")]
            http: HttpSettings::default(),
        }
    }
}

impl Parts {
    /// With the folder of the state, which should be absolute.
    #[must_use]
    pub fn with_state_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(folder.into());
        self
    }

    /// With section `runtimes` of the settings, which is checked.
    #[must_use]
    #[cfg_attr(
        not(any(feature = "worker", feature = "python", feature = "http")),
        expect(unused_mut, unused_variables, reason = "no runtime has settings")
    )]
    pub fn with_settings(mut self, settings: &Settings) -> Self {
        let of = &settings.runtimes;
        #[cfg(feature = "worker")]
        {
            self.worker = WorkerSettings {
                workers: of.worker.workers,
                concurrency: of.worker.concurrency,
                waiting: of.worker.waiting,
                ready: of.worker.ready_timeout.duration(),
                heartbeat: of.worker.heartbeat.duration(),
                grace: of.worker.grace.duration(),
                stop: of.worker.stop_timeout.duration(),
            };
        }
        #[cfg(feature = "python")]
        {
            self.python = PythonSettings {
                executable: of.python.executable.clone(),
                venv: of.python.venv.as_ref().map(Into::into),
                path: of.python.path.iter().map(Into::into).collect(),
                workers: of.python.workers,
                concurrency: of.python.concurrency,
                ready: of.python.ready_timeout.duration(),
            };
        }
        #[cfg(feature = "http")]
        {
            self.http = HttpSettings {
                allow_hosts: of.http.allow_hosts.clone(),
                allow_private: of.http.allow_private,
                ca_file: of.http.ca_file.as_ref().map(Into::into),
                timeout: of.http.timeout.duration(),
            };
        }
        self
    }
}

/// Every runtime that is compiled in, in the order in which they are to be asked: `builtin`, `exec`,
/// `worker`, `python`, `process`, `http`.
#[cfg_attr(
    not(any(feature = "builtin", feature = "exec", feature = "worker", feature = "http")),
    expect(unused_variables, reason = "no runtime is compiled in")
)]
pub fn enabled(parts: &Parts) -> Vec<Arc<dyn ComponentRuntime>> {
    vec![
        #[cfg(feature = "builtin")]
        Arc::new(crate::builtin::Builtin::new(parts)),
        #[cfg(feature = "exec")]
        Arc::new(crate::exec::Exec::new(parts)),
        #[cfg(feature = "worker")]
        Arc::new(crate::worker::Worker::new(parts)),
        #[cfg(feature = "python")]
        Arc::new(crate::python::Python::new(parts)),
        #[cfg(feature = "service")]
        Arc::new(crate::service::Process::new(parts)),
        #[cfg(feature = "http")]
        Arc::new(crate::endpoint::Http::new(parts)),
    ]
}

#[cfg(all(test, feature = "worker", feature = "python", feature = "http"))]
mod tests {
    use oneiric_core::environment::MapEnvironment;
    use oneiric_core::rng::SeededRng;

    use super::*;

    #[derive(Debug)]
    struct Frozen;

    impl Clock for Frozen {
        fn now(&self) -> oneiric_core::Timestamp {
            oneiric_core::Timestamp::from_micros(0)
        }
        fn monotonic(&self) -> std::time::Duration {
            std::time::Duration::ZERO
        }
        fn sleep(&self, _: std::time::Duration) -> oneiric_core::clock::Sleep {
            Box::pin(std::future::pending())
        }
    }

    #[test]
    fn a_default_stands_in_the_settings_and_here_alike() {
        let parts =
            Parts::new(Arc::new(Frozen), Arc::new(MapEnvironment::default()), Arc::new(SeededRng::new(1)));
        let told = parts.clone().with_settings(&Settings::default());
        assert_eq!(told.worker, parts.worker);
        assert_eq!(told.python, parts.python);
        assert_eq!(told.http, parts.http);
    }
}
