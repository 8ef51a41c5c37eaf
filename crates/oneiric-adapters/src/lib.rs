//! Backends of Oneiric, one feature each. So far: the component runtimes, and with
//! feature `secrets` the stores of secrets ([`secrets`]).
//!
//! | feature   | runtime             | factories                                                |
//! |-----------|---------------------|----------------------------------------------------------|
//! | `builtin` | [`builtin::Builtin`] | `builtin:NAME`, and upstream's `oneiric.remote.samples:*` |
//! | `exec`    | [`exec::Exec`]      | `exec:PROGRAM`, a process per call                       |
//! | `worker`  | [`worker::Worker`]  | `worker:PROGRAM`, a pool of processes                    |
//! | `python`  | [`python::Python`]  | Python's `pkg.mod:Attr`, a pool of interpreters          |
//! | `service` | [`service::Process`] | `process:PROGRAM`, a service that is a program            |
//! | `http`    | [`endpoint::Http`]  | `http://` and `https://`, a POST per call                |
//!
//! Feature `probe` puts questions to programs, addresses and ports: [`prober`].
//!
//! What a component is, and which one a key means, is `oneiric-core`'s; when one is called, for how
//! long and how often again is the executor's. A runtime here turns a descriptor into an instance and
//! one call into one answer.
//!
//! ```
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! # use oneiric_core::{Clock, Timestamp, clock::Sleep, environment::MapEnvironment, rng::SeededRng};
//! # #[derive(Debug)]
//! # struct Frozen;
//! # impl Clock for Frozen {
//! #     fn now(&self) -> Timestamp { Timestamp::from_micros(0) }
//! #     fn monotonic(&self) -> Duration { Duration::ZERO }
//! #     fn sleep(&self, _: Duration) -> Sleep { Box::pin(std::future::ready(())) }
//! # }
//! use oneiric_adapters::Parts;
//!
//! let environment = MapEnvironment::from_iter([("PATH", "/usr/bin:/bin")]);
//! let runtimes = oneiric_adapters::enabled(&Parts::new(
//!     Arc::new(Frozen),
//!     Arc::new(environment),
//!     Arc::new(SeededRng::new(1)),
//! ));
//! let names: Vec<_> = runtimes.iter().map(|runtime| runtime.name()).collect();
//! # #[cfg(all(feature = "builtin", feature = "exec", feature = "python", feature = "service", feature = "http"))]
//! assert_eq!(names, ["builtin", "exec", "worker", "python", "process", "http"]);
//! ```

#[cfg(feature = "actions")]
pub mod actions;
#[cfg(feature = "builtin")]
pub mod builtin;
#[cfg(feature = "http")]
pub mod endpoint;
#[cfg(feature = "exec")]
pub mod exec;
#[cfg(feature = "foreign")]
mod foreign;
#[cfg(feature = "http")]
pub mod http;
mod limits;
mod parts;
#[cfg(feature = "probe")]
mod probe;
#[cfg(feature = "process")]
mod process;
#[cfg(feature = "python")]
pub mod python;
#[cfg(feature = "secrets")]
pub mod secrets;
#[cfg(feature = "service")]
pub mod service;
#[cfg(feature = "worker")]
pub mod worker;

pub use limits::Limits;
pub use parts::{Parts, enabled};
#[cfg(feature = "probe")]
pub use probe::prober;
#[cfg(feature = "process")]
pub use process::environment::PASSED_ON;
#[cfg(feature = "service")]
pub use process::orphans::reap_orphans;
