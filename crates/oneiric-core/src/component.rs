//! Components, the roles they play, and the runtimes that build them.
//!
//! A component is built from a [`Blueprint`] by the [`ComponentRuntime`] that owns its factory's
//! scheme, and says at that moment which roles it plays. A role is a trait with one line of
//! `impl Role for dyn Trait`; a foreign crate adds one in the same way:
//!
//! ```
//! use std::sync::Arc;
//! use oneiric_core::{Component, Instance, Role};
//!
//! trait Greeter: Send + Sync {
//!     fn greet(&self, name: &str) -> String;
//! }
//! impl Role for dyn Greeter {
//!     const NAME: &'static str = "greeter";
//! }
//!
//! struct Polite;
//! impl Component for Polite {}
//! impl Greeter for Polite {
//!     fn greet(&self, name: &str) -> String {
//!         format!("Good evening, {name}")
//!     }
//! }
//!
//! let polite = Arc::new(Polite);
//! let instance = Instance::new(polite.clone()).plays::<dyn Greeter>(polite);
//! let greeter = instance.role::<dyn Greeter>().expect("it plays that role");
//! assert_eq!(greeter.greet("Ada"), "Good evening, Ada");
//! ```

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Blueprint, Descriptor, Domain, Fault};

/// A trait object that components can be asked for by name.
pub trait Role: 'static {
    /// The name that errors and `explain` use: `task`.
    const NAME: &'static str;

    /// Where its components are looked for when nobody names a domain.
    const DOMAIN: Domain = Domain::ADAPTER;
}

/// What every component has: a beginning, a pulse and an end, each with a default.
#[async_trait]
pub trait Component: Send + Sync + 'static {
    /// Called once before the first use.
    ///
    /// # Errors
    /// A fault leaves the component out of service.
    async fn start(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Whether it can do its work now. Resembles normal operation; cheap enough for once a second.
    ///
    /// # Errors
    /// The reason why it cannot.
    async fn health(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Called once after the last use; frees what [`Component::start`] took.
    ///
    /// # Errors
    /// A fault is reported and changes nothing: the component is gone either way.
    async fn stop(&self) -> Result<(), Fault> {
        Ok(())
    }
}

const _: fn(&dyn Component) = |_| {};

/// A built component and the roles it plays. A clone is the same component.
#[derive(Clone)]
pub struct Instance {
    component: Arc<dyn Component>,
    // Two or three entries: a scan beats a map. The value is the `Arc<R>` of the role's trait object.
    roles: Vec<(TypeId, &'static str, Arc<dyn Any + Send + Sync>)>,
}

impl Instance {
    /// An instance that plays no role yet.
    pub fn new(component: Arc<dyn Component>) -> Self {
        Self { component, roles: Vec::new() }
    }

    /// Adds a role; the last one wins where a role is added twice.
    #[must_use]
    pub fn plays<R: ?Sized + Role>(mut self, role: Arc<R>) -> Self
    where
        Arc<R>: Send + Sync,
    {
        self.roles.retain(|(id, ..)| *id != TypeId::of::<R>());
        self.roles.push((TypeId::of::<R>(), R::NAME, Arc::new(role)));
        self
    }

    /// The component as the role `R`, or `None` where it does not play it.
    pub fn role<R: ?Sized + Role>(&self) -> Option<Arc<R>>
    where
        Arc<R>: Send + Sync,
    {
        let (.., role) = self.roles.iter().find(|(id, ..)| *id == TypeId::of::<R>())?;
        role.downcast_ref::<Arc<R>>().cloned()
    }

    /// Where a role is among those that it plays; the same for every clone.
    #[inline]
    pub(crate) fn place(&self, role: TypeId) -> Option<usize> {
        self.roles.iter().position(|(id, ..)| *id == role)
    }

    /// The role at a place, if it is `R`.
    #[inline]
    pub(crate) fn at<R: ?Sized + Role>(&self, place: usize) -> Option<&R>
    where
        Arc<R>: Send + Sync,
    {
        let (.., role) = self.roles.get(place)?;
        role.downcast_ref::<Arc<R>>().map(AsRef::as_ref)
    }

    /// The names of the roles it plays, in the order in which they were added.
    pub fn roles(&self) -> impl Iterator<Item = &'static str> {
        self.roles.iter().map(|(_, name, _)| *name)
    }

    /// The component itself: start, health, stop.
    pub fn component(&self) -> &dyn Component {
        self.component.as_ref()
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("roles", &self.roles().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// Builds the components whose factory it recognises: one per scheme (`builtin:`, `exec:`, ...).
#[async_trait]
pub trait ComponentRuntime: Send + Sync + fmt::Debug {
    /// Its name in errors and in `explain`: `exec`.
    fn name(&self) -> &'static str;

    /// The candidates that it brings along without a manifest; they rank behind everything that a
    /// manifest or the program names.
    fn offers(&self) -> Vec<Descriptor> {
        Vec::new()
    }

    /// Whether it builds this factory. Runtimes are asked in the order in which they were added.
    fn recognises(&self, descriptor: &Descriptor) -> bool;

    /// Checks a blueprint without side effect, so that a bad one is an error when it is loaded.
    ///
    /// # Errors
    /// A permanent fault that names the field and what it may hold, or a denied one. Where the factory
    /// names something that the runtime does not know, the code begins with `unknown-`.
    fn check(&self, blueprint: &Blueprint) -> Result<(), Fault>;

    /// Builds an instance. It is not started yet.
    ///
    /// # Errors
    /// As [`ComponentRuntime::check`], and whatever building met.
    async fn build(&self, blueprint: &Blueprint) -> Result<Instance, Fault>;
}

const _: fn(&dyn ComponentRuntime) = |_| {};

#[cfg(test)]
mod tests {
    use super::*;

    struct Plain;

    impl Component for Plain {}

    trait Number: Send + Sync {
        fn number(&self) -> u8;
    }

    impl Role for dyn Number {
        const NAME: &'static str = "number";
    }

    trait Other: Send + Sync {}

    impl Role for dyn Other {
        // A foreign crate may have had the same idea for a name.
        const NAME: &'static str = "number";
    }

    impl Number for u8 {
        fn number(&self) -> u8 {
            *self
        }
    }

    #[test]
    fn a_role_that_is_added_twice_is_the_last_one() {
        let instance =
            Instance::new(Arc::new(Plain)).plays::<dyn Number>(Arc::new(1)).plays::<dyn Number>(Arc::new(2));
        assert_eq!(instance.role::<dyn Number>().unwrap().number(), 2);
        assert_eq!(instance.roles().count(), 1);
    }

    #[test]
    fn roles_are_told_apart_by_their_trait_and_not_by_their_name() {
        let instance = Instance::new(Arc::new(Plain)).plays::<dyn Number>(Arc::new(1));
        assert!(instance.role::<dyn Other>().is_none());
        assert_eq!(instance.place(TypeId::of::<dyn Other>()), None);
        let place = instance.place(TypeId::of::<dyn Number>()).unwrap();
        assert_eq!(instance.at::<dyn Number>(place).unwrap().number(), 1);
        assert!(instance.at::<dyn Other>(place).is_none());
        assert!(instance.clone().at::<dyn Number>(place).is_some(), "a clone is the same component");
    }
}
