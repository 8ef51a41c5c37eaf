//! The windows of triggers, as this process knows them: whose turn it is to change one, and which is due when.
//!
//! Windows are records of the store (see [`oneiric_events::bucket`]), changed under their version together with
//! what comes of that. So two processes that fire one window start one run. Within a process those who change
//! one window come one after the other, because a version that was overtaken costs a commit.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use oneiric_core::{Clock, Key, RunId, Timestamp};
use oneiric_events::bucket::{self, Bucket, BucketError};
use oneiric_events::window::{Decision, Window, fire};
use oneiric_store::{Batch, CommitError, Refusal, StoreError};
use tokio::sync::Notify;

use super::trigger::writing;
use crate::error::Error;
use crate::oneiric::{Inner, Oneiric};

/// How often a record is read again because somebody else was faster. Each time somebody got ahead.
pub(super) const RACES: u32 = 64;

/// Windows that are changed at the same time in one process: more than there are cores, and commits under way.
const STRIPES: usize = 64;

/// When to look into the store again where no bell rang: one may have been missed.
const IDLE: Duration = Duration::from_secs(60);

/// Rings that come within this time are one: a look reads every window.
const GLANCE: Duration = Duration::from_millis(50);

/// Who changes which window, and which is due when.
#[derive(Debug)]
pub(crate) struct Windows {
    stripes: Vec<tokio::sync::Mutex<()>>,
    due: Mutex<HashMap<String, Timestamp>>,
    /// Somebody else has changed windows.
    stale: AtomicBool,
    bell: Notify,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            stripes: (0..STRIPES).map(|_| tokio::sync::Mutex::default()).collect(),
            due: Mutex::default(),
            stale: AtomicBool::new(true),
            bell: Notify::new(),
        }
    }
}

/// A record of windows as it was read.
#[derive(Debug)]
pub(super) enum Known {
    Read { version: u64, bucket: Bucket },
    Absent,
    Unreadable(BucketError),
}

impl Windows {
    /// The turn to change these records; the order in which they are named makes no difference.
    pub(super) async fn turn(
        &self,
        places: impl Iterator<Item = &str>,
    ) -> Vec<tokio::sync::MutexGuard<'_, ()>> {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        // In one order for everybody, so that nobody waits in a circle.
        let stripes: BTreeSet<usize> =
            places.map(|place| hasher.hash_one(place) as usize % STRIPES).collect();
        let mut held = Vec::with_capacity(stripes.len());
        for stripe in stripes {
            held.push(self.stripes[stripe].lock().await);
        }
        held
    }

    /// A record was written, and is due then.
    pub(super) fn know(&self, place: &str, due: Option<Timestamp>) {
        let mut all = self.due();
        let first = all.values().min().copied();
        match due {
            Some(due) => all.insert(place.to_owned(), due),
            None => all.remove(place),
        };
        drop(all);
        if due.is_some_and(|due| first.is_none_or(|first| due < first)) {
            self.bell.notify_one();
        }
    }

    /// Other processes may have changed windows.
    #[cfg(feature = "sqlite")]
    pub(crate) fn look(&self) {
        self.stale.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    fn due(&self) -> MutexGuard<'_, HashMap<String, Timestamp>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A window of a trigger, for people.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct WindowView {
    /// Whose trigger: `key:provider`.
    pub handler: String,
    /// What it starts.
    pub workflow: Key,
    /// The value of the trigger's `key`; empty where it has none.
    pub key: String,
    /// How many events wait in it.
    pub events: u64,
    /// When they start a run.
    #[serde(serialize_with = "super::report::written")]
    pub due_at: Option<Timestamp>,
    /// How many starts the throttle counts.
    pub starts: usize,
    /// The run that was started last, where there may be only one at a time.
    pub run: Option<RunId>,
    /// How many events started none.
    pub unstarted: u64,
}

impl Oneiric {
    /// The windows of triggers: events that wait to start a run, and what their throttles and singletons go by.
    ///
    /// # Errors
    /// [`Error::Store`]. A record that cannot be read is left out, and logged.
    pub async fn windows(&self) -> Result<Vec<WindowView>, Error> {
        let mut all = Vec::new();
        for (place, _, bytes) in self.store().extensions(bucket::FAMILY).await? {
            let bucket = match Bucket::read(&place, &bytes) {
                Ok(bucket) => bucket,
                Err(error) => {
                    tracing::warn!(%error, "a window is not shown");
                    continue;
                }
            };
            all.extend(bucket.windows().iter().map(|window| WindowView {
                handler: bucket.handler.clone(),
                workflow: bucket.workflow.clone(),
                key: window.key.clone(),
                events: window.gathered.as_ref().map_or(0, |gathered| gathered.events),
                due_at: window.due(),
                starts: window.starts.len(),
                run: window.run,
                unstarted: window.unstarted,
            }));
        }
        Ok(all)
    }

    async fn read_windows(&self, place: &str) -> Result<Known, StoreError> {
        let Some((version, bytes)) = self.store().extension(bucket::FAMILY, place).await? else {
            return Ok(Known::Absent);
        };
        Ok(match Bucket::read(place, &bytes) {
            Ok(bucket) => Known::Read { version, bucket },
            Err(error) => Known::Unreadable(error),
        })
    }

    /// A record in which nothing is ripe: what was is fired. Whoever asks holds the turn of the place.
    pub(super) async fn fired(
        &self,
        place: &str,
        is_ripe: impl Fn(&Window) -> bool + Send,
    ) -> Result<Known, StoreError> {
        for _ in 0..RACES {
            let known = self.read_windows(place).await?;
            let Known::Read { version, bucket } = &known else { return Ok(known) };
            let ripe: Vec<Window> =
                bucket.windows().iter().filter(|window| is_ripe(window)).cloned().collect();
            if ripe.is_empty() {
                return Ok(known);
            }
            let fired = self.fire(place, *version, bucket.clone(), ripe).await;
            match fired {
                Ok(()) | Err(CommitError::Refused(Refusal::Version { .. } | Refusal::RunOver { .. })) => {}
                Err(CommitError::Refused(refusal)) => return Err(StoreError::Io(refusal.to_string())),
                Err(CommitError::Store(error)) => return Err(error),
            }
        }
        Err(StoreError::Io(format!("window record `{place}` was changed by others {RACES} times in a row")))
    }

    /// Starts the runs of ripe windows, in one transaction with what becomes of these.
    async fn fire(
        &self,
        place: &str,
        version: u64,
        mut bucket: Bucket,
        ripe: Vec<Window>,
    ) -> Result<(), CommitError> {
        let now = self.executor().parts().clock.now();
        let (mut batch, mut told, mut cancels) = (Batch::default(), Vec::new(), false);
        for window in ripe {
            let moment = self.moment(self.new_id(), self.is_under_way(window.run).await?);
            let (window, decision) = fire(window, moment);
            let key = window.key.clone();
            bucket.put(window);
            match decision {
                Some(Decision::Start(start)) => {
                    cancels |= start.cancels.is_some();
                    told.push((key, Ok((start.run, start.events))));
                    batch = batch.and(self.inserting(&bucket.handler, &bucket.workflow, *start));
                }
                Some(Decision::Skip(skip)) => told.push((key, Err(skip))),
                Some(Decision::Wait(_)) | None => {}
            }
        }
        bucket.shed(now, |_| false);
        self.store().commit(writing(place, Some(version), &bucket, now).and(batch)).await?;
        oneiric_store::failpoint::reach("window.fired");
        self.0.windows.know(place, bucket.due());
        let (handler, workflow) = (&bucket.handler, &bucket.workflow);
        let started = told.iter().any(|(_, outcome)| outcome.is_ok());
        for (key, outcome) in told {
            match outcome {
                Ok((run, events)) => {
                    tracing::info!(handler, %workflow, key, %run, events, "events start a run")
                }
                // Nobody waits for an answer who could be told.
                Err(skip) => tracing::warn!(handler, %workflow, key, reason = %skip, "events start no run"),
            }
        }
        if cancels {
            self.tell_everybody().await;
        } else if started {
            self.offer().await;
        }
        Ok(())
    }

    /// Something in the store concerns every process: a command, or a window.
    pub(super) async fn tell_everybody(&self) {
        self.ring();
        #[cfg(feature = "sqlite")]
        self.ring_others().await;
    }

    /// Fires what is due. When to look again at the latest.
    async fn fire_due(&self, looked: &mut Duration) -> Duration {
        let windows = &self.0.windows;
        let clock = &self.executor().parts().clock;
        let old = clock.monotonic().saturating_sub(*looked) >= IDLE;
        if windows.stale.swap(false, Ordering::AcqRel) || old {
            *looked = clock.monotonic();
            if let Err(error) = self.reread_windows().await {
                tracing::error!(%error, "cannot see which events wait to start a run");
            }
        }
        let now = clock.now();
        let due: Vec<String> =
            windows.due().iter().filter(|(_, due)| **due <= now).map(|(place, _)| place.clone()).collect();
        for place in due {
            let turn = windows.turn(std::iter::once(&*place)).await;
            let is_due = |window: &Window| window.due().is_some_and(|due| due <= clock.now());
            let error = match self.fired(&place, is_due).await {
                Ok(Known::Read { bucket, .. }) => {
                    windows.know(&place, bucket.due());
                    None
                }
                Ok(Known::Absent) => {
                    windows.know(&place, None);
                    None
                }
                Ok(Known::Unreadable(error)) => Some(error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            drop(turn);
            if let Some(error) = error {
                tracing::error!(place, error, "events that wait start no run");
                windows.due().insert(place, now.after(IDLE));
            }
        }
        let next = windows.due().values().min().map(|due| due.since(clock.now()));
        let idle = IDLE.saturating_sub(clock.monotonic().saturating_sub(*looked));
        next.map_or(idle, |next| next.min(idle))
    }

    async fn reread_windows(&self) -> Result<(), StoreError> {
        for (place, _, bytes) in self.store().extensions(bucket::FAMILY).await? {
            match Bucket::read(&place, &bytes) {
                Ok(bucket) => self.0.windows.know(&place, bucket.due()),
                Err(error) => tracing::error!(%error, "events that wait start no run"),
            }
        }
        Ok(())
    }
}

/// Fires windows that are due, from the start on. Runs until it is dropped.
pub(crate) async fn keep(inner: Weak<Inner>, windows: Arc<Windows>, clock: Arc<dyn Clock>) {
    let mut looked = Duration::ZERO;
    loop {
        let Some(inner) = inner.upgrade() else { return };
        let next = Oneiric(inner).fire_due(&mut looked).await;
        tokio::select! {
            () = windows.bell.notified() => {}
            () = clock.sleep(next) => {}
        }
        if windows.stale.load(Ordering::Acquire) {
            let since = clock.monotonic().saturating_sub(looked);
            clock.sleep(GLANCE.saturating_sub(since)).await;
        }
    }
}
