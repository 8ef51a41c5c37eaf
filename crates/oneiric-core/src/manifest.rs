//! Manifests as data: what they say, where they say it, and what is wrong with them.
//!
//! All three formats are read into one located tree and from that by one reader, so that the same
//! mistake gives the same message in each. Nothing is skipped: a bad entry is an error of the file.
//! Fetching, verifying and registering belong to others, and so does the meaning of a graph (duplicate
//! ids, unknown dependencies, cycles): [`Node`] and [`Dependency`] keep the positions for that.
//!
//! ```
//! use oneiric_core::manifest;
//!
//! let text = b"
//! entries:
//! - {domain: task, key: greet, provider: shell, factory: 'exec:echo hello'}
//! ";
//! let manifest = manifest::parse("greet.yaml", text)?;
//! assert_eq!(manifest.entries[0].key.as_str(), "greet");
//!
//! let error = manifest::parse("bad.toml", b"sources = 'typo'").unwrap_err();
//! assert_eq!(error.to_string(), "bad.toml:1:1: unknown key `sources` in manifest (did you mean `source`?)");
//! # Ok::<(), manifest::ParseError>(())
//! ```

mod canonical;
mod capability;
mod dag;
mod descriptor;
mod entry;
mod event;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod values;

pub use canonical::{Layout, canonical, to_json};
pub use capability::{Capability, Security};
pub use dag::{Dag, Dependency, Node, OnFailure};
pub use entry::Entry;
pub use event::{FanoutPolicy, Overflow};
pub use schema::schema;
pub use values::MAX_TIMEOUT_SECONDS;

pub use crate::text::{
    Format, MAX_DEPTH, MAX_PROBLEMS, MAX_TEXT_BYTES, MAX_TOML_BYTES, MAX_VALUES, ParseError, Place, Position,
    Problem,
};

use crate::text::read_as;
use crate::text::reader::Reader;
use crate::text::tree::Tree;
use read::{Fields, Shape};
use values::{list, text};

/// The most nodes in all graphs of one file: twenty times what the executor is measured with.
pub const MAX_NODES: usize = 200_000;

/// A manifest of upstream's versions 1 and 2.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Its name for itself; `remote` unless said.
    pub source: String,
    /// The candidates, in the order in which they were written.
    pub entries: Vec<Entry>,
    /// A signature over [`canonical`], base64.
    pub signature: Option<String>,
    /// Of `signature`; `ed25519` unless said. Which ones are accepted is the verifier's to say.
    pub signature_algorithm: String,
    /// Further signatures.
    pub signatures: Vec<Signature>,
    /// ISO 8601; covered by the signatures.
    pub signed_at: Option<String>,
    /// ISO 8601; covered by the signatures.
    pub expires_at: Option<String>,
}

/// One of several signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Over [`canonical`], base64.
    pub signature: String,
    /// `ed25519` unless said.
    pub algorithm: String,
    /// Which key made it.
    pub key_id: Option<String>,
}

/// Reads a manifest. The format follows from the ending of `name`, else from the text.
///
/// # Errors
/// [`ParseError`] lists all that is wrong with places; trying again cannot help.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Manifest, ParseError> {
    read_as(name, bytes, None, manifest)
}

/// Reads a manifest of a known format.
///
/// # Errors
/// As [`parse`].
pub fn parse_as(format: Format, name: &str, bytes: &[u8]) -> Result<Manifest, ParseError> {
    read_as(name, bytes, Some(format), manifest)
}

const MANIFEST: Shape = Shape {
    what: "manifest",
    names: &[
        "source",
        "entries",
        "signature",
        "signature_algorithm",
        "signatures",
        "signed_at",
        "expires_at",
    ],
    aliases: &[],
};

const SIGNATURE: Shape =
    Shape { what: "signature", names: &["signature", "algorithm", "key_id"], aliases: &[] };

/// The only algorithm that upstream knows.
const ED25519: &str = "ed25519";

fn manifest<'t>(reader: &mut Reader<'t>, tree: Tree<'t>) -> Option<Manifest> {
    let mut fields = Fields::open(reader, &MANIFEST, tree)?;
    Some(Manifest {
        source: fields.optional(reader, "source", text).unwrap_or_else(|| "remote".to_owned()),
        signature: fields.optional(reader, "signature", text),
        signature_algorithm: fields
            .optional(reader, "signature_algorithm", text)
            .unwrap_or_else(|| ED25519.to_owned()),
        signatures: fields.optional(reader, "signatures", list(signature)).unwrap_or_default(),
        signed_at: fields.optional(reader, "signed_at", text),
        expires_at: fields.optional(reader, "expires_at", text),
        entries: fields.optional(reader, "entries", list(entry::entry)).unwrap_or_default(),
    })
}

fn signature<'t>(reader: &mut Reader<'t>, _: &'static str, tree: Tree<'t>) -> Option<Signature> {
    let mut fields = Fields::open(reader, &SIGNATURE, tree)?;
    let signature = fields.required(reader, "signature", text);
    Some(Signature {
        algorithm: fields.optional(reader, "algorithm", text).unwrap_or_else(|| ED25519.to_owned()),
        key_id: fields.optional(reader, "key_id", text),
        signature: signature?,
    })
}
