//! The services of a live process: which there are, and whether it is this process that keeps them up.
//!
//! Of the processes on one state folder, one keeps services up: whoever holds the lock of the file `services.lock`
//! in it, which the system gives back however that process ends. The others wait for the doorbell, which the
//! holder rings when it leaves, and look once a minute otherwise.

mod commands;
mod keeper;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oneiric_core::lifecycle::{Swap, Swapped};
use oneiric_core::probe::Prober;
use oneiric_core::{Candidate, Descriptor, Domain, Key, Registry, Source};
use oneiric_supervisor::Supervisor;
use oneiric_supervisor::service::roster::Member;
use oneiric_supervisor::service::{Roster, SECTION, Spec};
use oneiric_supervisor::supervisor::Parts;
use tokio::sync::Notify;

use crate::error::Error;
use crate::oneiric::Oneiric;
pub use keeper::Keeper;
pub(crate) use keeper::Place;

/// The scheme of components that are nothing but services.
const PROCESS: &str = "process";

/// The services of a process.
#[derive(Debug)]
pub(crate) struct Services {
    supervisor: Supervisor,
    prober: Option<Arc<dyn Prober>>,
    /// Who keeps them up, as far as it is known here.
    keeper: Mutex<Keeper>,
    /// Held while this process keeps them up.
    place: Mutex<Option<Place>>,
    /// Whether it tries to.
    begun: AtomicBool,
    /// Rung where another process may have left.
    bell: Arc<Notify>,
}

impl Services {
    pub(crate) fn new(parts: Parts, roster: &Roster) -> Self {
        Self {
            prober: parts.prober.clone(),
            supervisor: Supervisor::new(parts, roster),
            keeper: Mutex::new(Keeper::Nobody),
            place: Mutex::default(),
            begun: AtomicBool::new(false),
            bell: Arc::default(),
        }
    }

    /// The supervisor, whether or not it has started.
    pub(crate) fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Who puts questions to the outside.
    pub(crate) fn prober(&self) -> Option<&dyn Prober> {
        self.prober.as_deref()
    }

    /// Who waits for another process to leave looks again.
    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Whether they are kept up by this process.
    pub(crate) fn are_kept(&self) -> bool {
        self.supervisor.has_started()
    }

    /// Stops them, and lets another process have them. Whether all stopped by themselves.
    pub(crate) async fn stop(&self, deadline: Duration) -> bool {
        let stopped = self.supervisor.stop(deadline).await;
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Keeper::Nobody;
        drop(self.place.lock().unwrap_or_else(PoisonError::into_inner).take());
        stopped
    }
}

/// The services that candidates are, in the order of their start: entries that say something of themselves in
/// `metadata.service`, external processes, and what was linked in. Other entries of the domain are components that
/// are called, as in upstream.
///
/// # Errors
/// [`Error::Service`] for the first one that cannot be kept up.
pub fn roster(registry: &Registry) -> Result<Roster, Error> {
    Roster::new(members(registry)?)
        .map_err(|error| Error::Service { key: error.service().clone(), reason: error.to_string() })
}

pub(crate) fn members(registry: &Registry) -> Result<Vec<Member>, Error> {
    let services = registry.active(&Domain::SERVICE).map(Candidate::descriptor);
    let member = |descriptor: &Arc<Descriptor>| {
        let key = descriptor.key.clone();
        let spec = Spec::of(&descriptor.metadata)
            .map_err(|error| Error::Service { key: key.clone(), reason: error.to_string() })?;
        Ok(Member { key, provider: descriptor.provider.clone(), spec })
    };
    services.filter(|descriptor| runs(descriptor)).map(member).collect()
}

/// Whether a component of domain service is to be kept up, or is only called.
fn runs(descriptor: &Descriptor) -> bool {
    descriptor.metadata.contains_key(SECTION)
        || descriptor.source == Source::Manual
        || descriptor.factory.of_scheme(PROCESS).is_some()
}

impl Oneiric {
    /// Swaps the instance of a service, which does not run meanwhile.
    pub(crate) async fn swap_service(&self, key: &Key, swap: Swap<'_>) -> Result<Swapped, Error> {
        let before = self.lifecycle().registry();
        let _held = self.0.services.supervisor.hold(BTreeSet::from([key.clone()])).await;
        let swapped = self.lifecycle().swap(&Domain::SERVICE, key, swap).await?;
        self.adopt_services(&before).await?;
        Ok(swapped)
    }

    /// The services that other candidates than before are to be.
    pub(crate) fn changed_services(&self, before: &Registry) -> BTreeSet<Key> {
        let now = self.lifecycle().registry();
        let keys = now.active(&Domain::SERVICE).map(|candidate| candidate.descriptor().key.clone());
        keys.filter(|key| !same(winner(before, key), winner(&now, key))).collect()
    }

    /// Keeps up what the candidates of another moment made other services of, after the candidates have changed.
    pub(crate) async fn adopt_services(&self, before: &Registry) -> Result<(), Error> {
        let now = self.lifecycle().registry();
        let roster = roster(&now)?;
        let changed = self.changed_services(before);
        let services = &self.0.services;
        let any = !roster.members().is_empty();
        services.supervisor.adopt(roster, changed).await;
        if any && *self.keeper_lock() != Keeper::Off {
            self.begin_services();
        }
        Ok(())
    }

    fn keeper_lock(&self) -> std::sync::MutexGuard<'_, Keeper> {
        self.0.services.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether services are tried to be kept up already; they are from here on.
    fn has_begun(&self) -> bool {
        self.0.services.begun.swap(true, Ordering::AcqRel)
    }
}

fn winner<'a>(registry: &'a Registry, key: &Key) -> Option<&'a Descriptor> {
    let mut active = registry.active(&Domain::SERVICE).map(Candidate::descriptor);
    active.find(|descriptor| descriptor.key == *key).map(|descriptor| &**descriptor)
}

/// That an entry moved to another file or line changes nothing.
fn same(one: Option<&Descriptor>, other: Option<&Descriptor>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => *one == Descriptor { source: one.source.clone(), ..other.clone() },
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use oneiric_core::Factory;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_component_that_is_only_called_is_on_no_roster() {
        let check = |factory: &str, source: Source, service: Option<serde_json::Value>, expected: bool| {
            let mut descriptor = Descriptor::new(
                Domain::SERVICE,
                "a".parse().unwrap(),
                "shop".parse().unwrap(),
                Factory::new(factory),
                source,
            );
            descriptor.metadata.extend(service.map(|service| (SECTION.to_owned(), service)));
            let mut registry = Registry::new();
            registry.register(descriptor);
            let members = members(&registry).unwrap();
            assert_eq!(!members.is_empty(), expected, "{factory}");
        };
        let manifest = || Source::LocalManifest("shop.yaml".to_owned());
        check("fastblocks.inventory:Service", manifest(), None, false);
        check("fastblocks.inventory:Service", manifest(), Some(json!({})), true);
        check("process:redis-server", manifest(), None, true);
        check("a", Source::Manual, None, true);
    }
}
