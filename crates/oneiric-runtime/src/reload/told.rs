//! What is told of reloads.

use std::fmt;

use oneiric_core::{Digest, Domain, Key, Timestamp};
use serde::{Deserialize, Serialize};

/// Who wanted a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The program itself.
    Call,
    /// A file that changed.
    File,
    /// SIGHUP.
    Signal,
    /// Another process: `oneiric reload`.
    Command,
}

impl Cause {
    /// The word in output and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Cause::Call => "call",
            Cause::File => "file",
            Cause::Signal => "signal",
            Cause::Command => "command",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How files are watched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Watching {
    /// Nobody watches: they are read again when somebody asks for it, if at all.
    #[default]
    Off,
    /// The system says when one changes. At rest nothing is read.
    Notices,
    /// They are looked at every now and then, as the system cannot say it.
    Looking {
        /// Why it cannot.
        why: String,
    },
}

/// How the reloads of a process stand.
///
/// Shape: `{"generation":2,"since":"...","digest":"...","watching":{"by":"notices"},"last":{...},
/// "needs_restart":["http.port"],"held":[],"last_error":null}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reloads {
    /// The number of the generation of manifests and settings that counts; the first one is 1.
    pub generation: u64,
    /// Since when it counts.
    pub since: Timestamp,
    /// Of its manifests: equal ones have equal digests.
    pub digest: Digest,
    /// How files are watched.
    pub watching: Watching,
    /// The last reload that was done, whether or not it changed anything.
    pub last: Option<LastReload>,
    /// Settings that say something else than what counts, and need a restart.
    pub needs_restart: Vec<String>,
    /// Components whose instance is to be replaced once an operator's word allows it.
    pub held: Vec<Held>,
    /// Why what the files say does not count; `None` where it does.
    pub last_error: Option<ReloadFailure>,
}

/// A reload that was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastReload {
    /// When.
    pub at: Timestamp,
    /// Who wanted it.
    pub cause: Cause,
    /// The entries that came: `event audit:shop`.
    pub added: Vec<String>,
    /// Those that left.
    pub removed: Vec<String>,
    /// Those that say something else.
    pub changed: Vec<String>,
    /// Components that have another instance now: `task charge:careful`.
    pub swapped: Vec<String>,
    /// Components that go on with the one they had, and why.
    pub failed: Vec<String>,
}

/// A component whose swap waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its domain.
    pub domain: Domain,
    /// Its key.
    pub key: Key,
    /// What holds it back: `paused`, `draining`.
    pub reason: String,
}

/// A reload that changed nothing because something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadFailure {
    /// What is wrong, with its place.
    pub message: String,
    /// The file that it is wrong in, where it is one.
    pub file: Option<String>,
    /// Since when the files do not count.
    pub since: Timestamp,
    /// When they were read last.
    pub at: Timestamp,
    /// Who wanted it.
    pub cause: Cause,
}
