//! One change of what serves a key: up, checked, bound, and undone where anything objects.
//!
//! The order: settings → build → start → health → hooks before → bind → hooks after. Only then is the
//! old instance out of service. Whatever fails, or a caller that gives up in between, leaves the old
//! one bound; the newcomer goes the way of every retired instance.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::{Blueprint, Class, ComponentRuntime, Descriptor, Fault, Instance};

use super::Inner;
use super::error::{LifecycleError, Phase};
use super::hook::{Change, Side};
use super::live::{Live, Retired, Users};
use super::retire::Retirement;
use super::slot::{Slot, Turn};
use super::timeouts::within;

/// An instance that is up and not bound. Where its caller gives up, it is left to be put down.
struct Newcomer<'a> {
    retirement: &'a Retirement,
    descriptor: &'a Arc<Descriptor>,
    instance: Option<Instance>,
}

impl Newcomer<'_> {
    fn instance(&self) -> &Instance {
        self.instance.as_ref().expect("taken only by what consumes it")
    }

    fn bind(mut self) -> (Arc<Live>, Users) {
        let instance = self.instance.take().expect("taken only by what consumes it");
        Live::new(instance, Arc::clone(self.descriptor))
    }

    fn retire(mut self) -> Option<Retired> {
        Some(Retired::unused(self.instance.take()?, Arc::clone(self.descriptor)))
    }
}

impl Drop for Newcomer<'_> {
    fn drop(&mut self) {
        if let Some(instance) = self.instance.take() {
            self.retirement.push(Retired::unused(instance, Arc::clone(self.descriptor)));
        }
    }
}

/// A newcomer that is bound while hooks may still object. Where its caller gives up, it is undone.
struct Trial<'a> {
    retirement: &'a Retirement,
    slot: &'a Slot,
    turn: &'a mut Turn,
    old: Option<(Arc<Live>, Option<Users>)>,
    over: bool,
}

impl<'a> Trial<'a> {
    fn begin(retirement: &'a Retirement, slot: &'a Slot, turn: &'a mut Turn, newcomer: Newcomer<'_>) -> Self {
        let (live, users) = newcomer.bind();
        let old = slot.live.swap(Some(live));
        let old_users = turn.users.replace(users);
        Self { retirement, slot, turn, old: old.map(|old| (old, old_users)), over: false }
    }

    /// The newcomer stays; the old one goes.
    fn settle(mut self) -> Option<Retired> {
        self.over = true;
        let (live, users) = self.old.take()?;
        Some(live.retire(users?))
    }

    /// The old one stays; the newcomer goes.
    fn undo(&mut self) -> Option<Retired> {
        self.over = true;
        let (live, users) = match self.old.take() {
            Some((live, users)) => (Some(live), users),
            None => (None, None),
        };
        let newcomer = self.slot.live.swap(live);
        let newcomers = std::mem::replace(&mut self.turn.users, users);
        Some(newcomer?.retire(newcomers?))
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if !self.over
            && let Some(newcomer) = self.undo()
        {
            self.retirement.push(newcomer);
        }
    }
}

/// Tells of an attempt that its caller gave up.
struct Attempt<'a> {
    inner: &'a Inner,
    slot: &'a Slot,
    told: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.told {
            let now = self.inner.clock.now();
            self.slot.record(|status| status.fail("given up by its caller".to_owned(), now));
        }
        self.slot.count_attempt();
    }
}

/// How a change went, and what is out of service because of it: the old instance or the newcomer.
pub(super) struct Changed {
    pub(super) result: Result<Duration, LifecycleError>,
    pub(super) goes: Option<Retired>,
}

/// As [`Changed`]; whether the newcomer is healthy.
struct Tried {
    result: Result<bool, LifecycleError>,
    goes: Option<Retired>,
}

impl Inner {
    /// Brings up an instance of `descriptor` and binds it.
    pub(super) async fn change(
        &self,
        slot: &Slot,
        turn: &mut Turn,
        descriptor: &Arc<Descriptor>,
        force: bool,
    ) -> Changed {
        let began = self.clock.monotonic();
        slot.record(|status| status.begin(&descriptor.provider, self.clock.now()));
        let mut attempt = Attempt { inner: self, slot, told: false };
        let Tried { result, goes } = self.try_change(slot, turn, descriptor, force).await;
        attempt.told = true;
        let (now, took) = (self.clock.now(), self.clock.monotonic().saturating_sub(began));
        let (domain, key, provider) = (&descriptor.domain, &descriptor.key, &descriptor.provider);
        let result = match result {
            Ok(healthy) => {
                slot.bound(self.sequence.fetch_add(1, Ordering::Relaxed));
                slot.record(|status| {
                    status.succeed(provider, now, took);
                    if healthy {
                        status.last_health_at = Some(now);
                    }
                });
                tracing::info!(%domain, %key, %provider, ?took, "swap complete");
                Ok(took)
            }
            Err(error) => {
                slot.record(|status| status.fail(error.to_string(), now));
                tracing::warn!(%domain, %key, %provider, %error, "swap failed");
                Err(error)
            }
        };
        Changed { result, goes }
    }

    async fn try_change(
        &self,
        slot: &Slot,
        turn: &mut Turn,
        descriptor: &Arc<Descriptor>,
        force: bool,
    ) -> Tried {
        let mut newcomer = Newcomer { retirement: &self.retirement, descriptor, instance: None };
        let healthy = match self.bring_up(slot, &mut newcomer, force).await {
            Ok(healthy) => healthy,
            Err(error) => return Tried { result: Err(error), goes: newcomer.retire() },
        };
        let old = slot.live.load_full();
        let instance = newcomer.instance().clone();
        let change = Change {
            domain: &slot.id.domain,
            key: &slot.id.key,
            new: Side { descriptor, instance: &instance },
            old: old.as_deref().map(Live::side),
        };
        for hook in &self.hooks {
            let asked = within(&*self.clock, self.timeouts.hook, hook.before(&change)).await;
            if let Err(fault) = asked {
                let error = failed(descriptor, Phase::HookBefore, of_hook(hook.name(), fault));
                return Tried { result: Err(error), goes: newcomer.retire() };
            }
        }
        let mut trial = Trial::begin(&self.retirement, slot, turn, newcomer);
        for hook in &self.hooks {
            let asked = within(&*self.clock, self.timeouts.hook, hook.after(&change)).await;
            if let Err(fault) = asked {
                let error = failed(descriptor, Phase::HookAfter, of_hook(hook.name(), fault));
                return Tried { result: Err(error), goes: trial.undo() };
            }
        }
        Tried { result: Ok(healthy), goes: trial.settle() }
    }

    /// Settings, build, start, health and roles. Returns whether it is healthy.
    async fn bring_up(
        &self,
        slot: &Slot,
        newcomer: &mut Newcomer<'_>,
        force: bool,
    ) -> Result<bool, LifecycleError> {
        let descriptor = newcomer.descriptor;
        self.build(newcomer).await?;
        let component = newcomer.instance().component();
        let health = within(&*self.clock, self.timeouts.health, component.health()).await;
        if let Err(fault) = &health {
            if !force {
                return Err(failed(descriptor, Phase::Health, fault.clone()));
            }
            tracing::warn!(domain = %descriptor.domain, key = %descriptor.key, %fault, "unhealthy and forced");
        }
        match slot.lacks(newcomer.instance()) {
            Some(role) => Err(missing_role(descriptor, newcomer.instance(), role)),
            None => Ok(health.is_ok()),
        }
    }

    /// Settings, build and start, in `lifecycle.activation_timeout` altogether.
    async fn build(&self, newcomer: &mut Newcomer<'_>) -> Result<(), LifecycleError> {
        let descriptor = newcomer.descriptor;
        let runtime = self.runtime(descriptor)?;
        let limit = self.timeouts.activation;
        let end = (!limit.is_zero()).then(|| self.clock.monotonic() + limit);
        let at = |phase| move |fault| failed(descriptor, phase, fault);
        let settings = self.step(end, self.settings.settings(descriptor)).await;
        let settings = settings.map_err(at(Phase::Settings))?;
        let blueprint = Blueprint::new(Arc::clone(descriptor)).with_settings(settings);
        let built = self.step(end, runtime.build(&blueprint)).await;
        let instance = newcomer.instance.insert(built.map_err(at(Phase::Build))?);
        self.step(end, instance.component().start()).await.map_err(at(Phase::Start))
    }

    /// One step of an activation, until its end.
    async fn step<T>(
        &self,
        end: Option<Duration>,
        step: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let left = match end {
            None => Duration::ZERO,
            Some(end) => match end.saturating_sub(self.clock.monotonic()) {
                Duration::ZERO => return Err(Fault::timeout(self.timeouts.activation)),
                left => left,
            },
        };
        within(&*self.clock, left, step).await
    }

    /// The runtime that builds a candidate, if it may be built at all.
    pub(super) fn runtime(
        &self,
        descriptor: &Descriptor,
    ) -> Result<&Arc<dyn ComponentRuntime>, LifecycleError> {
        self.allowlist.judge(descriptor).map_err(|reason| LifecycleError::NotAllowed {
            domain: descriptor.domain.clone(),
            key: descriptor.key.clone(),
            reason,
        })?;
        self.runtimes.iter().find(|runtime| runtime.recognises(descriptor)).ok_or_else(|| {
            LifecycleError::NoRuntime {
                domain: descriptor.domain.clone(),
                key: descriptor.key.clone(),
                factory: descriptor.factory.to_string(),
                runtimes: self.runtimes.iter().map(|runtime| runtime.name()).collect(),
            }
        })
    }
}

/// The error for a newcomer that met `fault`; a refusal by its runtime is a matter of security.
fn failed(descriptor: &Descriptor, phase: Phase, fault: Fault) -> LifecycleError {
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

/// The error for an instance that does not play a role.
pub(super) fn missing_role(
    descriptor: &Descriptor,
    instance: &Instance,
    role: &'static str,
) -> LifecycleError {
    LifecycleError::MissingRole {
        domain: descriptor.domain.clone(),
        key: descriptor.key.clone(),
        provider: descriptor.provider.clone(),
        role,
        plays: instance.roles().collect(),
    }
}
