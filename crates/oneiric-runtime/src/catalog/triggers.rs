//! That every workflow that an event starts is there.

use std::sync::Arc;

use oneiric_core::manifest::{MAX_PROBLEMS, Manifest, ParseError, Place, Problem};
use oneiric_core::resolver::{Query, ResolveError};
use oneiric_core::{Descriptor, Domain, Source};
use oneiric_events::Trigger;

use super::Catalog;
use crate::bundle::ManifestFile;
use crate::error::Error;

/// An entry of a manifest that starts workflows.
#[derive(Debug)]
pub(super) struct Starter {
    pub(super) manifest: Arc<Manifest>,
    pub(super) file: ManifestFile,
    pub(super) entry: usize,
    pub(super) triggers: Vec<Trigger>,
}

impl Catalog {
    /// Checks that some manifest, or the process itself, offers each workflow that an event starts. Only for what
    /// is loaded to be run: manifests of stored runs are what they were.
    ///
    /// # Errors
    /// [`Error::UnknownWorkflow`] for the first manifest that names one that is not there, with all of them in
    /// it; [`Error::Unknown`] where a linked handler does.
    pub(crate) fn check_triggers(&self) -> Result<(), Error> {
        for file in &self.bundle.files {
            let starters = self.starters.iter().filter(|starter| starter.file == *file);
            let mut problems: Vec<Problem> = starters.flat_map(|starter| self.unmet(starter)).collect();
            if !problems.is_empty() {
                let more = problems.len().saturating_sub(MAX_PROBLEMS);
                problems.truncate(MAX_PROBLEMS);
                let text = Arc::clone(&file.bytes);
                return Err(Error::UnknownWorkflow { problems: ParseError { problems, more }, text });
            }
        }
        let active = self.registry.active(&Domain::EVENT).map(|candidate| candidate.descriptor());
        let all =
            active.chain(self.registry.shadowed(&Domain::EVENT).map(|candidate| candidate.descriptor()));
        for linked in all.filter(|descriptor| descriptor.source == Source::Manual) {
            self.check_linked(linked)?;
        }
        Ok(())
    }

    fn check_linked(&self, linked: &Descriptor) -> Result<(), Error> {
        let triggers = Trigger::all_of(&linked.metadata).map_err(|error| Error::Subscription {
            key: linked.key.clone(),
            error: Box::new(error.into()),
        })?;
        triggers.iter().try_for_each(|trigger| Ok(self.known(trigger)?))
    }

    fn unmet(&self, starter: &Starter) -> Vec<Problem> {
        let Starter { manifest, file, entry, triggers } = starter;
        let written = &manifest.entries[*entry];
        let text = String::from_utf8_lossy(&file.bytes);
        let unknown = triggers.iter().filter_map(|trigger| self.known(trigger).err());
        let problem = |why: ResolveError| Problem {
            place: Place::of_name(&file.name, &text, written.position),
            message: format!("a trigger of event handler `{}`: {why}", written.key),
            help: Some(
                "add an entry of domain `workflow` with that key to a manifest, or correct \
                 `metadata.workflows.triggers`"
                    .to_owned(),
            ),
        };
        unknown.map(problem).collect()
    }

    fn known(&self, trigger: &Trigger) -> Result<(), ResolveError> {
        self.registry.resolve(&Domain::WORKFLOW, &trigger.workflow, &Query::default()).map(|_| ())
    }
}
