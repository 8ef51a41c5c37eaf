//! What is wrong with settings, all of it, by source.

use std::fmt;
use std::sync::Arc;

use crate::text::{ParseError, Place, Problem};

/// What is wrong with one source: a file, a variable, an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceError {
    /// What and where. Line and column are 0 where the source is no file.
    pub problems: ParseError,
    /// The text of the file with every secret in it covered, for showing the places; empty where it is
    /// not to be shown.
    pub text: Arc<[u8]>,
}

impl SourceError {
    /// A problem of a source that has no lines.
    pub(super) fn without_place(source: &str, message: impl Into<String>, help: Option<String>) -> Self {
        // An option may hold what a terminal would obey.
        let source: String = source
            .chars()
            .flat_map(|c| {
                let (as_is, escaped) =
                    if c.is_control() { (None, Some(c.escape_default())) } else { (Some(c), None) };
                as_is.into_iter().chain(escaped.into_iter().flatten())
            })
            .collect();
        let place = Place { file: Arc::from(source), line: 0, column: 0, offset: 0, length: 0 };
        let problem = Problem { place, message: message.into(), help };
        Self { problems: ParseError { problems: vec![problem], more: 0 }, text: Arc::from([]) }
    }
}

/// The settings are not as they must be. Prints one problem per line; no secret is in it. Trying again
/// cannot help.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SettingsError {
    /// At least one, lowest layer first.
    pub sources: Vec<SourceError>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, source) in self.sources.iter().enumerate() {
            let line_break = if place == 0 { "" } else { "\n" };
            write!(f, "{line_break}{}", source.problems)?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}
