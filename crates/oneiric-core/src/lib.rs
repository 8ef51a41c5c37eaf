//! The vocabulary and the decisions of Oneiric.
//!
//! Everything here is a value or a plain function over values: what a component is and which one a
//! key means ([`resolver`]), whether it may be built ([`trust`]), what a manifest says
//! ([`manifest`]), when to try again ([`retry`]), what an expression yields ([`expr`]), whether work
//! may start ([`gate`]). There is no I/O, no spawn and no wall clock: time, chance and the
//! environment come in through [`Clock`], [`Rng`] and [`Environment`]. Durability is
//! `oneiric-store`'s, execution `oneiric-dag`'s.
//!
//! ```
//! use oneiric_core::{Domain, Key};
//!
//! let key: Key = "fastblocks.tasks.notify".parse()?;
//! assert_eq!(Domain::TASK.name(), "task");
//! assert_eq!(key.as_str(), "fastblocks.tasks.notify");
//! # Ok::<(), oneiric_core::id::IdError>(())
//! ```

pub mod blueprint;
pub mod breaker;
pub mod clock;
pub mod component;
pub mod descriptor;
pub mod digest;
pub mod environment;
#[cfg(feature = "expr")]
pub mod expr;
pub mod factory;
pub mod fault;
pub mod gate;
pub mod id;
pub mod lifecycle;
pub mod linked;
#[cfg(feature = "manifest")]
pub mod manifest;
pub mod metrics;
pub mod nearest;
pub mod payload;
pub mod probe;
pub mod resolver;
pub mod retry;
pub mod rng;
pub mod roles;
#[cfg(feature = "settings")]
pub mod secret;
#[cfg(feature = "settings")]
pub mod settings;
#[cfg(feature = "text")]
pub mod text;
pub mod trust;

pub use blueprint::Blueprint;
pub use clock::{Clock, Timestamp};
pub use component::{Component, ComponentRuntime, Instance, Role};
pub use descriptor::{Descriptor, Factory, Source};
pub use digest::Digest;
pub use environment::Environment;
#[cfg(feature = "expr")]
pub use expr::{Expr, Template};
pub use factory::FactoryKind;
pub use fault::{Class, Fault};
pub use id::{BootId, Domain, Key, NodeId, Provider, RunId};
pub use lifecycle::{Handle, Lifecycle};
pub use linked::Linked;
pub use payload::Payload;
pub use resolver::{Candidate, Query, Registry};
pub use rng::Rng;
pub use trust::Allowlist;
