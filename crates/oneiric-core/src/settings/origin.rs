//! Which layer a value came from.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::text::Place;

/// Where a value came from, lowest layer first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It is built in.
    Default,
    /// A profile that is built in.
    Profile(String),
    /// A file.
    File(Place),
    /// A profile that a file defines.
    FileProfile {
        /// The profile.
        name: String,
        /// Where.
        place: Place,
    },
    /// A variable of the environment.
    Variable(String),
    /// An option of the command line: `--set remote.enabled`, `--profile`.
    Flag(String),
    /// The program that embeds the loader.
    Code,
}

impl Origin {
    /// The layer, in one word: `default`, `profile`, `file`, `file-profile`, `environment`,
    /// `command-line`, `code`.
    pub const fn layer(&self) -> &'static str {
        match self {
            Origin::Default => "default",
            Origin::Profile(_) => "profile",
            Origin::File(_) => "file",
            Origin::FileProfile { .. } => "file-profile",
            Origin::Variable(_) => "environment",
            Origin::Flag(_) => "command-line",
            Origin::Code => "code",
        }
    }

    /// The layer with its place, for a person: `settings/oneiric.yaml:3:5`.
    fn place(&self) -> String {
        match self {
            Origin::Default => "default".to_owned(),
            Origin::Profile(name) => format!("profile {name}"),
            Origin::File(place) => place.to_string(),
            Origin::FileProfile { name, place } => format!("{place} (profile {name})"),
            Origin::Variable(name) => name.clone(),
            Origin::Flag(flag) => flag.clone(),
            Origin::Code => "the program".to_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.place())
    }
}

/// `{"layer":"file","place":"settings/oneiric.yaml:3:5"}`.
impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut object = serializer.serialize_struct("Origin", 2)?;
        object.serialize_field("layer", self.layer())?;
        object.serialize_field("place", &self.place())?;
        object.end()
    }
}
