//! One change of what serves a key: up, bound, and undone where anything objects.
//!
//! The order: settings → build → start → health → hooks before → bind → hooks after. Only then is the
//! old instance out of service. Whatever fails, or a caller that gives up in between, leaves the old
//! one bound; the newcomer goes the way of every retired instance.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::{Class, Descriptor, Fault};

use super::Inner;
use super::bring_up::missing_role;
use super::error::{LifecycleError, Phase};
use super::hook::Change;
use super::inventory::Inventory;
use super::slot::{Slot, Unbound};
use super::unit::Unit;

/// A unit that is up and not bound. Where its caller gives up, it is left to be put down.
pub(super) struct Newcomer<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) unit: Option<Arc<Unit>>,
}

impl Newcomer<'_> {
    fn retire(&mut self) -> Option<Arc<Unit>> {
        let unit = self.unit.take()?;
        unit.left.cancel();
        self.inventory.retire(&unit);
        Some(unit)
    }
}

impl Drop for Newcomer<'_> {
    fn drop(&mut self) {
        self.retire();
    }
}

/// A newcomer that is bound while hooks may still object. Where its caller gives up, it is undone.
struct Trial<'a> {
    inventory: &'a Inventory,
    slot: &'a Slot,
    over: bool,
}

impl Trial<'_> {
    /// The newcomer stays; the old one goes.
    fn settle(mut self) -> Option<Arc<Unit>> {
        self.over = true;
        self.retire(self.slot.settle())
    }

    /// The old one stays; the newcomer goes.
    fn undo(&mut self) -> Option<Arc<Unit>> {
        self.over = true;
        self.retire(self.slot.undo())
    }

    fn retire(&self, unit: Option<Arc<Unit>>) -> Option<Arc<Unit>> {
        unit.inspect(|unit| self.inventory.retire(unit))
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.undo();
        }
    }
}

/// Tells of an attempt, also of one that its caller gave up.
struct Attempt<'a> {
    inner: &'a Inner,
    slot: &'a Slot,
    candidate: &'a Descriptor,
    began: Duration,
    told: bool,
}

impl Attempt<'_> {
    fn succeed(&mut self, healthy: bool, took: Duration) {
        self.told = true;
        let (domain, key, provider) = self.named();
        let now = self.inner.clock.now();
        self.slot.record(|status| status.succeed(provider, healthy, now, took));
        self.inner.swaps.count(self.candidate, "success", took);
        tracing::info!(%domain, %key, %provider, ?took, "swap-complete");
    }

    fn fail(&mut self, why: &str) {
        self.told = true;
        let (domain, key, provider) = self.named();
        let now = self.inner.clock.now();
        self.slot.record(|status| status.fail(why.to_owned(), now));
        let took = self.inner.clock.monotonic().saturating_sub(self.began);
        self.inner.swaps.count(self.candidate, "failed", took);
        // Its caller has the error and says it where it counts.
        tracing::info!(%domain, %key, %provider, why, "swap-failed");
    }

    fn named(&self) -> (&crate::Domain, &crate::Key, &crate::Provider) {
        (&self.candidate.domain, &self.candidate.key, &self.candidate.provider)
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.fail("given up by its caller");
        }
        self.slot.count_attempt();
        self.inner.changes.send_modify(|ended| *ended += 1);
    }
}

/// How a change went, and what is out of service because of it: the old instance or the newcomer.
pub(super) struct Changed {
    pub(super) result: Result<Duration, LifecycleError>,
    pub(super) goes: Option<Arc<Unit>>,
}

/// As [`Changed`]; whether the newcomer is healthy.
struct Tried {
    result: Result<bool, LifecycleError>,
    goes: Option<Arc<Unit>>,
}

impl Inner {
    /// Brings up an instance of `descriptor` and binds it. The caller has the slot's turn.
    pub(super) async fn change(&self, slot: &Slot, descriptor: &Arc<Descriptor>, force: bool) -> Changed {
        let began = self.clock.monotonic();
        slot.record(|status| status.begin(&descriptor.provider, self.clock.now()));
        let mut attempt = Attempt { inner: self, slot, candidate: descriptor, began, told: false };
        let Tried { result, goes } = self.try_change(slot, descriptor, force).await;
        let took = self.clock.monotonic().saturating_sub(began);
        let result = match result {
            Ok(healthy) => {
                attempt.succeed(healthy, took);
                Ok(took)
            }
            Err(error) => {
                let error = if self.is_cut_off(&error) { slot.stopped() } else { error };
                attempt.fail(&error.to_string());
                Err(error)
            }
        };
        Changed { result, goes }
    }

    /// Whether it was the end of the lifecycle that ended an attempt.
    fn is_cut_off(&self, error: &LifecycleError) -> bool {
        self.stopping.is_cancelled()
            && matches!(error, LifecycleError::Failed { fault, .. } if fault.class == Class::Shutdown)
    }

    async fn try_change(&self, slot: &Slot, descriptor: &Arc<Descriptor>, force: bool) -> Tried {
        let mut newcomer = Newcomer { inventory: &self.inventory, unit: None };
        let (unit, healthy) = match self.bring_up(slot, descriptor, &mut newcomer, force).await {
            Ok(up) => up,
            Err(error) => return Tried { result: Err(error), goes: newcomer.retire() },
        };
        let old = slot.live.load_full().map(|old| Arc::clone(&old.unit));
        let change = Change {
            domain: &slot.id.domain,
            key: &slot.id.key,
            new: unit.side(),
            old: old.as_deref().map(Unit::side),
        };
        for hook in &*self.hooks {
            if let Err(fault) = self.step(self.timeouts().hook, async || hook.before(&change).await).await {
                let error = failed(descriptor, Phase::HookBefore, of_hook(hook.name(), fault));
                return Tried { result: Err(error), goes: newcomer.retire() };
            }
        }
        if let Err(unbound) = slot.bind(&unit, || self.bindings.fetch_add(1, Ordering::Relaxed)) {
            let error = match unbound {
                Unbound::Lacks(role) => missing_role(descriptor, &unit.instance, role),
                Unbound::Closed => slot.stopped(),
            };
            return Tried { result: Err(error), goes: newcomer.retire() };
        }
        newcomer.unit = None;
        let mut trial = Trial { inventory: &self.inventory, slot, over: false };
        for hook in &*self.hooks {
            if let Err(fault) = self.step(self.timeouts().hook, async || hook.after(&change).await).await {
                let error = failed(descriptor, Phase::HookAfter, of_hook(hook.name(), fault));
                let goes = trial.undo();
                if let Some(old) = &old {
                    let (domain, key, provider) = (&slot.id.domain, &slot.id.key, &old.descriptor.provider);
                    tracing::warn!(%domain, %key, %provider, "swap-rollback");
                }
                return Tried { result: Err(error), goes };
            }
        }
        Tried { result: Ok(healthy), goes: trial.settle() }
    }
}

/// The error for a newcomer that met `fault`; a refusal by its runtime is a matter of security.
pub(super) fn failed(descriptor: &Descriptor, phase: Phase, fault: Fault) -> LifecycleError {
    let (domain, key) = (descriptor.domain.clone(), descriptor.key.clone());
    match (fault.class, phase) {
        (Class::Denied, Phase::Build) => LifecycleError::NotAllowed { domain, key, reason: fault.message },
        _ => {
            let (provider, fault) = (descriptor.provider.clone(), Box::new(fault));
            LifecycleError::Failed { domain, key, provider, phase, fault }
        }
    }
}

fn of_hook(name: &str, fault: Fault) -> Fault {
    Fault { message: format!("`{name}`: {}", fault.message), ..fault }
}
