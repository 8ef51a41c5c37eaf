//! Takes events out of a buffer and to the handler of its subscription.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use oneiric_core::Fault;
use oneiric_core::roles::Envelope;

use crate::buffer::{Chain, Job};
use crate::call::Watch;
use crate::dispatcher::Dispatcher;
use crate::stats::Stats;
use crate::table::{Live, Mode};

/// A task that takes out of a buffer until it is empty.
struct Worker {
    dispatcher: Dispatcher,
    live: Arc<Live>,
    begun: bool,
    /// It ended because there was nothing more to do.
    left: bool,
    /// An event is with the handler.
    busy: bool,
}

impl Dispatcher {
    pub(crate) fn spawn_worker(&self, live: &Arc<Live>) {
        let (dispatcher, live) = (self.clone(), Arc::clone(live));
        let mut worker = Worker { dispatcher, live, begun: false, left: false, busy: false };
        let abort = self.0.abort.clone();
        self.0.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = worker.work() => {}
                () = abort.cancelled() => {}
            }
        });
    }

    /// Takes no more events, and waits until those in the buffers have been handled, at most `deadline`; what is
    /// at work by then is dropped, and so is what waits. How many events that were.
    ///
    /// Whoever pulls gets what waits for it, and then nothing more.
    pub async fn shutdown(&self, deadline: Duration) -> u64 {
        let inner = &self.0;
        inner.stop.cancel();
        inner.tasks.close();
        let table = self.table();
        table.lives().iter().filter(|live| live.mode != Mode::Push).for_each(|live| live.buffer.close());
        tokio::select! {
            biased;
            () = inner.tasks.wait() => {}
            () = inner.parts.clock.sleep(deadline) => {}
        }
        inner.abort.cancel();
        inner.tasks.wait().await;
        // A paused one has nobody who does.
        table.lives().iter().filter(|live| live.mode == Mode::Push).for_each(|live| self.abandon(live, 0));
        let abandoned = inner.abandoned.load(Ordering::Relaxed);
        if abandoned > 0 {
            tracing::warn!(events = abandoned, "events in memory were dropped: the process ends");
        }
        abandoned
    }

    /// Drops what waits for a handler, and counts it with what was at work.
    pub(crate) fn abandon(&self, live: &Live, busy: u64) {
        let events = busy + live.buffer.clear() as u64;
        live.stats.abandoned.fetch_add(events, Ordering::Relaxed);
        self.0.abandoned.fetch_add(events, Ordering::Relaxed);
    }
}

impl Worker {
    async fn work(&mut self) {
        self.begin();
        loop {
            let Some(job) = self.live.buffer.take_or_leave() else {
                self.left = true;
                return;
            };
            self.busy = true;
            self.run(job).await;
            self.busy = false;
            // A handler that never waits must not keep its thread to itself.
            tokio::task::coop::consume_budget().await;
        }
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            self.live.buffer.begun();
        }
    }

    async fn run(&self, job: Job) {
        let (parts, live) = (&self.dispatcher.0.parts, &self.live);
        if job.envelope().has_expired(parts.clock.now()) {
            Stats::count(&live.stats.expired);
            return;
        }
        let watch = Watch::start(&*parts.clock);
        match job {
            Job::One(envelope) => {
                if let Err(fault) = parts.call(live, &envelope, &watch, None).await.result {
                    warn(live, &envelope, &fault);
                }
            }
            Job::Chain(chain) => {
                let Chain { table, places, until_success, envelope } = *chain;
                let ended = parts.run_chain(&table, &places, until_success, &envelope, &watch, None).await;
                if until_success && ended.iter().any(|(_, outcome)| outcome.is_success()) {
                    return;
                }
                for (place, outcome) in &ended {
                    if let Err(fault) = &outcome.result {
                        warn(table.live(*place), &envelope, fault);
                    }
                }
            }
        }
    }
}

/// Nobody else hears of it.
fn warn(live: &Live, envelope: &Envelope, fault: &Fault) {
    let (handler, topic) = (&*live.subscription.name, &envelope.topic);
    tracing::warn!(handler, %topic, %fault, "an event was not handled");
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.left {
            self.begin();
            self.live.buffer.lose_worker();
            self.dispatcher.abandon(&self.live, u64::from(self.busy));
        }
    }
}
