//! The short way through one call: for a handler that has a slot, that the gate lets through at once and that
//! answers when it is first asked. Nothing is set up for waiting then, which costs more than everything else.
//!
//! Whatever is not so goes the long way ([`Parts::call`]), from where this one got to.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use oneiric_core::gate::{Decision, Permit};
use oneiric_core::roles::Envelope;
use oneiric_core::{Fault, Payload};

use super::{Parts, Watch, once};
use crate::handler::Call;
use crate::outcome::Outcome;
use crate::slots::Slot;
use crate::stats::Stats;
use crate::table::Live;

/// A call that goes on.
pub(crate) type Under<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

impl Parts {
    /// Begins a call: what came of it, or what is to be waited for.
    pub(crate) fn begin<'a>(
        &'a self,
        live: &'a Live,
        envelope: &'a Envelope,
        watch: &'a Watch<'a>,
        limit: Option<Duration>,
        cx: &mut Context<'_>,
    ) -> Result<Outcome, Under<'a>> {
        // One span for each handler: what is looked at here is what the call goes on in.
        let span = Self::span(live, envelope);
        if live.is_paused() || !span.is_disabled() {
            return Err(Box::pin(self.call_in(span, live, envelope, watch, limit)));
        }
        let whole = || -> Under<'a> { Box::pin(self.call(live, envelope, watch, limit)) };
        let Some(slot) = live.slots.try_take() else { return Err(whole()) };
        let permit = match self.gate.admit(&Self::admission(live, envelope, watch.began)) {
            Decision::Now(Ok(permit)) => permit,
            Decision::Now(Err(denial)) => {
                Stats::count(&live.stats.refused);
                let handler = Arc::clone(&live.subscription.name);
                let result = Err(denial.into());
                return Ok(Outcome { handler, result, attempts: 0, took: Duration::ZERO, pending: false });
            }
            // The question is withdrawn; the long way asks it again and waits.
            Decision::Later(_) => return Err(whole()),
        };
        let began = watch.last();
        let first = catch_unwind(AssertUnwindSafe(|| {
            let mut call = live.handler.call(envelope);
            match call.as_mut().poll(cx) {
                Poll::Ready(result) => Ok(result),
                Poll::Pending => Err(call),
            }
        }));
        let result = match first {
            Ok(Ok(result)) => result,
            Ok(Err(call)) => {
                watch.read();
                let under = UnderWay { call, slot, permit, began };
                return Err(Box::pin(self.go_on(live, envelope, under, limit)));
            }
            Err(panic) => Err(Fault::panic(panic.as_ref())),
        };
        // Somebody wants to know how it ended, or it is not the end.
        if !permit.is_silent() || result.as_ref().err().is_some_and(|fault| self.may_again(live, fault)) {
            return Err(Box::pin(self.end(live, envelope, Tried { result, permit, began }, limit)));
        }
        drop((permit, slot));
        let took = watch.read().saturating_sub(began);
        live.stats.ended(result.is_ok(), 1, took);
        let handler = Arc::clone(&live.subscription.name);
        Ok(Outcome { handler, result, attempts: 1, took, pending: false })
    }

    /// Waits for a first try that was asked and has not answered.
    async fn go_on(
        &self,
        live: &Live,
        envelope: &Envelope,
        under: UnderWay<'_>,
        limit: Option<Duration>,
    ) -> Outcome {
        let UnderWay { call, slot, permit, began } = under;
        let patience = limit.unwrap_or(Duration::MAX).min(live.subscription.timeout);
        let mut call = pin!(AssertUnwindSafe(call).catch_unwind());
        // Asked once more before a timer is made: many answer when everybody has had a turn.
        let answer = match once(call.as_mut()).await {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => tokio::select! {
                // An answer counts, however late it is noticed.
                biased;
                answer = call => Some(answer),
                () = self.clock.sleep(patience) => None,
            },
        };
        let result = match answer {
            Some(answer) => answer.unwrap_or_else(|panic| Err(Fault::panic(panic.as_ref()))),
            None => Err(Fault::timeout(patience)),
        };
        drop(slot);
        self.end(live, envelope, Tried { result, permit, began }, limit).await
    }

    /// The first try has ended: tells whoever wants to know, and tries again where that may help.
    async fn end(&self, live: &Live, envelope: &Envelope, tried: Tried, limit: Option<Duration>) -> Outcome {
        let Tried { result, permit, began } = tried;
        permit.settle(result.as_ref().map(|_| ())).await;
        let left = limit.map(|limit| limit.saturating_sub(self.clock.monotonic().saturating_sub(began)));
        let mut attempts = 1;
        let result = match result {
            Err(fault) if left.is_none_or(|left| !left.is_zero()) => {
                self.tries_after(live, envelope, fault, &mut attempts, left).await
            }
            result => result,
        };
        let took = self.clock.monotonic().saturating_sub(began);
        live.stats.ended(result.is_ok(), attempts, took);
        Outcome { handler: Arc::clone(&live.subscription.name), result, attempts, took, pending: false }
    }
}

/// A first try that was asked and has not answered.
struct UnderWay<'a> {
    call: Call<'a>,
    slot: Slot<'a>,
    permit: Permit,
    /// On the monotonic clock.
    began: Duration,
}

/// A first try that has ended.
struct Tried {
    result: Result<Payload, Fault>,
    permit: Permit,
    /// On the monotonic clock.
    began: Duration,
}
