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
    /// Processes per component.
    #[schemars(range(min = 1, max = 256))]
    pub workers: u32,
    /// Calls that one process serves at a time.
    #[schemars(range(min = 1, max = 1024))]
    pub concurrency: u32,
}

impl Default for PythonRuntime {
    fn default() -> Self {
        Self { executable: "python3".to_owned(), venv: None, path: Vec::new(), workers: 1, concurrency: 1 }
    }
}

/// Processes that serve one call after another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerRuntime {
    /// Processes per component.
    #[schemars(range(min = 1, max = 256))]
    pub workers: u32,
    /// Calls that one process serves at a time.
    #[schemars(range(min = 1, max = 1024))]
    pub concurrency: u32,
    /// Seconds in which a new process must say that it is ready.
    #[schemars(range(min = 0.1))]
    pub ready_timeout: Seconds,
    /// Seconds of silence after which a process is asked whether it lives; 0 never asks.
    pub heartbeat: Seconds,
    /// Seconds that a process may take to stop before it is killed.
    pub grace: Seconds,
}

impl Default for WorkerRuntime {
    fn default() -> Self {
        Self {
            workers: 1,
            concurrency: 1,
            ready_timeout: Seconds::new(10.0),
            heartbeat: Seconds::new(10.0),
            grace: Seconds::new(5.0),
        }
    }
}

/// Components behind an address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpRuntime {
    /// Hosts that may be called; without one, none.
    pub allow_hosts: Vec<String>,
    /// Whether addresses of private networks and of this machine may be called.
    pub allow_private: bool,
    /// Seconds in which a connection must stand.
    #[schemars(range(min = 0.001))]
    pub connect_timeout: Seconds,
    /// The largest answer, in bytes.
    #[schemars(range(min = 1, max = 1_073_741_824))]
    pub max_response_bytes: u64,
    /// A file of certificates (PEM) that are trusted beside the system's.
    pub ca_file: Option<String>,
}

impl Default for HttpRuntime {
    fn default() -> Self {
        Self {
            allow_hosts: Vec::new(),
            allow_private: false,
            connect_timeout: Seconds::new(5.0),
            max_response_bytes: 4 << 20,
            ca_file: None,
        }
    }
}
