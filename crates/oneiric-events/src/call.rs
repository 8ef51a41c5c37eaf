//! One handler with one event: slot, gate, timeout, panic.

mod quick;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use oneiric_core::gate::{Admission, Decision, Denial, Gate, Purpose};
use oneiric_core::roles::Envelope;
use oneiric_core::{Clock, Domain, Fault, Payload, Rng, Timestamp, retry};

use tracing::Instrument as _;

use crate::outcome::Outcome;
use crate::stats::Stats;
use crate::table::Live;

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

/// Time while one event is given to its handlers. Clocks cost as much as everything else together where
/// handlers answer at once: what one call reads at its end, the next one begins with.
#[derive(Debug)]
pub(crate) struct Watch<'c> {
    clock: &'c dyn Clock,
    began: Timestamp,
    /// The last reading, in nanoseconds of the monotonic clock.
    last: AtomicU64,
}

impl<'c> Watch<'c> {
    pub(crate) fn start(clock: &'c dyn Clock) -> Self {
        let watch = Self { clock, began: clock.now(), last: AtomicU64::new(0) };
        watch.read();
        watch
    }

    /// The last reading.
    fn last(&self) -> Duration {
        Duration::from_nanos(self.last.load(Ordering::Relaxed))
    }

    /// A new reading. Whenever a call hands over to others, too: they are not to count its time.
    fn read(&self) -> Duration {
        let now = self.clock.monotonic();
        self.last.store(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        now
    }
}

pub(crate) use quick::Under;

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
        watch: &Watch<'_>,
        before: impl Future<Output = Result<(), Fault>>,
    ) -> Try {
        let mut now = watch.began;
        if live.is_paused() {
            watch.read();
            live.buffer.resumed().await;
            now = self.clock.now();
        }
        let _slot = match live.slots.try_take() {
            Some(slot) => slot,
            None => {
                watch.read();
                let slot = live.slots.take().await;
                now = self.clock.now();
                slot
            }
        };
        let admission = Self::admission(live, envelope, now);
        let verdict = match self.gate.admit(&admission) {
            Decision::Now(verdict) => verdict,
            Decision::Later(verdict) => {
                watch.read();
                verdict.await
            }
        };
        let permit = match verdict {
            Ok(permit) => permit,
            Err(denial) => return Try::Denied(denial),
        };
        let result = match before.await {
            Ok(()) => self.bounded(live, envelope, watch).await,
            Err(fault) => Err(fault),
        };
        // Only now is the work over, for whoever counts it.
        permit.settle(result.as_ref().map(|_| ())).await;
        Try::Ended(result)
    }

    fn admission<'a>(live: &'a Live, envelope: &Envelope, now: Timestamp) -> Admission<'a> {
        let subscription = &live.subscription;
        Admission {
            purpose: Purpose::Event,
            domain: &Domain::EVENT,
            key: &subscription.key,
            descriptor: subscription.descriptor.as_deref(),
            run: None,
            deadline: envelope.expires_at,
            now,
        }
    }

    /// Whether the gate keeps events from a handler at this moment, as far as it knows without asking further:
    /// what it has to find out, it is asked when the handler's turn comes.
    pub(crate) fn shut(&self, live: &Live, envelope: &Envelope, now: Timestamp) -> Option<Denial> {
        match self.gate.admit(&Self::admission(live, envelope, now)) {
            Decision::Now(verdict) => verdict.err(),
            Decision::Later(_) => None,
        }
    }

    /// The call itself, within its time. It is polled once before a timer is made: most calls of a busy process
    /// never need one.
    async fn bounded(&self, live: &Live, envelope: &Envelope, watch: &Watch<'_>) -> Result<Payload, Fault> {
        let call = AssertUnwindSafe(live.handler.call(envelope)).catch_unwind();
        let mut call = pin!(call);
        let answer = match once(call.as_mut()).await {
            Poll::Ready(answer) => answer,
            Poll::Pending => {
                watch.read();
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

    /// All tries of an event that is not stored. Who has not answered when `limit` has passed is dropped.
    pub(crate) async fn call(
        &self,
        live: &Live,
        envelope: &Envelope,
        watch: &Watch<'_>,
        limit: Option<Duration>,
    ) -> Outcome {
        self.call_in(Self::span(live, envelope), live, envelope, watch, limit).await
    }

    /// The same in a span that is there already.
    async fn call_in(
        &self,
        span: tracing::Span,
        live: &Live,
        envelope: &Envelope,
        watch: &Watch<'_>,
        limit: Option<Duration>,
    ) -> Outcome {
        if span.is_disabled() {
            return self.calls(live, envelope, &span, watch, limit).await;
        }
        self.calls(live, envelope, &span, watch, limit).instrument(span.clone()).await
    }

    async fn calls(
        &self,
        live: &Live,
        envelope: &Envelope,
        span: &tracing::Span,
        watch: &Watch<'_>,
        limit: Option<Duration>,
    ) -> Outcome {
        let began = watch.last();
        let mut attempts = 0;
        let result = {
            let mut tries = pin!(self.tries(live, envelope, watch, &mut attempts));
            match (once(tries.as_mut()).await, limit) {
                (Poll::Ready(result), _) => result,
                (Poll::Pending, None) => tries.await,
                (Poll::Pending, Some(limit)) => tokio::select! {
                    biased;
                    result = tries => result,
                    () = self.clock.sleep(limit) => Err(Fault::timeout(limit)),
                },
            }
        };
        let took = watch.read().saturating_sub(began);
        if attempts > 0 {
            live.stats.ended(result.is_ok(), attempts, took);
            Self::tell(span, result.as_ref().map(|_| ()), attempts, took);
        }
        Outcome { handler: Arc::clone(&live.subscription.name), result, attempts, took, pending: false }
    }

    async fn tries(
        &self,
        live: &Live,
        envelope: &Envelope,
        watch: &Watch<'_>,
        attempts: &mut u32,
    ) -> Result<Payload, Fault> {
        match self.one(live, envelope, watch, attempts).await {
            Ok(value) => Ok(value),
            Err(fault) if *attempts == 0 => Err(fault),
            Err(fault) => self.tries_after(live, envelope, fault, attempts, None).await,
        }
    }

    /// Further tries after one that has failed, as many as may help.
    async fn tries_after(
        &self,
        live: &Live,
        envelope: &Envelope,
        mut fault: Fault,
        attempts: &mut u32,
        limit: Option<Duration>,
    ) -> Result<Payload, Fault> {
        let further = async {
            loop {
                let Some(delay) = self.again(live, &fault, *attempts) else { return Err(fault) };
                self.clock.sleep(delay).await;
                let (watch, before) = (Watch::start(&*self.clock), *attempts);
                match self.one(live, envelope, &watch, attempts).await {
                    Ok(value) => return Ok(value),
                    // The gate said no: that is the end of it.
                    Err(denied) if *attempts == before => return Err(denied),
                    Err(further) => fault = further,
                }
            }
        };
        match limit {
            None => further.await,
            Some(limit) => tokio::select! {
                biased;
                result = further => result,
                () = self.clock.sleep(limit) => Err(Fault::timeout(limit)),
            },
        }
    }

    /// One try. A denial counts as none.
    async fn one(
        &self,
        live: &Live,
        envelope: &Envelope,
        watch: &Watch<'_>,
        attempts: &mut u32,
    ) -> Result<Payload, Fault> {
        match self.attempt(live, envelope, watch, std::future::ready(Ok(()))).await {
            Try::Denied(denial) => {
                Stats::count(&live.stats.refused);
                Err(denial.into())
            }
            Try::Ended(result) => {
                *attempts += 1;
                result
            }
        }
    }

    /// Whether a further try is conceivable after the first.
    fn may_again(&self, live: &Live, fault: &Fault) -> bool {
        let subscription = &live.subscription;
        retry::decide(fault, subscription.idempotent, subscription.retry.as_ref(), 1, 0).is_some()
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
        if span.is_disabled() {
            return;
        }
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
