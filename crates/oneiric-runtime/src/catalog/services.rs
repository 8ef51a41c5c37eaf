//! That every service of the manifests can be kept up.

use std::sync::Arc;

use oneiric_core::manifest::{MAX_PROBLEMS, Manifest, ParseError, Place, Problem};
use oneiric_core::probe::Prober;
use oneiric_core::{Domain, Key, Source};
use oneiric_supervisor::service::{Roster, Spec};
use oneiric_supervisor::supervisor::check_probes;

use super::Catalog;
use crate::bundle::ManifestFile;
use crate::error::Error;
use crate::services::members;

/// An entry of domain service.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) manifest: Arc<Manifest>,
    pub(super) file: ManifestFile,
    pub(super) entry: usize,
}

impl Catalog {
    /// Checks what is said of services, that what they need is there, and that they do not need each other in a
    /// circle. Only for what is loaded to be run: manifests of stored runs are what they were.
    ///
    /// # Errors
    /// [`Error::Services`] for the first manifest with a service that cannot be kept up; [`Error::Service`] where
    /// a linked one cannot.
    pub(crate) fn check_services(&self) -> Result<(), Error> {
        for file in &self.bundle.files {
            let entries = self.services.iter().filter(|entry| entry.file == *file);
            let problems: Vec<Problem> = entries
                .filter_map(|entry| {
                    let written = &entry.manifest.entries[entry.entry];
                    let error = Spec::of(&written.metadata).err()?;
                    Some(entry.problem(format!("service `{}`: {error}", written.key)))
                })
                .collect();
            if !problems.is_empty() {
                return Err(told(file, problems));
            }
        }
        let members = members(&self.registry)?;
        Roster::new(members).map(|_| ()).map_err(|error| self.wrong(error.service(), error.to_string()))
    }

    /// Checks that every probe of its services can be put.
    ///
    /// # Errors
    /// As [`Catalog::check_services`].
    pub(crate) fn check_probes(&self, prober: Option<&dyn Prober>) -> Result<(), Error> {
        let roster = crate::services::roster(&self.registry)?;
        check_probes(&roster, prober)
            .map_err(|(key, fault)| self.wrong(&key, format!("a probe of service `{key}`: {fault}")))
    }

    /// What is wrong with a service, at its place where it has one.
    fn wrong(&self, key: &Key, message: String) -> Error {
        let active = self.registry.active(&Domain::SERVICE).find(|one| one.descriptor().key == *key);
        let place = active.and_then(|one| match &one.descriptor().source {
            Source::LocalManifest(name) => self.services.iter().find(|entry| {
                let written = &entry.manifest.entries[entry.entry];
                entry.file.name == *name
                    && written.key == *key
                    && written.provider == one.descriptor().provider
            }),
            _ => None,
        });
        match place {
            Some(entry) => told(&entry.file, vec![entry.problem(message)]),
            None => Error::Service { key: key.clone(), reason: message },
        }
    }
}

impl Entry {
    fn problem(&self, message: String) -> Problem {
        let text = String::from_utf8_lossy(&self.file.bytes);
        let place = Place::of_name(&self.file.name, &text, self.manifest.entries[self.entry].position);
        Problem { place, message, help: None }
    }
}

fn told(file: &ManifestFile, mut problems: Vec<Problem>) -> Error {
    let more = problems.len().saturating_sub(MAX_PROBLEMS);
    problems.truncate(MAX_PROBLEMS);
    Error::Services { problems: ParseError { problems, more }, text: Arc::clone(&file.bytes) }
}
