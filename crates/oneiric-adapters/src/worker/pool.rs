//! The processes of one component, and the calls that they share.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use oneiric_core::{Class, Clock, Fault, Payload};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::WorkerSettings;
use super::calls::{Calls, Submitted, Taken};
use super::driver::{Driver, Driving};
use super::message::{self, Ready};
use super::owner;
use super::pending::{Event, Pending};
use crate::Limits;
use crate::foreign::{Call, Caller};
use crate::process::launch::Launch;
use crate::process::reaper::Reaper;

/// What the processes of a pool have in common.
pub(crate) struct Spec {
    /// What messages call it: the program, or `pkg.mod:Attr`.
    pub(crate) name: String,
    pub(crate) launch: Launch,
    /// The first line that a process is sent.
    pub(crate) hello: Vec<u8>,
    pub(crate) settings: WorkerSettings,
    /// What a call is whose process died under it.
    pub(crate) loss: Class,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) reaper: Arc<Reaper>,
}

/// What the owners of the processes share with the pool.
pub(super) struct Shared {
    pub(super) spec: Spec,
    pub(super) calls: Calls,
}

/// The owners of the processes: a task each, and what a call may drive.
#[derive(Default)]
struct Owners {
    tasks: JoinSet<()>,
    drivers: Vec<(u64, Driver)>,
}

/// A pool of workers. Dropping it kills them; [`Caller::stop`] ends them in an orderly way.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    owners: Mutex<Owners>,
    ids: AtomicU64,
    asks_health: bool,
}

impl Pool {
    /// Starts the first process and hears what it says of itself.
    ///
    /// # Errors
    /// What the worker said, or why it did not start.
    pub(crate) async fn open(spec: Spec) -> Result<(Self, Ready), Fault> {
        let calls = Calls::new(spec.name.clone(), spec.settings);
        let shared = Arc::new(Shared { spec, calls });
        let mut pool = Self { shared, owners: Mutex::default(), ids: AtomicU64::new(1), asks_health: false };
        let (opened, ready) = oneshot::channel();
        pool.employ(pool.shared.calls.first_seat(), Some(opened));
        let ready = ready.await.unwrap_or_else(|_| Err(pool.shared.calls.stopped()))?;
        pool.asks_health = ready.health;
        Ok((pool, ready))
    }

    fn employ(&self, seat: Taken, opened: Option<oneshot::Sender<Result<Ready, Fault>>>) {
        let mut owners = self.owners();
        while owners.tasks.try_join_next().is_some() {}
        owners.drivers.retain(|(_, driver)| !driver.is_over());
        let number = seat.number;
        let driver = Driver::new(owner::own(self.shared.clone(), seat, opened));
        owners.drivers.push((number, driver.clone()));
        owners.tasks.spawn(driver.run(self.shared.spec.clock.clone()));
    }

    /// The right to move the owner of a seat along, for a call that is alone there; where it is not, the
    /// right of others ends.
    fn drive(&self, seat: u64, call: u64) -> Option<Driving> {
        let owners = self.owners();
        let (_, driver) = owners.drivers.iter().find(|(number, _)| *number == seat)?;
        if self.shared.calls.is_alone(seat) {
            return Some(driver.begin(call));
        }
        driver.hand_back();
        None
    }

    /// Lets nobody but the owners' own tasks move them along.
    fn hand_back(&self) {
        self.owners().drivers.iter().for_each(|(_, driver)| driver.hand_back());
    }

    /// Hands a call over and waits for its answer.
    async fn answer(
        &self,
        id: u64,
        line: Vec<u8>,
        key: Option<String>,
        call: Option<&Call<'_>>,
    ) -> Result<Payload, Fault> {
        let Shared { spec, calls } = self.shared.as_ref();
        let (to, mut events) = mpsc::unbounded_channel();
        let pulse = call.and_then(|call| call.cx).map(|cx| cx.pulse.clone());
        let pending = Pending::new(to, key, pulse, spec.limits);
        let seat = calls.submit(id, line, pending, spec.clock.monotonic())?;
        let mut guard = Abandon { shared: &self.shared, id, answered: false };
        let driving = match seat {
            Submitted::Served(seat) => self.drive(seat, id),
            Submitted::Waiting(seat) => {
                // Whoever drives may be held by somebody who does not poll it; others wait now.
                self.hand_back();
                if let Some(seat) = seat {
                    self.employ(seat, None);
                }
                None
            }
        };
        let mut cancelled = false;
        loop {
            let event = tokio::select! {
                biased;
                event = next(&mut events, driving.as_ref()) => event,
                () = asked_to_stop(call), if !cancelled => {
                    cancelled = true;
                    if let Some(call) = call {
                        let give_up_at = spec.clock.monotonic() + call.grace();
                        calls.cancel(id, give_up_at, call.cancelled_fault(&spec.name));
                    }
                    continue;
                }
            };
            match (event, call) {
                (Some(Event::Line(stream, line)), Some(call)) => call.line(stream, &line),
                (Some(Event::Line(_, line)), None) => tracing::info!(worker = %spec.name, "{line}"),
                (Some(Event::Answer(answer)), _) => {
                    guard.answered = true;
                    return match (answer, call) {
                        // However a call says that it stopped, it was cancelled.
                        (Err(_), Some(call)) if cancelled => Err(call.cancelled_fault(&spec.name)),
                        (answer, _) => answer,
                    };
                }
                (None, _) => return Err(calls.stopped()),
            }
        }
    }

    /// Waits for an earlier try of the same call, whose caller has gone, to be gone too: two tries never
    /// work side by side. Bounded by the grace of such a call.
    async fn outlive(&self, key: &str) {
        loop {
            let mut changed = std::pin::pin!(self.shared.calls.changed());
            changed.as_mut().enable();
            if !self.shared.calls.is_under_way(key) {
                return;
            }
            changed.await;
        }
    }

    fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    fn owners(&self) -> MutexGuard<'_, Owners> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The next event of a call, which drives where it may. While it does, its waker is not left with the
/// channel: it would wake itself with every answer, and be scheduled once more for nothing.
async fn next(events: &mut UnboundedReceiver<Event>, driving: Option<&Driving>) -> Option<Event> {
    std::future::poll_fn(|cx| {
        if let Ok(event) = events.try_recv() {
            return Poll::Ready(Some(event));
        }
        if driving.is_some_and(|driving| driving.poll(cx)) {
            match events.try_recv() {
                Ok(event) => return Poll::Ready(Some(event)),
                Err(TryRecvError::Empty) => return Poll::Pending,
                Err(TryRecvError::Disconnected) => return Poll::Ready(None),
            }
        }
        events.poll_recv(cx)
    })
    .await
}

async fn asked_to_stop(call: Option<&Call<'_>>) {
    match call {
        Some(call) => call.cancelled().await,
        None => std::future::pending().await,
    }
}

#[async_trait]
impl Caller for Pool {
    async fn call(&self, call: Call<'_>) -> Result<Payload, Fault> {
        if call.is_cancelled() {
            return Err(call.cancelled_fault(&self.shared.spec.name));
        }
        let key = call.cx.map(|cx| cx.idempotency_key());
        if let Some(key) = key.as_deref().filter(|_| call.cx.is_some_and(|cx| cx.attempt > 1)) {
            self.outlive(key).await;
        }
        let id = self.next_id();
        let line = message::call(id, &call, key.as_deref());
        self.answer(id, line, key, Some(&call)).await
    }

    async fn health(&self) -> Result<(), Fault> {
        self.shared.calls.health()?;
        // A pool that is busy is alive; a question would wait for its calls.
        if self.asks_health && self.shared.calls.has_room() {
            let id = self.next_id();
            self.answer(id, message::health(id), None, None).await?;
        }
        Ok(())
    }

    async fn stop(&self) -> Result<(), Fault> {
        self.shared.calls.close();
        self.hand_back();
        let mut owners = std::mem::take(&mut *self.owners());
        while owners.tasks.join_next().await.is_some() {}
        self.shared.spec.reaper.settle().await;
        Ok(())
    }
}

/// Gives a call up whose future is dropped.
struct Abandon<'a> {
    shared: &'a Shared,
    id: u64,
    answered: bool,
}

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        if !self.answered {
            let Shared { spec, calls } = self.shared;
            let give_up_at = spec.clock.monotonic() + spec.settings.grace;
            calls.cancel(self.id, give_up_at, Fault::transient("cancelled", "nobody waits for it any more"));
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("name", &self.shared.spec.name).finish_non_exhaustive()
    }
}
