//! Which settings count at once, and which ones need a restart: pure.

use oneiric_core::settings::{EventDelivery, Logging, Settings};
use serde_json::Value;

/// Settings for a process that runs already.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Adopted {
    /// What counts: the wanted ones, and the running ones where only a restart could change them.
    pub(crate) settings: Settings,
    /// The keys of the others, where the wanted ones say something else: `http.port`.
    pub(crate) needs_restart: Vec<String>,
}

impl Adopted {
    /// Nothing is applied in part: what needs a restart is as if nobody had changed it.
    pub(crate) fn of(running: &Settings, wanted: &Settings) -> Self {
        // Every section is named, so that a new one makes someone decide.
        let Settings {
            app,
            adapters,
            services,
            tasks,
            events,
            workflows,
            actions,
            domains,
            lifecycle,
            circuit_breaker,
            logging,
            event_delivery,
            // Read once, when something is opened or begun.
            config_dir: _,
            cache_dir: _,
            secrets: _,
            remote: _,
            plugins: _,
            profile: _,
            runtime_paths: _,
            runtime_supervisor: _,
            http: _,
            runtimes: _,
            execution: _,
        } = wanted.clone();
        let settings = Settings {
            app,
            adapters,
            services,
            tasks,
            events,
            workflows,
            actions,
            domains,
            lifecycle,
            circuit_breaker,
            logging: Logging { level: logging.level, ..running.logging.clone() },
            event_delivery: EventDelivery { in_hand: running.event_delivery.in_hand, ..event_delivery },
            ..running.clone()
        };
        let needs_restart = differences(&settings, wanted);
        Self { settings, needs_restart }
    }
}

/// The keys of which two settings say different things, sorted.
fn differences(one: &Settings, other: &Settings) -> Vec<String> {
    let json = |settings: &Settings| serde_json::to_value(settings).unwrap_or_default();
    let mut found = Vec::new();
    differing("", &json(one), &json(other), &mut found);
    // Secrets look alike; that one of a section has changed can be said, and not which.
    let sections = [
        ("secrets", one.secrets == other.secrets),
        ("remote", one.remote == other.remote),
        ("http", one.http == other.http),
        ("logging", one.logging == other.logging),
    ];
    for (section, same) in sections {
        let is_told = |key: &String| key.split('.').next() == Some(section);
        if !same && !found.iter().any(is_told) {
            found.push(section.to_owned());
        }
    }
    found.sort();
    found
}

/// Depth is that of the settings.
fn differing(at: &str, one: &Value, other: &Value, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let mut names: Vec<_> = one.keys().chain(other.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                let of = |map: &serde_json::Map<String, Value>| map.get(name).cloned().unwrap_or_default();
                differing(&at, &of(one), &of(other), found);
            }
        }
        (one, other) if one == other => {}
        _ => found.push(at.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use oneiric_core::secret::Secret;
    use oneiric_core::settings::{Level, Seconds};

    use super::*;

    fn adopted(change: impl FnOnce(&mut Settings)) -> Adopted {
        let mut wanted = Settings::default();
        change(&mut wanted);
        Adopted::of(&Settings::default(), &wanted)
    }

    #[test]
    fn what_can_count_at_once_does() {
        let found = adopted(|wanted| {
            wanted.tasks.selections.insert("k".parse().unwrap(), "p".parse().unwrap());
            wanted.lifecycle.health_timeout = Seconds::new(1.0);
            wanted.circuit_breaker.threshold = 9;
            wanted.event_delivery.handler_timeout = Seconds::new(1.0);
            wanted.logging.level = Level::Debug;
        });
        assert_eq!(found.needs_restart, Vec::<String>::new());
        assert_eq!(found.settings.tasks.selections.len(), 1);
        assert_eq!(
            (found.settings.circuit_breaker.threshold, found.settings.logging.level),
            (9, Level::Debug)
        );
    }

    #[test]
    fn what_needs_a_restart_is_told_and_not_applied_in_part() {
        let found = adopted(|wanted| {
            wanted.http.host = Some("127.0.0.2".to_owned());
            wanted.cache_dir = Some("elsewhere".to_owned());
            wanted.profile.name = "lite".to_owned();
            wanted.execution.lease_seconds = Seconds::new(99.0);
            wanted.event_delivery.in_hand = 7;
            wanted.logging.emit_json = !wanted.logging.emit_json;
        });
        let keys = [
            "cache_dir",
            "event_delivery.in_hand",
            "execution.lease_seconds",
            "http.host",
            "logging.emit_json",
            "profile.name",
        ];
        assert_eq!(found.needs_restart, keys);
        assert_eq!(found.settings, Settings::default());
        // Once it is taken back, there is nothing to tell.
        assert_eq!(Adopted::of(&found.settings, &Settings::default()).needs_restart, Vec::<String>::new());
    }

    #[test]
    fn a_secret_that_changed_is_told_by_its_section_only() {
        let found = adopted(|wanted| {
            wanted.secrets.inline.insert("pin".to_owned(), Secret::new("0007"));
        });
        assert_eq!(found.needs_restart, ["secrets.inline.pin"]);
        let mut old = Settings::default();
        old.secrets.inline.insert("pin".to_owned(), Secret::new("0001"));
        let mut new = old.clone();
        new.secrets.inline.insert("pin".to_owned(), Secret::new("0007"));
        assert_eq!(Adopted::of(&old, &new).needs_restart, ["secrets"]);
    }
}
