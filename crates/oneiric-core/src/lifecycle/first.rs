//! The first use of a component: up once, however many ask.

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

impl Inner {
    /// What everybody means by a key, where it is up and was asked for in this role before: one
    /// look-up, nothing to wait for.
    #[inline]
    pub(super) fn ready<R: ?Sized + Role>(&self, domain: &Domain, key: &Key) -> Option<Handle<R>>
    where
        Arc<R>: Send + Sync,
    {
        let slot = self.shelves.followed(domain, key)?;
        slot.plays::<R>().then(|| Handle::new(Arc::clone(slot)))
    }

    /// The answer to any question.
    pub(super) async fn ask<R: ?Sized + Role>(
        &self,
        domain: &Domain,
        key: &Key,
        query: &Query<'_>,
    ) -> Result<Handle<R>, LifecycleError>
    where
        Arc<R>: Send + Sync,
    {
        let followed = if is_plain(query) { self.shelves.followed(domain, key) } else { None };
        let slot = match followed {
            // Something serves, whether or not it still has a candidate.
            Some(slot) => Arc::clone(slot),
            None => self.meant(domain, key, query)?,
        };
        self.in_role(&slot).await
    }

    fn meant(&self, domain: &Domain, key: &Key, query: &Query<'_>) -> Result<Arc<Slot>, LifecycleError> {
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
        let played = match slot.need::<R>() {
            Some(played) => played,
            None => {
                self.first(slot).await?;
                // What was settled goes away at the end of the lifecycle only.
                slot.need::<R>().ok_or_else(|| slot.stopped())?
            }
        };
        match played {
            Ok(()) => Ok(Handle::new(Arc::clone(slot))),
            Err(unit) => Err(missing_role(&unit.descriptor, &unit.instance, R::NAME)),
        }
    }

    async fn first(&self, slot: &Slot) -> Result<(), LifecycleError> {
        let seen = slot.attempts();
        let mut turn = self.turn(slot).await?;
        if slot.live.load().is_some() {
            return Ok(());
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
        result.map(drop)
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
