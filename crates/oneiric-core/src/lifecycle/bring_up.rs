//! From a candidate to an instance that is up: settings, build, start, health.

use std::sync::Arc;
use std::time::Duration;

use crate::{Blueprint, ComponentRuntime, Descriptor, Fault, Instance};

use super::Inner;
use super::change::{Newcomer, failed};
use super::error::{LifecycleError, Phase};
use super::slot::Slot;
use super::timeouts::within;
use super::unit::Unit;

impl Inner {
    /// Leaves what is up in `newcomer`, and returns it with whether it is healthy.
    pub(super) async fn bring_up(
        &self,
        slot: &Slot,
        descriptor: &Arc<Descriptor>,
        newcomer: &mut Newcomer<'_>,
        force: bool,
    ) -> Result<(Arc<Unit>, bool), LifecycleError> {
        let unit = self.build(descriptor, newcomer).await?;
        if let Some(role) = slot.lacks(&unit.instance) {
            return Err(missing_role(descriptor, &unit.instance, role));
        }
        let health =
            self.step(self.timeouts().health, async || unit.instance.component().health().await).await;
        if let Err(fault) = &health {
            if !force || self.stopping.is_cancelled() {
                return Err(failed(descriptor, Phase::Health, fault.clone()));
            }
            let (domain, key, provider) = (&descriptor.domain, &descriptor.key, &descriptor.provider);
            tracing::warn!(%domain, %key, %provider, %fault, "unhealthy and forced");
        }
        Ok((unit, health.is_ok()))
    }

    /// Settings, build and start, in `lifecycle.activation_timeout` altogether.
    async fn build(
        &self,
        descriptor: &Arc<Descriptor>,
        newcomer: &mut Newcomer<'_>,
    ) -> Result<Arc<Unit>, LifecycleError> {
        let runtime = self.runtime(descriptor)?;
        let at = |phase| move |fault| failed(descriptor, phase, fault);
        let began = self.clock.monotonic();
        // Taken first: where they change meanwhile, the instance is overtaken, and not forgotten.
        let edition = self.settings.edition(descriptor);
        let settings = self.activation(began, async || self.settings.settings(descriptor).await).await;
        let settings = settings.map_err(at(Phase::Settings))?;
        let blueprint = Blueprint::new(Arc::clone(descriptor)).with_settings(settings);
        let built = self.activation(began, async || runtime.build(&blueprint).await).await;
        let unit = self.inventory.take_in(built.map_err(at(Phase::Build))?, Arc::clone(descriptor), edition);
        newcomer.unit = Some(Arc::clone(&unit));
        let start = self.activation(began, async || unit.instance.component().start().await).await;
        start.map_err(at(Phase::Start))?;
        Ok(unit)
    }

    /// One step of an activation that began at `began`.
    async fn activation<T>(
        &self,
        began: Duration,
        step: impl AsyncFnOnce() -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let limit = self.timeouts().activation;
        if limit.is_zero() {
            return self.step(limit, step).await;
        }
        match limit.saturating_sub(self.clock.monotonic().saturating_sub(began)) {
            Duration::ZERO => Err(Fault::timeout(limit)),
            left => self.step(left, step).await,
        }
    }

    /// One step of a change; cut short where the lifecycle ends.
    pub(super) async fn step<T>(
        &self,
        limit: Duration,
        step: impl AsyncFnOnce() -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let cut_off = || Fault::shutdown("the process is shutting down");
        if self.stopping.is_cancelled() {
            return Err(cut_off());
        }
        tokio::select! {
            biased;
            answer = within(&*self.clock, limit, step()) => answer,
            () = self.stopping.cancelled() => Err(cut_off()),
        }
    }

    /// The runtime that builds a candidate, if it may be built at all.
    fn runtime(&self, descriptor: &Descriptor) -> Result<&Arc<dyn ComponentRuntime>, LifecycleError> {
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

    /// What bringing a candidate up would meet before anything is built.
    pub(super) fn check(&self, descriptor: &Arc<Descriptor>) -> Result<(), LifecycleError> {
        let runtime = self.runtime(descriptor)?;
        let blueprint =
            Blueprint::new(Arc::clone(descriptor)).with_settings(self.settings.masked(descriptor));
        runtime.check(&blueprint).map_err(|fault| failed(descriptor, Phase::Build, fault))
    }
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
