//! What a caller holds: something that follows hot swaps.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;

use crate::roles::{Action, Envelope, EventHandler, Schema, Task, TaskContext};
use crate::{Descriptor, Domain, Fault, Key, Payload, Role};

use super::live::Live;
use super::slot::Slot;

/// A component in the role `R`, whichever instance that is at the moment. A clone is the same one.
///
/// Ask for [`Handle::current`] per piece of work and let it go afterwards: an old instance is stopped
/// once the last of its users has let go.
pub struct Handle<R: ?Sized> {
    slot: Arc<Slot>,
    role: PhantomData<fn() -> Arc<R>>,
}

/// An instance in use. It is not stopped before this is dropped.
pub struct Current<R: ?Sized> {
    // Before `live`: the instance must be the last thing that a user lets go of.
    role: Arc<R>,
    live: Arc<Live>,
}

impl<R: ?Sized + Role> Handle<R>
where
    Arc<R>: Send + Sync,
{
    pub(super) fn new(slot: Arc<Slot>) -> Self {
        Self { slot, role: PhantomData }
    }

    /// The instance that serves now. Never waits: a swap under way is seen when it is done.
    ///
    /// # Errors
    /// A fault of class shutdown once the lifecycle has been stopped.
    pub fn current(&self) -> Result<Current<R>, Fault> {
        let live = self.slot.live.load_full().ok_or_else(|| self.slot.gone())?;
        // Who handed this out saw that the instance plays the role, and a swap requires it of its newcomer.
        let role = live.instance.role::<R>().ok_or_else(|| self.slot.gone())?;
        Ok(Current { role, live })
    }

    /// The domain of the component.
    pub fn domain(&self) -> &Domain {
        &self.slot.id.domain
    }

    /// Its key.
    pub fn key(&self) -> &Key {
        &self.slot.id.key
    }
}

impl<R: ?Sized> Current<R> {
    /// The candidate that the instance was built from.
    pub fn descriptor(&self) -> &Arc<Descriptor> {
        &self.live.descriptor
    }
}

impl<R: ?Sized> Deref for Current<R> {
    type Target = R;
    fn deref(&self) -> &R {
        &self.role
    }
}

impl<R: ?Sized> Clone for Handle<R> {
    fn clone(&self) -> Self {
        Self { slot: Arc::clone(&self.slot), role: PhantomData }
    }
}

impl<R: ?Sized> fmt::Debug for Handle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("of", &self.slot.id).finish()
    }
}

impl<R: ?Sized> fmt::Debug for Current<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").field("descriptor", &self.live.descriptor).finish()
    }
}

#[async_trait]
impl Task for Handle<dyn Task> {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        self.current()?.run(cx).await
    }
}

#[async_trait]
impl Action for Handle<dyn Action> {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.current()?.apply(input).await
    }

    fn schema(&self) -> Option<Schema> {
        self.current().ok()?.schema()
    }
}

#[async_trait]
impl EventHandler for Handle<dyn EventHandler> {
    async fn handle(&self, envelope: &Envelope) -> Result<Payload, Fault> {
        self.current()?.handle(envelope).await
    }
}
