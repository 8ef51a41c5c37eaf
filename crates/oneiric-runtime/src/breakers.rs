//! The circuit breakers of tasks: kept in the store, so that every process on it knows them, asked at the gate,
//! told by outcomes.
//!
//! What a breaker does is decided in [`oneiric_core::breaker`]. Here its record is read for every try of a task
//! that has one, and written where it changes: for failures, and for the first success after one. The version of
//! the record admits one probe, however many processes ask. A store that cannot answer lets pass: the try itself
//! will find out.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use oneiric_core::breaker::{self, Breaker, End, Guarded, Passage, Policy};
use oneiric_core::gate::{Admission, Decision, Denial, Gate, Permit, Purpose, Step, Wait};
use oneiric_core::rng::unit;
use oneiric_core::{Class, Clock, Descriptor, Fault, Rng, Timestamp};
use oneiric_store::{Batch, CommitError, Extension, Op, Refusal, Require, Store, StoreError};
use tokio::sync::Notify;

use crate::metrics::Opened;
use crate::secrets::FromSettings;

/// The family of the records.
pub(crate) const FAMILY: &str = "breaker";

/// How often a record is read again because somebody else was faster. Each time somebody got ahead.
const RACES: u32 = 32;

/// The part of `reset` by which those who wait are spread, so that they do not all come at once.
const SPREAD: f64 = 0.1;

/// The part of `reset` after which others look whether the probe has ended.
const GLANCE: u32 = 4;

/// The breakers on a store.
#[derive(Debug)]
pub(crate) struct Breakers {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    settings: Arc<FromSettings>,
    /// Told when one has closed: what it held back may ask again.
    closed: Arc<Notify>,
    opened: Arc<Opened>,
}

/// One breaker, as an admission needs it.
#[derive(Debug, Clone)]
struct Guard {
    target: String,
    policy: Policy,
    /// How long a probe may take before another one may pass in its place.
    patience: Duration,
}

impl Breakers {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        settings: Arc<FromSettings>,
    ) -> Arc<Self> {
        let (closed, opened) = (Arc::default(), Arc::default());
        Arc::new(Self { store, clock, rng, settings, closed, opened })
    }

    /// Is told when one has closed.
    pub(crate) fn closed(&self) -> Arc<Notify> {
        Arc::clone(&self.closed)
    }

    /// How often one opened.
    pub(crate) fn opened(&self) -> Arc<Opened> {
        Arc::clone(&self.opened)
    }

    fn guard(&self, admission: &Admission<'_>) -> Option<Guard> {
        let descriptor =
            admission.descriptor.filter(|_| matches!(admission.purpose, Purpose::Node | Purpose::Event))?;
        // What is wrong in a manifest was found when that was read.
        let settings = self.settings.settings();
        let unsaid = &settings.circuit_breaker;
        let Guarded { policy, target } =
            breaker::stated(&descriptor.metadata, unsaid.policy(), unsaid.enabled).ok()??;
        let stated = descriptor.timeout_seconds.and_then(|limit| Duration::try_from_secs_f64(limit).ok());
        let patience = stated.unwrap_or(policy.reset).max(policy.reset);
        Some(Guard { target: target.unwrap_or_else(|| name_of(descriptor)), policy, patience })
    }

    async fn admit(self: Arc<Self>, guard: Guard) -> Result<Permit, Denial> {
        let probe = self.rng.next_u64();
        for _ in 0..RACES {
            let (breaker, version) = match self.read(&guard.target).await {
                Ok(read) => read,
                Err(error) => {
                    tracing::warn!(target = guard.target, %error, "the breaker cannot be read");
                    return Ok(Permit::none());
                }
            };
            let now = self.clock.now();
            match breaker.ask(&guard.policy, now, probe, guard.patience) {
                Passage::Free => return Ok(self.telling(guard, None)),
                Passage::Wait(until) => return Err(self.denial(&guard, breaker, now, until)),
                Passage::Probe(next) => match self.write(&guard.target, version, next).await {
                    Ok(true) => {
                        tracing::info!(target = guard.target, "one try shows whether it is better");
                        return Ok(self.telling(guard, Some(probe)));
                    }
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(target = guard.target, %error, "the breaker cannot be written");
                        return Ok(Permit::none());
                    }
                },
            }
        }
        let now = self.clock.now();
        Err(self.denial(&guard, Breaker::CLEAN, now, now.after(guard.policy.reset)))
    }

    fn telling(self: Arc<Self>, guard: Guard, probe: Option<u64>) -> Permit {
        Permit::telling(move |end| async move { self.heard(&guard, probe, judge(end)).await })
    }

    fn denial(&self, guard: &Guard, breaker: Breaker, now: Timestamp, until: Timestamp) -> Denial {
        let Guard { target, policy, .. } = guard;
        let reason = match breaker {
            Breaker::HalfOpen { .. } => {
                format!("`{target}` kept failing; a try is under way that shows whether it is better")
            }
            Breaker::Open { opened: 1, .. } | Breaker::Closed { .. } => {
                format!("`{target}` failed {} times in a row", policy.threshold)
            }
            Breaker::Open { opened, .. } => {
                format!("`{target}` kept failing, also when it was tried again {} times", opened - 1)
            }
        };
        let until = match breaker {
            // It may close long before.
            Breaker::HalfOpen { .. } => until.min(now.after(policy.reset / GLANCE)),
            Breaker::Open { .. } | Breaker::Closed { .. } => until,
        };
        let until = until.after(policy.reset.mul_f64(SPREAD * unit(self.rng.next_u64())));
        Denial { step: Step::Breaker, reason, wait: Wait::Until(until) }
    }

    async fn heard(&self, guard: &Guard, probe: Option<u64>, end: End) {
        for _ in 0..RACES {
            let written = async {
                let (breaker, version) = self.read(&guard.target).await?;
                let Some(next) = breaker.heard(&guard.policy, self.clock.now(), probe, end) else {
                    return Ok(true);
                };
                let written = self.write(&guard.target, version, next).await?;
                if written {
                    self.tell(&guard.target, breaker, next);
                }
                Ok::<_, StoreError>(written)
            };
            match written.await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(target = guard.target, %error, "the breaker was not told");
                    return;
                }
            }
        }
        tracing::warn!(target = guard.target, "the breaker was not told: others were faster");
    }

    fn tell(&self, target: &str, before: Breaker, after: Breaker) {
        match (before, after) {
            (_, Breaker::Open { until, opened }) => {
                self.opened.0.fetch_add(1, Ordering::Relaxed);
                let seconds = until.since(self.clock.now()).as_secs_f64();
                tracing::warn!(target, opened, seconds, "breaker open");
            }
            (Breaker::HalfOpen { .. }, Breaker::Closed { .. }) => {
                tracing::info!(target, "breaker closed");
                self.closed.notify_one();
            }
            _ => {}
        }
    }

    async fn read(&self, target: &str) -> Result<(Breaker, Option<u64>), StoreError> {
        let Some((version, bytes)) = self.store.extension(FAMILY, target).await? else {
            return Ok((Breaker::CLEAN, None));
        };
        let breaker = serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::warn!(target, %error, "the breaker's record cannot be read; it begins anew");
            Breaker::CLEAN
        });
        Ok((breaker, Some(version)))
    }

    /// Whether it was written; not where somebody else was faster.
    async fn write(&self, target: &str, version: Option<u64>, next: Breaker) -> Result<bool, StoreError> {
        let (family, key) = (FAMILY.to_owned(), target.to_owned());
        let value = Some(serde_json::to_vec(&next).expect("a breaker is plain data"));
        let record = Extension { family: family.clone(), key: key.clone(), value, at: self.clock.now() };
        let batch =
            Batch::of([Op::Extension(record)]).require(Require::ExtensionVersion { family, key, version });
        match self.store.commit(batch).await {
            Ok(()) => Ok(true),
            Err(CommitError::Refused(Refusal::Version { .. })) => Ok(false),
            Err(CommitError::Refused(refusal)) => {
                tracing::error!(target, %refusal, "a breaker was refused");
                Ok(true)
            }
            Err(CommitError::Store(error)) => Err(error),
        }
    }
}

/// What a component is called that shares its breaker with nobody.
fn name_of(descriptor: &Descriptor) -> String {
    format!("{}/{}/{}", descriptor.domain, descriptor.key, descriptor.provider)
}

/// What an end says of the target. A permanent fault and a denial of its own are answers.
fn judge(end: Result<(), Fault>) -> End {
    match end.map_err(|fault| fault.class) {
        Ok(()) | Err(Class::Permanent | Class::Denied) => End::Answered,
        Err(Class::Transient | Class::UnknownOutcome) => End::Failed,
        Err(Class::Shutdown) => End::Unjudged,
    }
}

/// A gate with the breakers behind it: whoever gets so far would start.
#[derive(Debug)]
pub(crate) struct Behind {
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) breakers: Arc<Breakers>,
}

impl Gate for Behind {
    fn admit<'a>(&'a self, admission: &'a Admission<'a>) -> Decision<'a> {
        let Some(guard) = self.breakers.guard(admission) else { return self.gate.admit(admission) };
        Decision::Later(Box::pin(async move {
            let permit = self.gate.admit(admission).verdict().await?;
            Ok(permit.and(Arc::clone(&self.breakers).admit(guard).await?))
        }))
    }
}

/// What breakers held back asks again once they have closed. Runs until it is dropped.
pub(crate) async fn release(
    executor: oneiric_dag::Executor,
    courier: oneiric_events::Courier,
    closed: Arc<Notify>,
) {
    loop {
        closed.notified().await;
        executor.reconsider();
        courier.reconsider();
    }
}
