//! The runtime of components that the embedding program linked in.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::id::IdError;
use oneiric_core::linked::{Linked, Make, PROVIDER};
use oneiric_core::nearest::nearest;
use oneiric_core::{
    Blueprint, ComponentRuntime, Descriptor, Domain, FactoryKind, Fault, Instance, Key, Provider, Source,
};

/// Builds linked components, and manifest entries whose factory is the bare name of one.
#[derive(Default)]
pub(crate) struct LinkedRuntime {
    components: HashMap<(Domain, Key, Provider), Added>,
    factories: HashMap<String, Make>,
    // How often a component was added.
    added: usize,
}

/// A component, and when it was added.
struct Added {
    order: usize,
    descriptor: Descriptor,
    make: Make,
}

impl LinkedRuntime {
    /// Adds a component; its factory's name can be used in manifests, too. The last one of a domain,
    /// key and provider counts.
    pub(crate) fn add(&mut self, linked: Linked) -> Result<(), IdError> {
        let descriptor = linked.descriptor()?.clone();
        let id = (descriptor.domain.clone(), descriptor.key.clone(), descriptor.provider.clone());
        let make = Arc::clone(linked.make());
        self.factories.insert(descriptor.factory.to_string(), Arc::clone(&make));
        // One that is added again goes to the end, and the place that it had is not given away.
        let order = self.added;
        self.added += 1;
        self.components.insert(id, Added { order, descriptor, make });
        Ok(())
    }

    /// Adds a name that manifests may use as a factory.
    pub(crate) fn factory(&mut self, name: String, make: Make) {
        self.factories.insert(name, make);
    }

    /// The candidates of the components, in the order of adding: of equal ones the last one wins.
    pub(crate) fn descriptors(&self) -> Vec<Descriptor> {
        let mut all: Vec<_> = self.components.values().collect();
        all.sort_by_key(|added| added.order);
        all.into_iter().map(|added| added.descriptor.clone()).collect()
    }

    fn make(&self, descriptor: &Descriptor) -> Option<&Make> {
        if descriptor.source == Source::Manual {
            let id = (descriptor.domain.clone(), descriptor.key.clone(), descriptor.provider.clone());
            if let Some(added) = self.components.get(&id) {
                return Some(&added.make);
            }
        }
        match descriptor.factory.kind() {
            FactoryKind::Name(name) => self.factories.get(name),
            FactoryKind::Scheme { .. } | FactoryKind::Python { .. } | FactoryKind::Malformed => None,
        }
    }

    fn unknown(&self, descriptor: &Descriptor) -> Fault {
        let name = descriptor.factory.as_str();
        let hint = match nearest(name, self.factories.keys().map(String::as_str)) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => String::new(),
        };
        Fault::permanent("unknown-linked", format!("nothing is linked in under the name `{name}`{hint}"))
    }
}

impl fmt::Debug for LinkedRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.factories.keys()).finish()
    }
}

#[async_trait]
impl ComponentRuntime for LinkedRuntime {
    fn name(&self) -> &'static str {
        PROVIDER
    }

    fn recognises(&self, descriptor: &Descriptor) -> bool {
        self.make(descriptor).is_some() || matches!(descriptor.factory.kind(), FactoryKind::Name(_))
    }

    fn check(&self, blueprint: &Blueprint) -> Result<(), Fault> {
        match self.make(&blueprint.descriptor) {
            Some(_) => Ok(()),
            None => Err(self.unknown(&blueprint.descriptor)),
        }
    }

    async fn build(&self, blueprint: &Blueprint) -> Result<Instance, Fault> {
        let make = self.make(&blueprint.descriptor).ok_or_else(|| self.unknown(&blueprint.descriptor))?;
        let (make, blueprint) = (Arc::clone(make), blueprint.clone());
        // A closure that blocks must hold up neither a worker thread nor the activation timeout.
        match tokio::task::spawn_blocking(move || make(&blueprint)).await {
            Ok(built) => built,
            Err(error) if error.is_panic() => Err(Fault::panic(error.into_panic().as_ref())),
            Err(_) => Err(Fault::shutdown("the runtime was dropped while a component was being built")),
        }
    }
}
