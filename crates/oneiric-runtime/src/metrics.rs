//! What this process has counted, collected when somebody asks.

mod events;
mod process;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oneiric_core::metrics::{Family, Kind, MAX_SAMPLES, Value};
use oneiric_store::DeliveryStatus;
use oneiric_supervisor::health::{Report, Severity};
use oneiric_supervisor::service::figures::{BUCKETS, Durations, ServiceFigures};

use crate::health::{Depth, HealthSource};
use crate::oneiric::Oneiric;
use crate::phase::Phase;

use events::families as event_families;

/// How long the store may take to count.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often breakers opened.
#[derive(Debug, Default)]
pub(crate) struct Opened(pub(crate) AtomicU64);

impl HealthSource for Opened {
    fn metrics(&self) -> Vec<Family> {
        let name = "oneiric_circuit_open_total";
        let family = Family::new(
            name,
            Kind::Counter,
            "How often this process found a target so often failing that its breaker opened.",
        );
        vec![family.of(number(self.0.load(Ordering::Relaxed)))]
    }
}

impl Oneiric {
    /// Everything that this process has counted since it began, and how it stands. No family has more than
    /// [`MAX_SAMPLES`] samples.
    ///
    /// Reads what is open from the store; where that cannot be had within two seconds, those families are left out.
    pub async fn metrics(&self) -> Vec<Family> {
        let report = self.health_report(Depth::Store).await;
        let mut families = self.of_the_process(&report);
        families.extend(process::families());
        families.extend(self.executor().metrics());
        families.extend(self.lifecycle().metrics());
        families.extend(self.activities().metrics());
        families.extend(event_families(&self.0.courier.handlers()));
        families.extend(services(&report));
        families.extend(service_times(&self.service_figures()));
        families.extend(self.of_the_store().await);
        for source in self.0.health.sources() {
            families.extend(source.metrics());
        }
        families.iter_mut().for_each(|family| family.within(MAX_SAMPLES));
        families
    }

    fn of_the_process(&self, report: &Report) -> Vec<Family> {
        let mut build =
            Family::new("oneiric_build_info", Kind::Gauge, "The version of the process; always 1.");
        build.push([("version", &*report.version), ("profile", &*report.profile)], 1.0);
        let mut phase =
            Family::new("oneiric_phase", Kind::Gauge, "1 for the phase of its life that the process is in.");
        for known in [Phase::Starting, Phase::Serving, Phase::Draining, Phase::Stopped] {
            phase.push([("phase", known.name())], flag(known.name() == report.phase));
        }
        let mut health = Family::new("oneiric_health_state", Kind::Gauge, "1 for how the process is.");
        for known in [Severity::Ok, Severity::Degraded, Severity::Down] {
            health.push([("state", known.name())], flag(known == report.status));
        }
        let mut flight = Family::new("oneiric_in_flight", Kind::Gauge, "Work under way, by component.");
        for one in self.activities().all_in_flight() {
            flight.push([("domain", one.domain.name()), ("key", one.key.as_str())], number(one.count));
        }
        let runs = number(self.executor().runs_under_way() as u64);
        let ready = Family::new("oneiric_ready", Kind::Gauge, "Whether the process takes work.");
        let under_way = Family::new("oneiric_runs_under_way", Kind::Gauge, "Runs under way in the process.");
        vec![build, phase, health, ready.of(flag(report.ready)), flight, under_way.of(runs)]
    }

    async fn of_the_store(&self) -> Vec<Family> {
        let parts = self.executor().parts();
        let backlog = tokio::select! {
            backlog = parts.store.backlog() => backlog,
            () = parts.clock.sleep(PATIENCE) => return Vec::new(),
        };
        // That the store fails is told by health; a number that is not known is not made up.
        let Ok(backlog) = backlog else { return Vec::new() };
        let mut runs = Family::new(
            "oneiric_open_runs",
            Kind::Gauge,
            "Runs of the store that have not ended, by status.",
        );
        for (status, count) in &backlog.runs {
            runs.push([("status", status.name())], number(*count));
        }
        let mut deliveries = Family::new(
            "oneiric_open_deliveries",
            Kind::Gauge,
            "Deliveries of the store that are not over, by status.",
        );
        for (status, count) in backlog.deliveries.iter().filter(|(status, _)| !status.is_over()) {
            deliveries.push([("status", status.name())], number(*count));
        }
        let mut dead = Family::new("dlq_depth", Kind::Gauge, "Dead letters in the store.");
        dead.push([("queue", "events")], number(backlog.deliveries_in(DeliveryStatus::Dead)));
        vec![runs, deliveries, dead]
    }
}

/// How services stand, under the names of the seed.
fn services(report: &Report) -> Vec<Family> {
    let mut state =
        Family::new("service_health_state", Kind::Gauge, "How a service is: 0 ok, 1 degraded, 2 down.");
    let mut restarts =
        Family::new("service_restarts_total", Kind::Counter, "How often a service was started again.");
    for (name, service) in &report.services {
        let severity = match service.status {
            Severity::Ok => 0.0,
            Severity::Degraded => 1.0,
            Severity::Down => 2.0,
        };
        state.push([("service", name)], severity);
        restarts.push([("service", name)], f64::from(service.restarts));
    }
    vec![state, restarts]
}

/// How long services took to start and to stop, and what their probes said, under the names of the seed.
fn service_times(figures: &[ServiceFigures]) -> Vec<Family> {
    let mut startup = Family::new(
        "service_startup_seconds",
        Kind::Histogram,
        "From the start of a service until it was ready.",
    );
    let mut shutdown = Family::new(
        "service_shutdown_seconds",
        Kind::Histogram,
        "From the wish to stop a service until it had stopped.",
    );
    let mut probes = Family::new(
        "service_probe_failures_total",
        Kind::Counter,
        "Answers to the probes of a service that were no, or not in time.",
    );
    for service in figures {
        let labels = [("service", service.key.as_str())];
        startup.put(labels, histogram(&service.startup));
        shutdown.put(labels, histogram(&service.shutdown));
        probes.push(labels, number(service.probe_failures));
    }
    vec![startup, shutdown, probes]
}

fn histogram(durations: &Durations) -> Value {
    let within: u64 = durations.buckets.iter().sum();
    let beyond = durations.count.saturating_sub(within);
    let counts = durations.buckets.iter().copied().chain([beyond]).collect();
    Value::Histogram { bounds: BUCKETS.to_vec(), counts, sum: durations.sum }
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

#[expect(clippy::cast_precision_loss, reason = "nothing is counted to 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}
