//! One service in the hands of the engine.

use std::sync::Arc;
use std::time::Duration;

use oneiric_core::lifecycle::Handle;
use oneiric_core::roles::Service;
use oneiric_core::{Key, Timestamp};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::board::Row;
use super::work::Said;
use crate::activity::Marks;
use crate::service::machine::{Machine, Stand, Tale};
use crate::service::roster::Member;
use crate::service::{Durations, ServiceFigures, State, Status};

/// One service, and what is under way of it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) member: Member,
    /// What it is to become once it has stopped.
    pub(super) next: Option<Member>,
    pub(super) machine: Machine,
    /// Whether somebody wants it: everybody does, until an operator says otherwise.
    pub(super) wanted: bool,
    /// It is to stop, and to start again then.
    pub(super) bounce: bool,
    /// It is on the roster no longer.
    pub(super) leaving: bool,
    pub(super) marks: Marks,
    pub(super) wave: usize,
    /// What it needed when it was started.
    pub(super) started_with: Vec<Key>,
    /// Its place among all starts.
    pub(super) started: Option<u64>,
    pub(super) work: Option<Work>,
    since: Timestamp,
    shown: State,
    last_check: Option<Timestamp>,
    latency: Option<Duration>,
    startup: Durations,
    shutdown: Durations,
    probe_failures: u64,
}

/// One start of it.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) stop: CancellationToken,
    pub(super) abort: AbortHandle,
    pub(super) said: Arc<Said>,
    pub(super) instance: Option<Handle<dyn Service>>,
    /// Whether the machine knows that it is ready.
    pub(super) told: bool,
}

impl Kept {
    pub(super) fn new(member: Member, wave: usize, now: Timestamp) -> Self {
        Self {
            machine: Machine::new(&member.spec),
            member,
            next: None,
            wanted: true,
            bounce: false,
            leaving: false,
            marks: Marks::default(),
            wave,
            started_with: Vec::new(),
            started: None,
            work: None,
            since: now,
            shown: State::Registered,
            last_check: None,
            latency: None,
            startup: Durations::default(),
            shutdown: Durations::default(),
            probe_failures: 0,
        }
    }

    pub(super) fn key(&self) -> &Key {
        &self.member.key
    }

    /// Whether it is to be there, as far as it is up to itself.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted && !self.bounce && !self.leaving && !self.marks.draining
    }

    /// Where the wish that it becomes something else is done, it is that. Whether it was.
    pub(super) fn land(&mut self) -> bool {
        if !self.bounce
            || !matches!(self.machine.stand(), Stand::Idle | Stand::Blocked | Stand::Over | Stand::Failed)
        {
            return false;
        }
        self.bounce = false;
        if let Some(next) = self.next.take() {
            self.become_now(next);
        }
        true
    }

    /// It is idle, and something else from now on.
    pub(super) fn become_now(&mut self, next: Member) {
        self.machine = self.machine.under(&next.spec);
        self.member = next;
    }

    /// Puts into figures and the log what there is to tell.
    pub(super) fn tell(&mut self, tale: &Tale) {
        let (key, attempt) = (&self.member.key, self.machine.attempt());
        match tale {
            Tale::Starts => tracing::info!(service = %key, attempt, "service starts"),
            Tale::Ready(took) => {
                self.startup.add(*took);
                tracing::info!(service = %key, attempt, took_ms = took.as_millis(), "service is ready");
            }
            Tale::ProbeFailed(which, reason) => {
                self.probe_failures += 1;
                tracing::debug!(service = %key, probe = ?which, reason, "probe failed");
            }
            Tale::Unwell(reason) => tracing::warn!(service = %key, reason, "service is not well"),
            Tale::Well => tracing::info!(service = %key, "service is well again"),
            Tale::Unfit(reason) => tracing::warn!(service = %key, reason, "service has to stop"),
            Tale::Over => tracing::info!(service = %key, "service ended"),
            Tale::Again(reason, wait) => {
                let wait_ms = wait.as_millis();
                tracing::warn!(service = %key, attempt, reason, wait_ms, "service failed and is started again");
            }
            Tale::GaveUp(reason) => tracing::error!(service = %key, attempt, reason, "service was given up"),
            Tale::Stopped(took) => {
                self.shutdown.add(*took);
                tracing::info!(service = %key, took_ms = took.as_millis(), "service stopped");
            }
            Tale::Late => tracing::warn!(service = %key, "service did not stop in time and is dropped"),
        }
    }

    /// A probe was answered.
    pub(super) fn checked(&mut self, now: Timestamp, took: Duration) {
        (self.last_check, self.latency) = (Some(now), Some(took));
    }

    fn state(&self) -> State {
        match self.machine.state() {
            State::Running if self.marks.paused => State::Paused,
            State::Stopping if self.marks.draining => State::Draining,
            state => state,
        }
    }

    /// How it stands; `waits_for` is what it needs before its turn comes.
    pub(super) fn row(&mut self, now: Timestamp, waits_for: Option<&Key>) -> Row {
        let state = self.state();
        if state != self.shown {
            (self.shown, self.since) = (state, now);
        }
        let (health, spec) = (self.machine.health(), &self.member.spec);
        let detail = self.machine.detail().or_else(|| match (self.marks.draining, waits_for) {
            (true, _) => Some("an operator drains it".to_owned()),
            (false, Some(key)) => Some(format!("waits for `{key}`")),
            (false, None) => None,
        });
        let status = Status {
            name: self.member.key.clone(),
            provider: self.member.provider.clone(),
            status: health,
            healthy: health == crate::service::Health::Ok,
            critical: spec.critical,
            state,
            startup_order: spec.startup_order,
            dependencies: spec.dependencies.clone(),
            restarts: self.machine.restarts(),
            since: self.since,
            last_check: self.last_check,
            latency_ms: self.latency.map(|took| took.as_secs_f64() * 1000.0),
            detail,
            error: self.machine.error().map(str::to_owned),
            figures: None,
        };
        let figures = ServiceFigures {
            key: self.member.key.clone(),
            startup: self.startup,
            shutdown: self.shutdown,
            restarts: u64::from(self.machine.restarts()),
            probe_failures: self.probe_failures,
            state,
            health,
        };
        let instance = self.work.as_ref().and_then(|work| work.instance.clone());
        Row { status, figures, instance }
    }
}
