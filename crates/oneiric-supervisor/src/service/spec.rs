//! What an entry says of a service: `metadata.service`.

use std::time::Duration;

use oneiric_core::Key;
use oneiric_core::probe::{HttpQuestion, Question};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where it stands in the metadata of a component.
pub const SECTION: &str = "service";

/// The longest time that a service may say anywhere: a day.
const LONGEST: f64 = 86_400.0;

/// The most restarts within a window: more of them are a loop, not a policy.
const MOST_RESTARTS: u32 = 1000;

/// The shortest time between two questions, in seconds: more often is a load, not a probe.
const SHORTEST_INTERVAL: f64 = 0.1;

/// What is said of a service. What is not said has the value of [`Spec::default`].
///
/// Shape: `{"dependencies": ["gateway"], "startup_order": 10, "critical": true, "start_timeout": 30,
/// "stop_timeout": 10, "restart": {"policy": "on_failure"}, "ready": {"tcp": "127.0.0.1:8010"},
/// "live": {"exec": ["healthy"], "interval": 5}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spec {
    /// The services that must be ready before it starts, and that stop after it.
    #[serde(alias = "depends_on")]
    pub dependencies: Vec<Key>,
    /// Of services that could start now, the lower ones begin first; those of one number start together.
    pub startup_order: i32,
    /// Whether the process goes down with it.
    pub critical: bool,
    /// Seconds from its start until it must be ready.
    pub start_timeout: f64,
    /// Seconds that it may take to stop once it was asked to.
    pub stop_timeout: f64,
    /// Whether it is started again.
    pub restart: Restart,
    /// Passes when it can do its work. Asked until it passes, and from then on to tell its health.
    pub ready: Option<Probe>,
    /// Fails when it has to be started anew. Asked from when it is ready.
    pub live: Option<Probe>,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            dependencies: Vec::new(),
            startup_order: 0,
            critical: true,
            start_timeout: 30.0,
            stop_timeout: 10.0,
            restart: Restart::default(),
            ready: None,
            live: None,
        }
    }
}

/// Whether, when and how often a service is started again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Restart {
    /// After which end.
    pub policy: RestartPolicy,
    /// Seconds before the first restart; each further one waits `multiplier` times longer.
    pub delay: f64,
    /// By how much the wait grows, at least 1.
    pub multiplier: f64,
    /// Seconds that no wait exceeds.
    pub max_delay: f64,
    /// How many restarts there may be within `window`; one more, and it is given up.
    pub limit: u32,
    /// Seconds. A service that ran for as long as this without an end begins to count anew.
    pub window: f64,
}

/// The limit and the window are systemd's `StartLimitBurst` and a longer `StartLimitIntervalSec`, since ours wait in
/// between: 1 + 2 + 4 + 8 + 16 seconds are within a minute.
impl Default for Restart {
    fn default() -> Self {
        Self {
            policy: RestartPolicy::OnFailure,
            delay: 1.0,
            multiplier: 2.0,
            max_delay: 30.0,
            limit: 5,
            window: 60.0,
        }
    }
}

/// After which end a service is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    /// After none.
    Never,
    /// After one that was a failure.
    #[default]
    OnFailure,
    /// After every one that nobody asked for.
    Always,
}

/// A question that is put again and again.
///
/// Shapes: `{"exec": ["pg_isready", "-q"]}`, `{"http": "http://127.0.0.1:8010/v1/health", "interval": 5}`,
/// `{"http": {"url": "http://127.0.0.1:8010/", "status": 204}}`, `{"tcp": "127.0.0.1:6379", "failure_threshold": 1}`,
/// `{"component": true}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Probe {
    /// What is asked.
    pub question: Question,
    /// From the start of the service to the first question.
    pub initial_delay: Duration,
    /// Between an answer and the next question.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// So many failures in a row are one.
    pub failure_threshold: u32,
    /// So many successes in a row are one.
    pub success_threshold: u32,
}

/// Kubernetes' defaults for `periodSeconds` and the thresholds; a timeout of two seconds instead of one.
impl Probe {
    /// A question with the usual times.
    pub fn of(question: Question) -> Self {
        Self {
            question,
            initial_delay: Duration::ZERO,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            failure_threshold: 3,
            success_threshold: 1,
        }
    }
}

/// A probe as it is written: seconds, and exactly one question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    exec: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<bool>,
    initial_delay: f64,
    interval: f64,
    timeout: f64,
    failure_threshold: u32,
    success_threshold: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Address {
    Plain(String),
    Full(HttpQuestion),
}

impl Default for Written {
    fn default() -> Self {
        let mut usual = Self::from(Probe::of(Question::Component));
        usual.component = None;
        usual
    }
}

impl TryFrom<Written> for Probe {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let http = written.http.map(|address| match address {
            Address::Plain(url) => HttpQuestion { url, status: None, contains: None },
            Address::Full(question) => question,
        });
        let questions = [
            written.exec.map(Question::Exec),
            http.map(Question::Http),
            written.tcp.map(Question::Tcp),
            written.component.filter(|said| *said).map(|_| Question::Component),
        ];
        let mut questions = questions.into_iter().flatten();
        let (Some(question), None) = (questions.next(), questions.next()) else {
            return Err("a probe asks exactly one of `exec`, `http`, `tcp` and `component`".to_owned());
        };
        if question == Question::Exec(Vec::new()) {
            return Err("`exec` names no program".to_owned());
        }
        if written.failure_threshold == 0 || written.success_threshold == 0 {
            return Err("a threshold is at least 1".to_owned());
        }
        if written.interval < SHORTEST_INTERVAL || written.timeout <= 0.0 {
            return Err(format!("`interval` is at least {SHORTEST_INTERVAL} seconds, `timeout` more than 0"));
        }
        Ok(Self {
            question,
            initial_delay: seconds("initial_delay", written.initial_delay)?,
            interval: seconds("interval", written.interval)?,
            timeout: seconds("timeout", written.timeout)?,
            failure_threshold: written.failure_threshold,
            success_threshold: written.success_threshold,
        })
    }
}

impl From<Probe> for Written {
    fn from(probe: Probe) -> Self {
        let mut written = Self {
            exec: None,
            http: None,
            tcp: None,
            component: None,
            initial_delay: probe.initial_delay.as_secs_f64(),
            interval: probe.interval.as_secs_f64(),
            timeout: probe.timeout.as_secs_f64(),
            failure_threshold: probe.failure_threshold,
            success_threshold: probe.success_threshold,
        };
        match probe.question {
            Question::Exec(command) => written.exec = Some(command),
            Question::Http(question) => written.http = Some(Address::Full(question)),
            Question::Tcp(address) => written.tcp = Some(address),
            Question::Component => written.component = Some(true),
        }
        written
    }
}

/// What is wrong with what an entry says of its service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`metadata.service`{at}: {reason}")]
pub struct SpecError {
    /// The field, with a leading dot: `.restart.delay`; empty where it is the whole.
    pub at: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Spec {
    /// What the metadata of a component say of it; the defaults where they say nothing.
    ///
    /// # Errors
    /// [`SpecError`] for the first field that is not known, of another type or out of range.
    pub fn of(metadata: &Map<String, Value>) -> Result<Self, SpecError> {
        let spec = match metadata.get(SECTION) {
            None | Some(Value::Null) => Self::default(),
            Some(said) => serde_path_to_error::deserialize::<_, Self>(said).map_err(|error| SpecError {
                at: match error.path().to_string() {
                    path if path == "." => String::new(),
                    path => format!(".{path}"),
                },
                reason: error.into_inner().to_string(),
            })?,
        };
        let wrong = |at: &str, reason: String| SpecError { at: at.to_owned(), reason };
        let times = [
            (".start_timeout", spec.start_timeout),
            (".stop_timeout", spec.stop_timeout),
            (".restart.delay", spec.restart.delay),
            (".restart.max_delay", spec.restart.max_delay),
            (".restart.window", spec.restart.window),
        ];
        for (at, value) in times {
            seconds(at, value).map_err(|reason| wrong(at, reason))?;
        }
        if spec.start_timeout == 0.0 {
            return Err(wrong(".start_timeout", "must be more than 0 seconds".to_owned()));
        }
        if !(1.0..=100.0).contains(&spec.restart.multiplier) {
            return Err(wrong(".restart.multiplier", "allowed are 1 to 100".to_owned()));
        }
        if spec.restart.limit > MOST_RESTARTS {
            return Err(wrong(".restart.limit", format!("at most {MOST_RESTARTS} are allowed")));
        }
        Ok(spec)
    }
}

fn seconds(name: &str, value: f64) -> Result<Duration, String> {
    if (0.0..=LONGEST).contains(&value) {
        return Ok(Duration::from_secs_f64(value));
    }
    let name = name.trim_start_matches('.');
    Err(format!("`{name}` is {value}, allowed are 0 to {LONGEST} seconds"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(section: Value) -> Result<Spec, String> {
        let metadata = Map::from_iter([(SECTION.to_owned(), section)]);
        Spec::of(&metadata).map_err(|error| error.to_string())
    }

    #[test]
    fn a_probe_asks_one_question() {
        let ready = |probe: Value| of(json!({ "ready": probe })).map(|spec| spec.ready.unwrap());
        let http = ready(json!({"http": "http://127.0.0.1:1/", "interval": 5})).unwrap();
        assert_eq!(http.interval, Duration::from_secs(5));
        assert_eq!(http.failure_threshold, 3);
        let full = ready(json!({"http": {"url": "http://127.0.0.1:1/"}, "interval": 5})).unwrap();
        assert_eq!(http, full);
        for wrong in [json!({}), json!({"exec": []}), json!({"tcp": "a:1", "component": true})] {
            assert!(ready(wrong.clone()).is_err(), "{wrong}");
        }
        let again: Probe = serde_json::from_value(serde_json::to_value(&http).unwrap()).unwrap();
        assert_eq!(again, http);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let check = |section: Value, expected: &str| {
            let told = of(section).unwrap_err();
            assert!(told.contains(expected), "{told}");
        };
        check(json!({"critcal": true}), "unknown field `critcal`");
        check(json!({"restart": {"delay": -1}}), "`metadata.service`.restart.delay: `restart.delay` is -1");
        check(json!({"restart": {"policy": "sometimes"}}), ".restart.policy");
        check(json!({"start_timeout": 0}), ".start_timeout: must be more than 0");
        check(json!({"live": {"tcp": "a:1", "timeout": 0}}), "`timeout` more than 0");
        assert_eq!(of(Value::Null).unwrap(), Spec::default());
        assert_eq!(of(json!({"depends_on": ["a"]})).unwrap().dependencies.len(), 1);
    }
}
