//! The action kits: upstream's seventeen built-in actions, with its keys, payloads, results and codes.
//!
//! Each is built by `builtin:KEY` and by its Python name, from the settings of its provider. Payloads are
//! read as upstream reads them (a value that is empty counts as unsaid where it does there, fields that
//! nobody knows are ignored where they are there), and results have upstream's fields. What is knowingly
//! different stands in `docs/migration.md`; `tests/data/actions` holds what upstream answered.
//!
//! | key | what it does |
//! |---|---|
//! | `automation.trigger` | which rules hold for a context |
//! | `compression.encode` | zlib, bz2 and lzma, in Base64 |
//! | `compression.hash` | SHA-256, SHA-512, BLAKE2b |
//! | `data.sanitize` | keeps, drops and masks fields |
//! | `data.transform` | selects and renames fields, fills in defaults |
//! | `debug.console` | a record into the log |
//! | `event.dispatch` | an event to web hooks (feature `http`) |
//! | `http.fetch` | a request (feature `http`) |
//! | `security.secure` | tokens, password hashes, comparison |
//! | `security.signature` | HMAC |
//! | `serialization.encode` | JSON and YAML |
//! | `task.schedule` | when a cron line or an interval would fire |
//! | `validation.schema` | whether fields are there and of their type |
//! | `workflow.audit` | an audit record, redacted, into the log |
//! | `workflow.notify` | a notification as a record; sending it is not its work |
//! | `workflow.orchestrate` | batches of steps from their dependencies |
//! | `workflow.retry` | when to try again |
//!
//! Faults are permanent and carry upstream's code; where upstream raises an exception of Python instead,
//! the code is one of ours in the same style. Time and chance come from [`Parts`].

mod automation;
mod chance;
mod compression;
mod debug;
mod depth;
#[cfg(feature = "http")]
mod event;
mod hash;
mod heavy;
#[cfg(feature = "http")]
mod http;
mod kit;
mod payload;
mod python;
mod sanitize;
mod schedule;
mod schema;
mod secure;
mod serialization;
mod settings;
mod signature;
mod transform;
mod validation;
mod workflow;

use std::sync::Arc;

use oneiric_core::roles::Action;
use oneiric_core::{Descriptor, Factory, FactoryKind, Fault};
use serde_json::{Map, Value};

pub use kit::Kit;

use crate::Parts;

/// Upstream's order.
static KITS: &[Kit] = &[
    compression::KIT,
    hash::KIT,
    workflow::audit::KIT,
    workflow::orchestrate::KIT,
    workflow::notify::KIT,
    workflow::retry::KIT,
    #[cfg(feature = "http")]
    http::KIT,
    signature::KIT,
    secure::KIT,
    serialization::KIT,
    transform::KIT,
    sanitize::KIT,
    validation::KIT,
    schedule::KIT,
    #[cfg(feature = "http")]
    event::KIT,
    automation::KIT,
    debug::KIT,
];

/// The kits that are compiled in, in upstream's order.
pub fn kits() -> &'static [Kit] {
    KITS
}

/// The kit that a factory names: `builtin:compression.encode`, or upstream's Python name for it.
pub fn kit_of(factory: &Factory) -> Option<&'static Kit> {
    match factory.kind() {
        FactoryKind::Scheme { scheme: crate::builtin::SCHEME, rest } => {
            KITS.iter().find(|kit| kit.key == rest)
        }
        FactoryKind::Python { module, attr } => {
            KITS.iter().find(|kit| kit.python.split_once(':') == Some((module, attr)))
        }
        _ => None,
    }
}

/// The kits as candidates of domain action, so that a runtime can register them without a manifest.
pub fn descriptors() -> Vec<Descriptor> {
    KITS.iter().map(Kit::descriptor).collect()
}

impl Kit {
    /// Checks the settings without building anything.
    ///
    /// # Errors
    /// The permanent fault `bad-settings`, as [`Kit::build`].
    pub fn check(&self, settings: &Map<String, Value>) -> Result<(), Fault> {
        (self.check)(self.key, settings)
    }

    /// Builds the action from its provider's settings; no settings are upstream's defaults.
    ///
    /// # Errors
    /// The permanent fault `bad-settings`: an unknown key (with the nearest known one), or a value that
    /// is out of its range. Whatever a client for HTTP needs may be missing too.
    pub fn build(&self, settings: &Map<String, Value>, parts: &Parts) -> Result<Arc<dyn Action>, Fault> {
        Ok(Arc::new(self.bounded(settings, parts)?))
    }

    /// The same, before it is known in which roles it is wanted.
    pub(crate) fn bounded(
        &self,
        settings: &Map<String, Value>,
        parts: &Parts,
    ) -> Result<depth::Bounded, Fault> {
        let inner = (self.make)(settings, parts)?;
        Ok(depth::Bounded { kit: self.key, inner })
    }
}
