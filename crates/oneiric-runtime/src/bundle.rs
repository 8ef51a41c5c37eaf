//! The manifests that a run was planned from, kept in the store so that a resume needs no file.

use std::sync::Arc;

use oneiric_core::{Digest, RunId};
use oneiric_store::{Blob, Store};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A manifest as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFile {
    /// The name under which problems are reported.
    pub name: String,
    /// Its raw bytes.
    pub bytes: Arc<[u8]>,
}

impl ManifestFile {
    /// A manifest from memory.
    pub fn new(name: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

/// Manifests in the order in which they were given. Two bundles of equal content have one digest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundle {
    /// The manifests.
    pub files: Vec<ManifestFile>,
}

/// What the store keeps of a bundle beside the manifests themselves.
#[derive(Debug, Serialize, Deserialize)]
struct Index {
    schema: u16,
    manifests: Vec<Line>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    name: String,
    digest: Digest,
}

/// The version of [`Index`] that this release writes.
const SCHEMA: u16 = 1;

impl Bundle {
    /// The bundle's own blob, whose digest names it, and the blobs of its manifests.
    pub fn blobs(&self) -> (Digest, Vec<Blob>) {
        let mut blobs: Vec<Blob> = self.files.iter().map(|file| Blob::new(Arc::clone(&file.bytes))).collect();
        let manifests = self.files.iter().zip(&blobs);
        let manifests =
            manifests.map(|(file, blob)| Line { name: file.name.clone(), digest: blob.digest }).collect();
        let index = Index { schema: SCHEMA, manifests };
        let index = serde_json::to_vec(&index).expect("names and digests are always writable as JSON");
        let index = Blob::new(index);
        let digest = index.digest;
        blobs.push(index);
        (digest, blobs)
    }

    /// Reads back what [`Bundle::blobs`] stored for a run.
    ///
    /// # Errors
    /// [`Error::Bundle`] where a blob is missing or of a later release.
    pub async fn load(store: &dyn Store, run: RunId, digest: Digest) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Bundle { run, reason };
        let missing = |digest: Digest| wrong(format!("the manifest blob {digest} is missing"));
        let index = store.blob(digest).await?.ok_or_else(|| missing(digest))?;
        let index: Index = serde_json::from_slice(&index)
            .map_err(|error| wrong(format!("its list of manifests cannot be read: {error}")))?;
        if index.schema > SCHEMA {
            return Err(wrong(format!(
                "its list of manifests is of version {}, known is {SCHEMA}",
                index.schema
            )));
        }
        let mut files = Vec::with_capacity(index.manifests.len());
        for line in index.manifests {
            let bytes = store.blob(line.digest).await?.ok_or_else(|| missing(line.digest))?;
            files.push(ManifestFile { name: line.name, bytes });
        }
        Ok(Self { files })
    }
}
