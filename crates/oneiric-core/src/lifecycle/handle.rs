//! What a caller holds: something that follows hot swaps.

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;

use crate::roles::{Action, Envelope, EventHandler, Reconciled, Schema, Task, TaskContext};
use crate::{Descriptor, Domain, Fault, Key, Payload, Role};

use super::slot::Slot;
use super::unit::Live;

/// A component in the role `R`, whichever instance that is at the moment. A clone is the same one.
///
/// Keep the handle for as long as the component is wanted, and ask for [`Handle::current`] per piece
/// of work.
pub struct Handle<R: ?Sized> {
    slot: Arc<Slot>,
    role: PhantomData<fn() -> Arc<R>>,
}

/// An instance in use: it is not stopped before this is dropped, except at the deadline of
/// [`super::Lifecycle::stop`].
///
/// Holding it over an `await` is what it is for, as long as the piece of work ends: a call that is
/// under way ends on the instance that it began on. Keeping one in a struct, or over a wait without an
/// end, is the mistake: such a user goes on talking to an instance that was replaced, and keeps that
/// one from its stop. Keep the [`Handle`] there.
#[must_use = "an instance is in use only for as long as this is held"]
pub struct Current<R: ?Sized> {
    live: Arc<Live>,
    // Where the role is among those of the instance: no count to keep of the role as well.
    place: usize,
    role: PhantomData<fn() -> Arc<R>>,
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
    /// A fault of class shutdown once the lifecycle has been stopped. A transient one, `component-down`,
    /// where the first activation came so far that the handle was given out, and was then objected to.
    #[inline]
    pub fn current(&self) -> Result<Current<R>, Fault> {
        let live = self.slot.live.load_full().ok_or_else(|| self.slot.gone())?;
        // Who handed this out saw that the instance plays the role, and a swap requires it of its newcomer.
        let place = live.instance.place(TypeId::of::<R>()).ok_or_else(|| self.slot.gone())?;
        Ok(Current { live, place, role: PhantomData })
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
        &self.live.unit.descriptor
    }
}

impl<R: ?Sized + Role> Deref for Current<R>
where
    Arc<R>: Send + Sync,
{
    type Target = R;

    #[inline]
    fn deref(&self) -> &R {
        self.live.instance.at(self.place).expect("the role was found at this place of this instance")
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
        f.debug_struct("Current").field("descriptor", self.descriptor()).finish()
    }
}

#[async_trait]
impl Task for Handle<dyn Task> {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        self.current()?.run(cx).await
    }

    fn reconciles(&self) -> bool {
        self.current().is_ok_and(|current| current.reconciles())
    }

    async fn reconcile(&self, cx: TaskContext<'_>) -> Result<Reconciled, Fault> {
        self.current()?.reconcile(cx).await
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
