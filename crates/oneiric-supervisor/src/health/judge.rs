//! From what is known to what is said of it. Everything about severity is decided here.

use std::collections::BTreeMap;
use std::time::Duration;

use oneiric_core::Timestamp;
use oneiric_core::lifecycle::Condition;

use super::facts::{Component, Facts};
use super::report::{ComponentHealth, Degraded, Flight, Reason, Report, ServiceHealth, StoreHealth};
use super::severity::Severity;
use crate::service::Status;

/// What the store is called among the reasons.
const STORE: &str = "store";

/// Makes the report. `before` are the reasons of the report before: what was not well then is so since then.
pub fn judge(facts: Facts, before: &[Reason]) -> Report {
    let now = facts.about.now;
    let mut wrong = Wrong::default();
    let store = store(facts.store);
    if let Some(error) = &store.error {
        wrong.add(store.status, store.status, STORE, error);
    }
    let services: BTreeMap<_, _> = facts
        .services
        .iter()
        .map(|status| {
            let health = service(status);
            let counts = if status.critical { health.status } else { health.status.of_a_part() };
            let said = [&status.error, &status.detail].into_iter().flatten().next();
            let why = said.map_or_else(|| format!("is {}", status.state.name()), Clone::clone);
            wrong.add(counts, health.status, &format!("service:{}", status.name), &why);
            (status.name.to_string(), health)
        })
        .collect();
    let components: BTreeMap<_, _> = facts
        .components
        .iter()
        .map(|seen| {
            let (name, health) = (name(seen), component(seen));
            let why = health.error.as_deref().unwrap_or("is not well");
            wrong.add(health.status.of_a_part(), health.status, &name, why);
            (name, health)
        })
        .collect();
    for (component, why) in facts.reasons {
        wrong.add(Severity::Degraded, Severity::Degraded, &component, &why);
    }
    let about = facts.about;
    let status = if about.is_over { Severity::Down } else { wrong.worst };
    let reasons = wrong.reasons(before, now);
    Report {
        status,
        healthy: status == Severity::Ok,
        version: about.version,
        profile: about.profile,
        uptime_s: about.uptime.as_secs_f64(),
        pid: about.pid,
        timestamp: now,
        phase: about.phase,
        ready: about.serves && status != Severity::Down,
        services,
        components,
        degraded: Degraded { active: !reasons.is_empty(), reasons, buffered: facts.buffered },
        store,
        in_flight: Flight { runs: facts.runs, components: facts.in_flight },
        counts: facts.counts,
        watchers: facts.watchers,
        remote: facts.remote,
        supervisor: facts.supervisor,
        secrets: facts.secrets,
    }
}

/// What is not well so far.
#[derive(Default)]
struct Wrong {
    worst: Severity,
    found: Vec<(Severity, String, String)>,
}

impl Wrong {
    /// `counts` is what it means to the process, `own` how bad it is by itself.
    fn add(&mut self, counts: Severity, own: Severity, component: &str, why: &str) {
        if own > Severity::Ok {
            self.worst = self.worst.max(counts);
            self.found.push((counts, component.to_owned(), why.to_owned()));
        }
    }

    /// The worst first, else as they were found.
    fn reasons(mut self, before: &[Reason], now: Timestamp) -> Vec<Reason> {
        self.found.sort_by_key(|(severity, ..)| std::cmp::Reverse(*severity));
        let told = self.found.into_iter().map(|(_, component, why)| {
            let known = before.iter().find(|reason| reason.component == component);
            let since = known.map_or(now, |reason| reason.since);
            Reason { component, reason: why, since }
        });
        told.collect()
    }
}

fn store(asked: Option<Result<Duration, String>>) -> StoreHealth {
    match asked {
        None => StoreHealth { status: Severity::Ok, latency_ms: None, error: None },
        Some(Ok(took)) => StoreHealth { status: Severity::Ok, latency_ms: Some(millis(took)), error: None },
        Some(Err(error)) => StoreHealth { status: Severity::Down, latency_ms: None, error: Some(error) },
    }
}

fn service(status: &Status) -> ServiceHealth {
    let severity = Severity::from(status);
    ServiceHealth {
        status: severity,
        healthy: severity == Severity::Ok,
        critical: status.critical,
        state: status.state,
        startup_order: status.startup_order,
        restarts: status.restarts,
        since: status.since,
        last_check: status.last_check,
        latency_ms: status.latency_ms,
        detail: status.detail.clone(),
        error: status.error.clone(),
    }
}

/// `adapter:cache`, and the provider where it was asked for explicitly.
fn name(seen: &Component) -> String {
    let status = &seen.status;
    match &status.pinned {
        None => format!("{}:{}", status.domain, status.key),
        Some(provider) => format!("{}:{}@{provider}", status.domain, status.key),
    }
}

fn component(seen: &Component) -> ComponentHealth {
    let status = &seen.status;
    // An answer is of the instance that serves; where none serves any more, it is of the past.
    let answer = seen.answer.as_ref().filter(|_| status.current_provider.is_some());
    let failed = answer.and_then(|(.., answer)| answer.as_ref().err());
    let (severity, error) = match (status.state, &status.current_provider, failed) {
        (_, Some(_), Some(why)) => (Severity::Down, Some(why.clone())),
        (Condition::Failed, None, _) => (Severity::Down, status.last_error.clone()),
        // The old instance serves, and somebody wanted another one.
        (Condition::Failed, Some(_), None) => (Severity::Degraded, status.last_error.clone()),
        (Condition::Unknown | Condition::Activating | Condition::Ready, _, _) => (Severity::Ok, None),
    };
    ComponentHealth {
        status: severity,
        healthy: severity == Severity::Ok,
        provider: status.current_provider.as_ref().map(ToString::to_string),
        state: status.state,
        last_check: answer.map(|(at, ..)| *at),
        latency_ms: answer.map(|(_, took, _)| millis(*took)),
        error,
    }
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use oneiric_core::lifecycle;
    use serde_json::{Map, Value, json};

    use super::super::facts::{About, Remote, Watchers};
    use super::*;
    use crate::service::{Health, State};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn facts(phase: &'static str) -> Facts {
        Facts {
            about: About {
                version: "1".to_owned(),
                profile: "default".to_owned(),
                pid: 7,
                uptime: Duration::from_millis(1500),
                now: at(100),
                phase,
                serves: phase == "serving",
                is_over: phase == "stopped",
            },
            services: Vec::new(),
            components: Vec::new(),
            store: None,
            reasons: Vec::new(),
            buffered: 0,
            runs: 0,
            in_flight: Vec::new(),
            counts: BTreeMap::new(),
            watchers: Watchers::default(),
            remote: Remote::default(),
            supervisor: Map::new(),
            secrets: Value::Null,
        }
    }

    fn a_service(name: &str, critical: bool, status: Health, state: State) -> Status {
        Status {
            name: name.parse().unwrap(),
            provider: "p".parse().unwrap(),
            status,
            healthy: status == Health::Ok,
            critical,
            state,
            startup_order: 0,
            dependencies: Vec::new(),
            restarts: 0,
            since: at(1),
            last_check: None,
            latency_ms: None,
            detail: None,
            error: None,
            figures: None,
        }
    }

    fn a_component(state: &str, provider: Option<&str>, answer: Option<Result<(), String>>) -> Component {
        let status = json!({
            "domain": "adapter", "key": "cache", "state": state, "current_provider": provider,
            "pending_provider": null, "last_error": (state == "failed").then_some("no such host"),
            "last_state_change_at": null, "last_activated_at": null, "last_health_at": null,
            "last_swap_duration_ms": null, "recent_swap_durations_ms": [], "successful_swaps": 0,
            "failed_swaps": 0,
        });
        let status: lifecycle::Status = serde_json::from_value(status).unwrap();
        Component { status, answer: answer.map(|answer| (at(99), Duration::from_millis(2), answer)) }
    }

    /// `status`, `ready`, and the reasons.
    fn check(facts: Facts, expected: (Severity, bool, &[&str])) {
        let report = judge(facts, &[]);
        let reasons: Vec<_> =
            report.degraded.reasons.iter().map(|one| format!("{}: {}", one.component, one.reason)).collect();
        let told = (report.status, report.ready, reasons);
        assert_eq!(told, (expected.0, expected.1, expected.2.iter().map(ToString::to_string).collect()));
        assert_eq!(report.healthy, report.status == Severity::Ok);
        assert_eq!(report.degraded.active, !report.degraded.reasons.is_empty());
    }

    #[test]
    fn a_phase_decides_whether_work_is_taken() {
        check(facts("serving"), (Severity::Ok, true, &[]));
        check(facts("starting"), (Severity::Ok, false, &[]));
        check(facts("draining"), (Severity::Ok, false, &[]));
        check(facts("stopped"), (Severity::Down, false, &[]));
    }

    #[test]
    fn only_what_is_critical_takes_the_process_down() {
        use Severity::{Degraded, Down, Ok};
        let one = |critical, status, state| {
            let services = vec![a_service("gateway", critical, status, state)];
            Facts { services, ..facts("serving") }
        };
        check(one(true, Health::Ok, State::Running), (Ok, true, &[]));
        check(one(true, Health::Unknown, State::Running), (Ok, true, &[]));
        check(
            one(true, Health::Degraded, State::Running),
            (Degraded, true, &["service:gateway: is running"]),
        );
        check(one(true, Health::Down, State::Failed), (Down, false, &["service:gateway: is failed"]));
        check(one(true, Health::Unknown, State::Failed), (Down, false, &["service:gateway: is failed"]));
        check(one(true, Health::Unknown, State::Backoff), (Degraded, true, &["service:gateway: is backoff"]));
        check(one(false, Health::Down, State::Failed), (Degraded, true, &["service:gateway: is failed"]));
        check(
            one(false, Health::Degraded, State::Running),
            (Degraded, true, &["service:gateway: is running"]),
        );
        let store = |answer: Result<Duration, String>| Facts { store: Some(answer), ..facts("serving") };
        check(store(Result::Ok(Duration::ZERO)), (Ok, true, &[]));
        check(store(Err("disk I/O error".to_owned())), (Down, false, &["store: disk I/O error"]));
        let mut told = facts("serving");
        told.reason("watchers", "shop.yaml:3: unknown field");
        check(told, (Degraded, true, &["watchers: shop.yaml:3: unknown field"]));
    }

    #[test]
    fn a_component_makes_the_process_degraded_and_no_more() {
        use Severity::{Degraded, Ok};
        let one = |state, provider, answer| Facts {
            components: vec![a_component(state, provider, answer)],
            ..facts("serving")
        };
        let refused = || Some(Err("refused".to_owned()));
        check(one("ready", Some("redis"), None), (Ok, true, &[]));
        check(one("ready", Some("redis"), Some(Result::Ok(()))), (Ok, true, &[]));
        check(one("ready", Some("redis"), refused()), (Degraded, true, &["adapter:cache: refused"]));
        check(one("failed", None, None), (Degraded, true, &["adapter:cache: no such host"]));
        check(one("failed", Some("redis"), None), (Degraded, true, &["adapter:cache: no such host"]));
        check(one("activating", None, None), (Ok, true, &[]));
        // Of an instance that is gone.
        check(one("unknown", None, refused()), (Ok, true, &[]));
    }

    #[test]
    fn the_worst_comes_first_and_is_known_since_it_began() {
        let mut known = facts("serving");
        known.reason("watchers", "a bad file");
        known.store = Some(Err("gone".to_owned()));
        let before =
            Reason { component: "watchers".to_owned(), reason: "another one".to_owned(), since: at(3) };
        let report = judge(known, &[before]);
        let told: Vec<_> =
            report.degraded.reasons.iter().map(|one| (one.component.as_str(), one.since)).collect();
        assert_eq!(told, [("store", at(100)), ("watchers", at(3))]);
    }

    #[test]
    fn its_json_has_the_fields_that_were_promised() {
        let services = vec![a_service("gateway", true, Health::Ok, State::Running)];
        let components = vec![a_component("ready", Some("redis"), Some(Ok(())))];
        let report = judge(Facts { services, components, ..facts("serving") }, &[]);
        let json = serde_json::to_value(&report).unwrap();
        let service = &json["services"]["gateway"];
        assert_eq!(
            *service,
            json!({
                "status": "ok", "healthy": true, "critical": true, "state": "running", "startup_order": 0,
                "restarts": 0, "since": "1970-01-01T00:00:01.000000Z", "last_check": null, "latency_ms": null,
                "detail": null, "error": null,
            })
        );
        assert_eq!(json["components"]["adapter:cache"]["latency_ms"], 2.0);
        let fields = ["status", "healthy", "version", "profile", "uptime_s", "pid", "timestamp", "services"];
        let text = serde_json::to_string(&report).unwrap();
        let places: Vec<_> = fields.iter().map(|name| text.find(&format!("\"{name}\":")).unwrap()).collect();
        assert!(places.is_sorted(), "{text}");
        let outline = report.outline().to_string();
        assert!(!outline.contains("gateway") && !outline.contains("cache"), "{outline}");
    }
}
