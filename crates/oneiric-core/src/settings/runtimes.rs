//! `runtimes`: the component runtimes, which build and call what factories name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Seconds;

/// The component runtimes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Runtimes {
    /// `pkg.mod:Attr`: classes and functions of Python.
    pub python: PythonRuntime,
    /// `worker:PROGRAM`: processes that serve one call after another.
    pub worker: WorkerRuntime,
    /// `http:` and `https:`: components behind an address.
    pub http: HttpRuntime,
}

/// Python, in processes of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PythonRuntime {
    /// The interpreter, where `venv` names none.
    pub executable: String,
    /// The folder of a virtual environment, whose interpreter is used.
    pub venv: Option<String>,
    /// Folders in which modules are looked for first.
    pub path: Vec<String>,
    /// Interpreters of one component; started when they are needed.
    #[schemars(range(min = 1, max = 64))]
    pub workers: u32,
    /// Calls that one interpreter serves at a time.
    #[schemars(range(min = 1, max = 1024))]
    pub concurrency: u32,
    /// Seconds that an interpreter may take to import and build the component.
    #[schemars(range(min = 0.1, max = 3600))]
    pub ready_timeout: Seconds,
}

impl Default for PythonRuntime {
    fn default() -> Self {
        Self {
            executable: "python3".to_owned(),
            venv: None,
            path: Vec::new(),
            workers: 4,
            concurrency: 1,
            ready_timeout: Seconds::new(30.0),
        }
    }
}

/// Processes that serve many calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerRuntime {
    /// Processes of one component; started when they are needed.
    #[schemars(range(min = 1, max = 64))]
    pub workers: u32,
    /// Calls that one process serves at a time, as far as it announces them.
    #[schemars(range(min = 1, max = 1024))]
    pub concurrency: u32,
    /// Calls that may wait for a free place; more are refused.
    #[schemars(range(max = 100_000))]
    pub waiting: u32,
    /// Seconds in which a new process must say that it is ready.
    #[schemars(range(min = 0.1, max = 3600))]
    pub ready_timeout: Seconds,
    /// How often an idle process is asked whether it lives, in seconds; 0 for never.
    #[schemars(range(max = 3600))]
    pub heartbeat: Seconds,
    /// Seconds that a call may go on whose caller has gone; then its process is killed.
    #[schemars(range(max = 3600))]
    pub grace: Seconds,
    /// Seconds that a process may take to end when its component is stopped.
    #[schemars(range(max = 3600))]
    pub stop_timeout: Seconds,
}

impl Default for WorkerRuntime {
    fn default() -> Self {
        Self {
            workers: 4,
            concurrency: 16,
            waiting: 1000,
            ready_timeout: Seconds::new(10.0),
            heartbeat: Seconds::new(30.0),
            grace: Seconds::new(1.0),
            stop_timeout: Seconds::new(5.0),
        }
    }
}

/// Components behind an address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpRuntime {
    /// Hosts that may be called, such as `api.example.com` or `*.example.com`; without one, all.
    pub allow_hosts: Vec<String>,
    /// Whether addresses of private networks and of this machine may be called.
    pub allow_private: bool,
    /// A file of certificates (PEM) that are trusted beside the system's.
    pub ca_file: Option<String>,
    /// Seconds that a call may take where neither its node nor its entry says.
    #[schemars(range(min = 0.001, max = 86_400))]
    pub timeout: Seconds,
}

impl Default for HttpRuntime {
    fn default() -> Self {
        Self { allow_hosts: Vec::new(), allow_private: false, ca_file: None, timeout: Seconds::new(900.0) }
    }
}
