//! Components of the embedding program: closures, structs, and whatever a closure builds.
//!
//! ```
//! use oneiric_core::linked::{Linked, task_fn};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Order { id: String }
//! #[derive(Serialize)]
//! struct Receipt { number: String }
//!
//! let charge = Linked::task(
//!     "charge",
//!     task_fn(|order: Order| async move {
//!         Ok::<_, oneiric_core::Fault>(Receipt { number: format!("R-{}", order.id) })
//!     }),
//! );
//! assert_eq!(charge.descriptor()?.key.as_str(), "charge");
//! # Ok::<(), oneiric_core::id::IdError>(())
//! ```

#[cfg(feature = "manifest")]
mod event;
mod fail_on_false;
mod function;

use std::fmt;
use std::sync::Arc;

pub use fail_on_false::{FailOnFalse, fail_on_false};
pub use function::{ActionFn, HandlerFn, TaskFn, Typed, action_fn, handler_fn, task_fn, typed};

use crate::id::IdError;
use crate::roles::{Action, EventHandler, Service, Task};
use crate::{
    Blueprint, Component, Descriptor, Domain, Factory, Fault, Instance, Key, Provider, Role, Source,
};

/// Who offers a linked component where nobody says otherwise.
pub const PROVIDER: &str = "linked";

/// Builds an instance from its blueprint. It may block for a moment; what waits belongs into
/// [`Component::start`].
pub type Make = Arc<dyn Fn(&Blueprint) -> Result<Instance, Fault> + Send + Sync>;

/// A component of the embedding program: a candidate, and the function that builds it.
///
/// Names may be given as text. One that is no name is an error where the component is used: when an
/// orchestrator is put together.
#[derive(Clone)]
pub struct Linked {
    descriptor: Result<Descriptor, IdError>,
    make: Make,
}

impl Linked {
    /// A component of any domain. `make` is called for every activation, with the provider's settings.
    pub fn new(
        domain: impl TryInto<Domain, Error: Into<IdError>>,
        key: impl TryInto<Key, Error: Into<IdError>>,
        make: impl Fn(&Blueprint) -> Result<Instance, Fault> + Send + Sync + 'static,
    ) -> Self {
        let domain = domain.try_into().map_err(Into::into);
        let key = key.try_into().map_err(Into::into);
        let descriptor = domain.and_then(|domain| {
            let key = key?;
            let provider = Provider::new(PROVIDER).expect("a literal name is well formed");
            // A bare name is what a linked factory is called by (decision 9).
            let factory = Factory::new(key.as_str());
            Ok(Descriptor::new(domain, key, provider, factory, Source::Manual))
        });
        Self { descriptor, make: Arc::new(make) }
    }

    /// A value that plays one role, in that role's domain: the same one for every activation.
    pub fn shared<R: ?Sized + Role>(key: impl TryInto<Key, Error: Into<IdError>>, role: Arc<R>) -> Self
    where
        Arc<R>: Send + Sync,
    {
        Self::new(R::DOMAIN, key, move |_| Ok(Instance::new(Arc::new(Plain)).plays::<R>(Arc::clone(&role))))
    }

    /// A task.
    pub fn task(key: impl TryInto<Key, Error: Into<IdError>>, task: impl Task + 'static) -> Self {
        Self::shared::<dyn Task>(key, Arc::new(task))
    }

    /// An action.
    pub fn action(key: impl TryInto<Key, Error: Into<IdError>>, action: impl Action + 'static) -> Self {
        Self::shared::<dyn Action>(key, Arc::new(action))
    }

    /// A handler of events.
    pub fn handler(
        key: impl TryInto<Key, Error: Into<IdError>>,
        handler: impl EventHandler + 'static,
    ) -> Self {
        Self::shared::<dyn EventHandler>(key, Arc::new(handler))
    }

    /// A service.
    pub fn service(key: impl TryInto<Key, Error: Into<IdError>>, service: impl Service + 'static) -> Self {
        Self::shared::<dyn Service>(key, Arc::new(service))
    }

    /// Who offers it; [`PROVIDER`] unless said.
    #[must_use]
    pub fn provider(mut self, provider: impl TryInto<Provider, Error: Into<IdError>>) -> Self {
        self.descriptor = self.descriptor.and_then(|mut descriptor| {
            descriptor.provider = provider.try_into().map_err(Into::into)?;
            Ok(descriptor)
        });
        self
    }

    /// Changes anything else that is known of it: priority, capabilities, timeout, retries, ...
    #[must_use]
    pub fn describe(mut self, change: impl FnOnce(&mut Descriptor)) -> Self {
        if let Ok(descriptor) = &mut self.descriptor {
            change(descriptor);
        }
        self
    }

    /// What the resolver may look at.
    ///
    /// # Errors
    /// [`IdError`] for the first of its names that is none.
    pub fn descriptor(&self) -> Result<&Descriptor, IdError> {
        self.descriptor.as_ref().map_err(Clone::clone)
    }

    /// The function that builds it.
    pub fn make(&self) -> &Make {
        &self.make
    }
}

impl fmt::Debug for Linked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Linked").field("descriptor", &self.descriptor).finish_non_exhaustive()
    }
}

/// A component that has nothing to start and nothing to stop.
struct Plain;

impl Component for Plain {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linked_component_is_a_candidate_of_its_roles_domain() {
        let echo = action_fn(|input: serde_json::Value| async move { Ok::<_, Fault>(input) });
        let linked = Linked::action("echo", echo).describe(|it| it.priority = 7);
        let is = linked.descriptor().unwrap();
        assert_eq!((&is.domain, is.provider.as_str(), is.priority), (&Domain::ACTION, PROVIDER, 7));
        let instance = linked.make()(&Blueprint::from(is.clone())).unwrap();
        assert_eq!(instance.roles().collect::<Vec<_>>(), ["action"]);
        let other = linked.provider("other");
        assert_eq!(other.descriptor().unwrap().provider.as_str(), "other");
    }

    #[test]
    fn its_make_is_asked_for_every_activation() {
        let linked = Linked::new(Domain::ADAPTER, "k", |blueprint| match blueprint.settings.get("url") {
            Some(_) => Ok(Instance::new(Arc::new(Plain))),
            None => Err(Fault::permanent("no-url", "`url` is not set")),
        });
        let blueprint = Blueprint::from(linked.descriptor().unwrap().clone());
        assert_eq!(linked.make()(&blueprint).unwrap_err().code, "no-url");
        let settings = serde_json::Map::from_iter([("url".to_owned(), "x".into())]);
        assert!(linked.make()(&blueprint.with_settings(settings)).is_ok());
    }
}
