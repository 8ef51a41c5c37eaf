//! The first use of a component: up once, however many ask.

use std::any::TypeId;
use std::sync::Arc;

use tokio::sync::MutexGuard;

use crate::resolver::Query;
use crate::{Domain, Key, Role};

use super::Inner;
use super::bring_up::missing_role;
use super::change::Changed;
use super::error::LifecycleError;
use super::handle::Handle;
use super::inventory::Then;
use super::slot::{Pin, Slot, Turn};
use super::unit::Live;

impl Inner {
    /// The slot that a question means; made where it is not there yet.
    pub(super) fn meant(
        &self,
        domain: &Domain,
        key: &Key,
        query: &Query<'_>,
    ) -> Result<Arc<Slot>, LifecycleError> {
        let registry = self.registry.load();
        let candidate = registry.resolve(domain, key, query)?;
        let pin = if is_plain(query) { Pin::Follow } else { Pin::of(query, candidate) };
        Ok(self.shelves.slot(domain, key, &pin))
    }

    /// A handle for a slot, whose component is brought up where nothing serves.
    pub(super) async fn in_role<R: ?Sized + Role>(
        &self,
        slot: &Arc<Slot>,
    ) -> Result<Handle<R>, LifecycleError>
    where
        Arc<R>: Send + Sync,
    {
        if let Some(answer) = offer(slot) {
            return answer;
        }
        self.first(slot).await?;
        // What was settled goes away at the end of the lifecycle only.
        offer(slot).unwrap_or_else(|| Err(slot.stopped()))
    }

    async fn first(&self, slot: &Arc<Slot>) -> Result<Arc<Live>, LifecycleError> {
        let seen = slot.attempts();
        let mut turn = self.turn(slot).await?;
        if let Some(live) = slot.live.load_full() {
            return Ok(live);
        }
        if slot.attempts() != seen
            && let Some(error) = &turn.failed
        {
            return Err(error.clone());
        }
        // Of an attempt that is given up nobody knows how it would have ended: who waited tries again.
        turn.failed = None;
        let candidate = slot.id.candidate(&self.registry.load())?;
        // What an attempt that was given up has left may hold what this one needs: a port, a file.
        self.sweep(&slot.id).await;
        let Changed { result, goes } = self.change(slot, &candidate, false).await;
        turn.failed = result.as_ref().err().cloned();
        if let Some(newcomer) = goes {
            // It failed; it is put down before anybody tries again.
            self.put_down(&newcomer, self.patience(), Then::Leave).await;
        }
        result?;
        slot.live.load_full().ok_or_else(|| slot.stopped())
    }

    /// Waits for the changes of a slot that are under way.
    pub(super) async fn turn<'a>(&self, slot: &'a Slot) -> Result<MutexGuard<'a, Turn>, LifecycleError> {
        let turn = tokio::select! {
            biased;
            () = self.stopping.cancelled() => None,
            turn = slot.turn.lock() => Some(turn),
        };
        turn.ok_or_else(|| slot.stopped())
    }
}

/// Whether a question asks for what the key means to everybody.
#[inline]
pub(super) fn is_plain(query: &Query<'_>) -> bool {
    query.provider.is_none() && query.wanted().next().is_none()
}

/// A handle for a slot in service; `None` where nothing serves.
#[inline]
pub(super) fn offer<R: ?Sized + Role>(slot: &Arc<Slot>) -> Option<Result<Handle<R>, LifecycleError>>
where
    Arc<R>: Send + Sync,
{
    let live = slot.live.load();
    let live = live.as_ref()?;
    let noted = match live.instance.place(TypeId::of::<R>()) {
        Some(place) if live.is_noted(place) => true,
        // Rare: the first handle for this role, or one that is not played.
        _ => slot.need::<R>()?,
    };
    Some(if noted {
        Ok(Handle::new(Arc::clone(slot)))
    } else {
        Err(missing_role(&live.unit.descriptor, &live.instance, R::NAME))
    })
}
