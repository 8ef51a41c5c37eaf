//! One handler with one event: slot, gate, timeout, panic.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use oneiric_core::gate::{Admission, Decision, Denial, Gate, Purpose};
use oneiric_core::roles::Envelope;
use oneiric_core::{Clock, Domain, Fault, Payload, Rng, retry};

use tracing::Instrument as _;

use crate::outcome::Outcome;
use crate::stats::Stats;
use crate::table::{Live, Mode};

/// What calls need of the process around them.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub rng: Arc<dyn Rng>,
    /// Decides every start.
    pub gate: Arc<dyn Gate>,
}

/// How one try ended.
#[derive(Debug)]
pub(crate) enum Try {
    /// The handler was asked.
    Ended(Result<Payload, Fault>),
    /// The gate said no.
    Denied(Denial),
}

impl Parts {
    /// One try: waits for a slot, asks the gate, and calls. A slot is held for as long as the handler works.
    /// `before` is what has to be true right before the call.
    pub(crate) async fn attempt(
        &self,
        live: &Live,
        envelope: &Envelope,
        before: impl Future<Output = Result<(), Fault>>,
    ) -> Try {
        if live.buffer.is_paused() && live.mode != Mode::Pull {
            live.buffer.resumed().await;
        }
        let _slot = match live.slots.try_acquire() {
            Ok(slot) => slot,
            // It is never closed: whoever waits gets one, or is dropped.
            Err(_) => match live.slots.acquire().await {
                Ok(slot) => slot,
                Err(_) => return Try::Ended(Err(Fault::shutdown("the subscription is gone"))),
            },
        };
        let permit = match self.gate.admit(&self.admission(live, envelope)).verdict().await {
            Ok(permit) => permit,
            Err(denial) => return Try::Denied(denial),
        };
        let result = match before.await {
            Ok(()) => self.bounded(live, envelope).await,
            Err(fault) => Err(fault),
        };
        // Only now is the work over, for whoever counts it.
        permit.settle(result.as_ref().map(|_| ())).await;
        Try::Ended(result)
    }

    fn admission<'a>(&self, live: &'a Live, envelope: &Envelope) -> Admission<'a> {
        let subscription = &live.subscription;
        Admission {
            purpose: Purpose::Event,
            domain: &Domain::EVENT,
            key: &subscription.key,
            descriptor: subscription.descriptor.as_deref(),
            run: None,
            deadline: envelope.expires_at,
            now: self.clock.now(),
        }
    }

    /// Whether the gate keeps events from a handler at this moment, as far as it knows without asking further:
    /// what it has to find out, it is asked when the handler's turn comes.
    pub(crate) fn shut(&self, live: &Live, envelope: &Envelope) -> Option<Denial> {
        match self.gate.admit(&self.admission(live, envelope)) {
            Decision::Now(verdict) => verdict.err(),
            Decision::Later(_) => None,
        }
    }

    /// The call itself, within its time. It is polled once before a timer is made: most calls of a busy process
    /// never need one.
    async fn bounded(&self, live: &Live, envelope: &Envelope) -> Result<Payload, Fault> {
        let call = AssertUnwindSafe(live.handler.handle(envelope)).catch_unwind();
        let mut call = pin!(call);
        let answer = match once(call.as_mut()).await {
            Poll::Ready(answer) => answer,
            Poll::Pending => {
                let limit = live.subscription.timeout;
                tokio::select! {
                    // An answer counts, however late it is noticed.
                    biased;
                    answer = call => answer,
                    () = self.clock.sleep(limit) => return Err(Fault::timeout(limit)),
                }
            }
        };
        answer.unwrap_or_else(|panic| Err(Fault::panic(panic.as_ref())))
    }

    /// All tries of an event that is not stored.
    pub(crate) async fn call(&self, live: &Live, envelope: &Envelope) -> Outcome {
        let span = Self::span(live, envelope);
        self.calls(live, envelope, &span).instrument(span.clone()).await
    }

    async fn calls(&self, live: &Live, envelope: &Envelope, span: &tracing::Span) -> Outcome {
        let subscription = &live.subscription;
        let began = self.clock.monotonic();
        let mut attempts = 0;
        let result = loop {
            match self.attempt(live, envelope, std::future::ready(Ok(()))).await {
                Try::Denied(denial) => {
                    Stats::count(&live.stats.refused);
                    break Err(denial.into());
                }
                Try::Ended(Ok(value)) => {
                    attempts += 1;
                    break Ok(value);
                }
                Try::Ended(Err(fault)) => {
                    attempts += 1;
                    match self.again(live, &fault, attempts) {
                        Some(delay) => self.clock.sleep(delay).await,
                        None => break Err(fault),
                    }
                }
            }
        };
        let took = self.clock.monotonic().saturating_sub(began);
        if attempts > 0 {
            live.stats.ended(result.is_ok(), attempts, took);
            Self::tell(span, result.as_ref().map(|_| ()), attempts, took);
        }
        Outcome { handler: Arc::clone(&subscription.name), result, attempts, took, pending: false }
    }

    /// How long to wait for a further try; `None` where there is none.
    pub(crate) fn again(&self, live: &Live, fault: &Fault, attempts: u32) -> Option<Duration> {
        let subscription = &live.subscription;
        let policy = subscription.retry.as_ref();
        // Chance is asked for only where something depends on it.
        let chance = || self.rng.next_u64();
        let chance = if policy.is_some_and(|policy| policy.jitter > 0.0) { chance() } else { 0 };
        retry::decide(fault, subscription.idempotent, policy, attempts, chance)
    }

    /// Upstream's span around one handler with one event.
    pub(crate) fn span(live: &Live, envelope: &Envelope) -> tracing::Span {
        let subscription = &live.subscription;
        let max_attempts = subscription.retry.as_ref().map_or(1, |policy| policy.attempts);
        tracing::info_span!(
            "event.handler",
            "oneiric.domain" = "event",
            "oneiric.key" = %subscription.key,
            "oneiric.event.handler" = &*subscription.name,
            "oneiric.event.topic" = %envelope.topic,
            "oneiric.event.max_attempts" = max_attempts,
            "oneiric.event.success" = tracing::field::Empty,
            "oneiric.event.attempts" = tracing::field::Empty,
            "oneiric.event.duration_ms" = tracing::field::Empty,
        )
    }

    /// Upstream's line for the log: one for each handler that had the event.
    pub(crate) fn tell(span: &tracing::Span, result: Result<(), &Fault>, attempts: u32, took: Duration) {
        let duration_ms = took.as_secs_f64() * 1000.0;
        span.record("oneiric.event.success", result.is_ok());
        span.record("oneiric.event.attempts", attempts);
        span.record("oneiric.event.duration_ms", duration_ms);
        match result {
            Ok(()) => tracing::debug!(parent: span, attempts, duration_ms, "event-handler-complete"),
            // Whoever gets the result decides whether it is worth a warning.
            Err(fault) => tracing::debug!(parent: span, attempts, duration_ms, %fault, "event-handler-error"),
        }
    }
}

/// Polls a future a single time.
pub(crate) async fn once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}
