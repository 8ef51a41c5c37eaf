//! Where the process is between its start and its end: what readiness says, and whether new work is taken.

use tokio::sync::watch;

use crate::oneiric::Oneiric;

/// Where a process is in its life. It only ever goes on to a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Its services are starting.
    Starting,
    /// It takes work.
    Serving,
    /// It takes no new work, and what is under way has the time to end.
    Draining,
    /// Nothing is under way any more.
    Stopped,
}

impl Phase {
    /// The word in output and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Serving => "serving",
            Phase::Draining => "draining",
            Phase::Stopped => "stopped",
        }
    }
}

/// The phase of a process, and who waits for the next one.
#[derive(Debug)]
pub(crate) struct Phases(watch::Sender<Phase>);

impl Default for Phases {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Starting))
    }
}

impl Phases {
    /// Tells of every further phase.
    pub(crate) fn watch(&self) -> watch::Receiver<Phase> {
        self.0.subscribe()
    }

    /// Goes on to a phase; one that was passed does not come back.
    pub(crate) fn enter(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let later = phase > *now;
            *now = (*now).max(phase);
            later
        });
    }
}

impl Oneiric {
    /// Where the process is in its life.
    pub fn phase(&self) -> Phase {
        *self.0.phases.0.borrow()
    }

    /// Waits until the process has come to a phase, or to a later one. Safe to drop.
    pub async fn reached(&self, phase: Phase) {
        // The sender lives as long as this one does.
        let _ = self.0.phases.0.subscribe().wait_for(|now| *now >= phase).await;
    }

    /// Takes no new work from others from now on, and says so to whoever asks whether it is ready. What is under
    /// way goes on. The first step of [`Oneiric::shutdown`], for who wants time between that and the rest.
    pub fn refuse_work(&self) {
        self.0.phases.enter(Phase::Draining);
    }
}
