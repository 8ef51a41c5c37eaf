//! Assembles the layers of Oneiric into one embeddable orchestrator. It owns no mechanism of its own.
//!
//! | for | there is |
//! |---|---|
//! | putting one together | [`Oneiric::builder`], [`Builder`], [`Loaded`] |
//! | runs | [`Oneiric::run`], [`Oneiric::submit`], [`RunRequest`], [`RunHandle`], [`RunReport`] |
//! | runs of any process | [`Oneiric::tell`], [`Ask`], [`Command`]; [`Oneiric::again`], [`Again`] |
//! | components | [`Oneiric::resolve`], [`Oneiric::call`], [`Oneiric::swap_to`], [`Oneiric::explain`] |
//! | whether they take work | [`Oneiric::pause_component`], [`Oneiric::drain_component`], [`Oneiric::resume_component`], [`activity`] |
//! | other manifests and settings while it lives | [`Oneiric::reload`], [`Oneiric::reread`], [`Oneiric::reloads`] |
//! | manifests, without a store or a process | [`Catalog`], [`Bundle`], [`read_manifest`] |
//! | what programs read of all this | [`json`], [`Follow`] |
//! | how things stand | [`Oneiric::statuses`], [`component_statuses`], [`RunLog`], `control` |
//! | services | [`Builder::services`], [`Oneiric::services`], [`Oneiric::services_gone`], [`roster`], [`ServiceLog`] |
//! | whether the process is well | [`Oneiric::health_report`], [`health`], [`Oneiric::metrics`] |
//! | events | [`Oneiric::emit`], [`Oneiric::emit_and_wait`], [`Oneiric::on`], [`Oneiric::pull`], [`EventReport`], [`Oneiric::windows`] |
//! | their log | [`list_events`], [`Tail`], [`Oneiric::replay`], [`Oneiric::tidy_events`] |
//! | what went wrong | [`Error`], [`Kind`], [`Incomplete`] |
//!
//! It does not know which adapters exist: `builder().with(oneiric_adapters::enabled(..))`. Tasks, roles
//! and settings are `oneiric-core`'s. `docs/embedding.md` is the page for people who link it.

pub mod activity;
#[cfg(feature = "sqlite")]
mod answer;
mod bind;
mod breakers;
mod builder;
mod bundle;
mod call;
mod catalog;
mod commands;
mod components;
#[cfg(feature = "sqlite")]
pub mod control;
mod custody;
mod ending;
mod error;
mod events;
mod follow;
mod guarded;
pub mod health;
pub mod json;
mod linked;
mod metrics;
mod oneiric;
mod phase;
mod presence;
mod read;
mod reload;
mod request;
mod run_log;
mod secrets;
mod service_log;
mod services;
mod shelf;
mod shown;
mod state_dir;
mod status;
mod system;
mod verbs;
#[cfg(feature = "watch")]
mod watch;

pub use builder::{Builder, Loaded};
pub use bundle::{Bundle, ManifestFile};
pub use call::Call;
pub use catalog::{Catalog, Workflow};
pub use ending::Leaving;
pub use error::{Error, Kind};
pub use events::{
    Accepted, DROPPED, EventQuery, EventReport, EventSelection, Logged, MAX_RATE, ReplayReport,
    ReplayRequest, Replayed, StartedRun, Tail, Tidied, Unstarted, WaitingRun, WindowView, list_events,
    logged_handlers,
};
pub use follow::Follow;
pub use oneiric::Oneiric;
pub use phase::Phase;
pub use read::read_manifest;
pub use reload::{
    Alteration, Altered, Brought, Cause, Held, LastReload, Reload, ReloadFailure, Reloaded, Reloads, Sources,
    Watching,
};
pub use request::{PROGRAM, RunOptions, RunRequest, StartedBy};
pub use run_log::{LOGS, LogLine, MAX_LOG_BYTES, RunLog, read_log};
pub use secrets::Rotated;
pub use service_log::{MAX_SERVICE_LINE, MAX_SERVICE_LOG, SERVICE_LOGS, ServiceLog, ServiceLogTail};
pub use services::{Keeper, roster};
#[cfg(feature = "sqlite")]
pub use state_dir::open_store;
pub use state_dir::{DATABASE, DEFAULT_STATE_DIR};
pub use status::{Answered, ComponentStatus, InstanceState, Shadowed, component_statuses};
pub use system::{SystemClock, SystemEnvironment, SystemFiles, SystemRng};
pub use verbs::{Again, Ask, Kept, MAX_ONCE_KEY, Once, PATIENCE, Told, place};

// What the functions of this crate take and give.
pub use oneiric_dag::{Ended, Incomplete, NodeReport, Obeyed, OutputError, RunHandle, RunReport};
pub use oneiric_events::delivery::explain::{
    Facts as DeliveryFacts, Reason as DeliveryReason, explain as explain_delivery,
};
pub use oneiric_events::{
    BUCKETS_MS, Counts, Dispatched, DurationCounts, Explained, HandlerStatus, Outcome, Pattern, PatternError,
    Repeat, Subscription, Turn, Verdict, typed,
};
pub use oneiric_store::{Command, NodeStatus, RunStatus, UnknownNodes};
pub use oneiric_supervisor::service;
pub use oneiric_supervisor::supervisor::{CommandError, Gone};

/// The Rust on the page about embedding is tested as documentation.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct Embedding;

/// And that on the page about events.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/events.md")]
struct Events;
