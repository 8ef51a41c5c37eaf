//! What a component is built from.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::payload::ShapeError;
use crate::{Descriptor, Fault};

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

impl Blueprint {
    /// The settings as a type of your own; give it `#[serde(default)]` where none are fine.
    ///
    /// # Errors
    /// A permanent fault that names the provider and the field.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        // As a map, not as a value: the settings need no copy.
        let settings = serde::de::value::MapDeserializer::new(
            self.settings.iter().map(|(name, value)| (name.as_str(), value)),
        );
        serde_path_to_error::deserialize::<_, T>(settings).map_err(|error| {
            let wrong = ShapeError::at(error.path(), error.inner());
            let provider = &self.descriptor.provider;
            Fault::permanent("bad-settings", format!("the settings of `{provider}`: {wrong}"))
        })
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
