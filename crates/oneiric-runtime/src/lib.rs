//! Assembles the layers of Oneiric into one embeddable orchestrator. It owns no mechanism of its own.
//!
//! [`Catalog`] is what manifests say: candidates and checked graphs, without a store or a process.
//! [`Oneiric`] is the live orchestrator: it binds tasks through the component runtimes it was given,
//! runs workflows durably, resumes what a dead process left, and stops in an orderly way. It does not
//! know which adapters exist: `builder().with(oneiric_adapters::enabled(..))`.

#[cfg(feature = "sqlite")]
mod answer;
mod bind;
mod builder;
mod bundle;
mod catalog;
mod components;
#[cfg(feature = "sqlite")]
pub mod control;
mod error;
mod linked;
mod oneiric;
mod read;
mod request;
mod run_log;
mod state_dir;
mod status;
mod system;

pub use builder::{Builder, DEFAULT_MAX_PARALLEL, Loaded};
pub use bundle::{Bundle, ManifestFile};
pub use catalog::{Catalog, Workflow};
pub use error::{Error, Kind};
pub use oneiric::Oneiric;
pub use read::read_manifest;
pub use request::{RunOptions, RunRequest};
pub use run_log::{LOGS, LogLine, MAX_LOG_BYTES, RunLog, read_log};
#[cfg(feature = "sqlite")]
pub use state_dir::open_store;
pub use state_dir::{DATABASE, DEFAULT_STATE_DIR};
pub use status::{Answered, ComponentStatus, InstanceState, Shadowed, component_statuses};
pub use system::{SystemClock, SystemEnvironment, SystemRng};
