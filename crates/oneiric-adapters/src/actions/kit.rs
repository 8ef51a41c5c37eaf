//! What is known of a kit without building it.

use std::fmt;
use std::sync::Arc;

use oneiric_core::roles::Action;
use oneiric_core::{Descriptor, Domain, Factory, Fault, Key, Provider, Source};
use serde_json::{Map, Value};

use crate::Parts;

/// Builds the action of a kit.
pub(super) type Make = fn(&Map<String, Value>, &Parts) -> Result<Arc<dyn Action>, Fault>;

/// Checks the settings of a kit without building anything.
pub(super) type Check = fn(&'static str, &Map<String, Value>) -> Result<(), Fault>;

/// One action kit: upstream's facts about it, and how it is made.
#[non_exhaustive]
pub struct Kit {
    /// What it is asked for by: `compression.encode`.
    pub key: &'static str,
    /// Upstream's provider: `builtin-compression`.
    pub provider: &'static str,
    /// Upstream's factory: `oneiric.actions.compression:CompressionAction`.
    pub python: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// The domains that it is of use to.
    pub domains: &'static [&'static str],
    /// Names of what it can do.
    pub capabilities: &'static [&'static str],
    /// Breaks ties of priority.
    pub stack_level: i32,
    /// Ranks within a key.
    pub priority: i32,
    /// Whether it does nothing but compute: the same call twice is as good as once.
    pub side_effect_free: bool,
    pub(super) check: Check,
    pub(super) make: Make,
}

impl Kit {
    /// The kit as a candidate of domain action.
    pub fn descriptor(&self) -> Descriptor {
        let key = Key::new(self.key).expect("the keys of the table are well formed");
        let provider = Provider::new(self.provider).expect("the providers of the table are well formed");
        let factory = Factory::new(format!("{}:{}", crate::builtin::SCHEME, self.key));
        let source = Source::Linked(env!("CARGO_PKG_NAME").to_owned());
        let mut descriptor = Descriptor::new(Domain::ACTION, key, provider, factory, source);
        descriptor.priority = self.priority;
        descriptor.stack_level = self.stack_level;
        descriptor.version = Some(env!("CARGO_PKG_VERSION").to_owned());
        descriptor.capabilities = self.capabilities.iter().map(|&name| name.to_owned()).collect();
        descriptor.idempotent = self.side_effect_free.then_some(true);
        descriptor.metadata = Map::from_iter([
            ("description".to_owned(), self.description.into()),
            ("domains".to_owned(), self.domains.into()),
            ("side_effect_free".to_owned(), self.side_effect_free.into()),
        ]);
        descriptor
    }
}

impl fmt::Debug for Kit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kit")
            .field("key", &self.key)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}
