//! Whether this process is well: the facts for the report, asked for at most once a second.
//!
//! What follows from them is [`oneiric_supervisor::health`]'s. Parts of the process that this one does not know add
//! theirs as a [`HealthSource`].

mod file;
mod keeper;
mod round;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use oneiric_core::lifecycle::Status;
use oneiric_core::metrics::Family;
use oneiric_core::{Clock, Domain, Key, Provider, Timestamp};
use serde_json::json;
use tokio::sync::watch;

// What the functions of this module take and give.
pub use oneiric_supervisor::health::{
    About, Component, ComponentHealth, Degraded, Facts, Reason, Remote, Report, SIGN_OF_LIFE, STALE_AFTER,
    ServiceHealth, Severity, Snapshot, StoreHealth, Watchers, judge,
};

use crate::oneiric::Oneiric;
use crate::phase::Phase;
use crate::reload::{ReloadFailure, Reloads, Watching};
pub(crate) use keeper::Keeper;
use round::Rounds;

/// The file in the state folder.
pub const SNAPSHOT: &str = "runtime_health.json";

/// How much is asked for a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The store; of components and services what is known of them.
    Store,
    /// The components in service, too.
    Components,
}

/// A part of the process that has something to say about its health, and numbers. Asked often: must neither wait
/// nor block.
pub trait HealthSource: Send + Sync + fmt::Debug {
    /// Adds what it knows.
    fn tell(&self, facts: &mut Facts) {
        let _ = facts;
    }

    /// What it has counted.
    fn metrics(&self) -> Vec<Family> {
        Vec::new()
    }
}

const _: fn(&dyn HealthSource) = |_| {};

/// What is kept between two reports.
#[derive(Debug)]
pub(crate) struct Health {
    /// On the monotonic clock.
    began: Duration,
    rounds: Rounds,
    answers: Mutex<HashMap<Name, Answered>>,
    reasons: Mutex<Vec<Reason>>,
    sources: RwLock<Vec<Arc<dyn HealthSource>>>,
    news: watch::Sender<u64>,
    pub(crate) keeper: OnceLock<Keeper>,
}

/// What a component answered last: when, how long it took, and why it is not well.
type Answered = (Timestamp, Duration, Result<(), String>);

/// What a component is called.
type Name = (Domain, Key, Option<Provider>);

impl Health {
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        Self {
            began: clock.monotonic(),
            rounds: Rounds::default(),
            answers: Mutex::default(),
            reasons: Mutex::default(),
            sources: RwLock::default(),
            news: watch::Sender::new(0),
            keeper: OnceLock::new(),
        }
    }

    pub(crate) fn sources(&self) -> Vec<Arc<dyn HealthSource>> {
        self.sources.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

// Nothing under these locks can panic half way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Oneiric {
    /// How the process is. Whoever asks within a second gets the same report, and of many who ask at once one does
    /// the asking; nobody waits longer than the limits of the store's and the components' answers, two seconds
    /// each.
    ///
    /// Safe to drop: the next one asks.
    pub async fn health_report(&self, depth: Depth) -> Arc<Report> {
        self.0.health.rounds.report(self, depth).await
    }

    /// Another one who has something to say about the health of the process, from now on.
    pub fn report_also(&self, source: Arc<dyn HealthSource>) {
        self.0.health.sources.write().unwrap_or_else(PoisonError::into_inner).push(source);
        self.health_changed();
    }

    /// Something that the snapshot shows has changed: it is written anew, soon.
    pub fn health_changed(&self) {
        self.0.health.news.send_modify(|changes| *changes += 1);
    }

    /// The snapshot, of a report.
    pub fn snapshot(&self, report: &Report) -> Snapshot {
        let profile = serde_json::to_value(&self.settings().profile).unwrap_or_default();
        Snapshot::of(report, profile, &self.activities().records(), &self.statuses())
    }

    /// The report of what is known, and of what the store has just answered.
    fn judged_health(&self, store: Option<Result<Duration, String>>) -> Report {
        let facts = self.facts(store);
        let mut reasons = lock(&self.0.health.reasons);
        let report = judge(facts, &reasons);
        reasons.clone_from(&report.degraded.reasons);
        report
    }

    fn facts(&self, store: Option<Result<Duration, String>>) -> Facts {
        let clock = &self.executor().parts().clock;
        let (now, phase, settings) = (clock.now(), self.phase(), self.settings());
        let registry = self.lifecycle().registry();
        let counts = registry.domains().map(|domain| (domain.to_string(), registry.active(domain).count()));
        let supervisor = json!({
            "enabled": settings.supervisor_enabled(),
            "poll_interval": settings.runtime_supervisor.poll_interval,
            "serves": self.serves(),
            "keeps_services": self.0.services.are_kept(),
        });
        let mut secrets = serde_json::to_value(self.secrets().status()).unwrap_or_default();
        if let Some(secrets) = secrets.as_object_mut() {
            // Names of secrets are nobody's business here.
            secrets.remove("entries");
        }
        let handlers = self.0.courier.handlers();
        let reloads = self.reloads();
        let mut facts = Facts {
            about: About {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                profile: settings.profile.name.clone(),
                pid: std::process::id(),
                uptime: clock.monotonic().saturating_sub(self.0.health.began),
                now,
                phase: phase.name(),
                serves: phase == Phase::Serving,
                is_over: phase == Phase::Stopped,
            },
            // Services that this process does not keep up are another one's to tell of.
            services: if self.0.services.are_kept() { self.services() } else { Vec::new() },
            components: self.seen(now),
            store,
            reasons: Vec::new(),
            buffered: handlers.iter().map(|handler| handler.counts.buffered).sum(),
            runs: self.executor().runs_under_way() as u64,
            in_flight: self.activities().all_in_flight(),
            counts: counts.collect(),
            watchers: watchers(settings.profile.watchers_enabled, phase, &reloads),
            remote: Remote {
                enabled: settings.profile.remote_enabled && settings.remote.enabled,
                ..Remote::default()
            },
            supervisor: supervisor.as_object().cloned().unwrap_or_default(),
            secrets,
        };
        if let Some(wrong) = &reloads.last_error {
            facts.reason("files", format!("what they say does not count: {}", wrong.message));
        }
        for source in self.0.health.sources() {
            source.tell(&mut facts);
        }
        facts
    }

    /// The components, with what they answered last where that was not too long ago to count.
    fn seen(&self, now: Timestamp) -> Vec<Component> {
        let answers = lock(&self.0.health.answers);
        let statuses = self.statuses().into_iter();
        statuses
            .map(|status| {
                let answer =
                    answers.get(&name(&status)).filter(|(at, ..)| now.since(*at) <= STALE_AFTER).cloned();
                Component { status, answer }
            })
            .collect()
    }
}

/// Who watches files, and what they came to, with times as dates.
fn watchers(enabled: bool, phase: Phase, reloads: &Reloads) -> Watchers {
    let failure = |wrong: &ReloadFailure| {
        json!({
            "message": wrong.message,
            "file": wrong.file,
            "since": wrong.since.rfc3339(),
            "at": wrong.at.rfc3339(),
            "cause": wrong.cause,
        })
    };
    let more = json!({
        "generation": reloads.generation,
        "since": reloads.since.rfc3339(),
        "watching": reloads.watching,
        "needs_restart": reloads.needs_restart,
        "held": reloads.held,
        "last_error": reloads.last_error.as_ref().map(failure),
    });
    Watchers {
        enabled,
        running: phase != Phase::Stopped && reloads.watching != Watching::Off,
        more: more.as_object().cloned().unwrap_or_default(),
    }
}

fn name(status: &Status) -> Name {
    (status.domain.clone(), status.key.clone(), status.pinned.clone())
}
