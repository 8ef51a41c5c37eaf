//! What loading gives.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::{SettingsError, SourceError};
use super::provenance::Provenance;
use super::{Settings, file};

/// Settings and where they came from.
#[derive(Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Where each came from.
    pub provenance: Provenance,
    /// The files that were read, lowest first.
    pub files: Vec<String>,
    pub(super) sections: Map<String, Value>,
}

/// The program's own sections may hold anything and are not printed.
impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("settings", &self.settings)
            .field("files", &self.files)
            .field("sections", &self.sections.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Loaded {
    /// A section that the program added with [`Loader::section`](super::Loader::section).
    ///
    /// # Errors
    /// What the type finds wrong with it; [`Loader::load`](super::Loader::load) has found it before where the name is the same.
    pub fn section<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, SettingsError> {
        let Some(value) = self.sections.get(name) else { return Ok(T::default()) };
        serde_json::from_value(value.clone()).map_err(|error| misfit(name, &error.to_string()))
    }
}

/// A section that does not have the shape of its struct, although the schema let it pass.
pub(super) fn misfit(section: &str, why: &str) -> SettingsError {
    let message = format!("does not have the shape that the program expects: {}", file::discreet(why));
    SettingsError {
        sources: vec![SourceError::without_place(&format!("section `{section}`"), message, None)],
    }
}
