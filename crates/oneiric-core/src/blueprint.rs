//! What a component is built from.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::Descriptor;

/// A descriptor with the settings of its provider: all that a [`crate::ComponentRuntime`] is given.
///
/// The settings may hold secrets in clear, so they appear in no `Debug` output.
#[derive(Clone)]
#[non_exhaustive]
pub struct Blueprint {
    /// What is known of the candidate.
    pub descriptor: Arc<Descriptor>,
    /// `<domain>s.provider_settings.<provider>` of the settings; empty where there are none. When a
    /// blueprint is only checked, a secret stands here as the text `***`.
    pub settings: Map<String, Value>,
}

impl Blueprint {
    /// A blueprint without settings.
    pub fn new(descriptor: Arc<Descriptor>) -> Self {
        Self { descriptor, settings: Map::new() }
    }

    /// With these settings.
    #[must_use]
    pub fn with_settings(mut self, settings: Map<String, Value>) -> Self {
        self.settings = settings;
        self
    }
}

impl From<Descriptor> for Blueprint {
    fn from(descriptor: Descriptor) -> Self {
        Self::new(Arc::new(descriptor))
    }
}

impl fmt::Debug for Blueprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blueprint")
            .field("descriptor", &self.descriptor)
            .field("settings", &self.settings.keys().collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Domain, Factory, Source};

    #[test]
    fn its_debug_output_names_the_settings_and_tells_none() {
        let ids = ("k".parse().unwrap(), "p".parse().unwrap());
        let descriptor =
            Descriptor::new(Domain::ADAPTER, ids.0, ids.1, Factory::new("builtin:noop"), Source::Manual);
        let settings = Map::from_iter([("password".to_owned(), Value::from("hunter2"))]);
        let told = format!("{:?}", Blueprint::from(descriptor).with_settings(settings));
        assert!(told.contains("password") && !told.contains("hunter2"), "{told}");
    }
}
