//! One web hook: how it is named, and what became of its call.

use std::collections::BTreeMap;
use std::time::Duration;

use oneiric_core::Clock;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::actions::python::lax;
use crate::http::{Client, Request};

/// The longest time a hook may take, in seconds: nobody waits for one longer.
pub(super) const MAX_TIMEOUT: f64 = 600.0;

const SECRET: &str = "x-hook-secret";

/// A hook.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Hook {
    /// For people.
    name: String,
    /// Where it is.
    url: String,
    /// `POST` unless said otherwise.
    #[serde(default = "post")]
    method: String,
    /// More headers.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Whether it is called at all.
    #[serde(default = "yes", deserialize_with = "lax::bool")]
    enabled: bool,
    /// More than 0; of the settings where it is unsaid.
    #[serde(default, deserialize_with = "lax::some_float")]
    timeout_seconds: Option<f64>,
    /// Sent as `X-Hook-Secret`.
    #[serde(default)]
    secret: Option<String>,
}

fn post() -> String {
    "POST".to_owned()
}

const fn yes() -> bool {
    true
}

/// What became of a hook.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Report {
    /// Of the hook.
    name: String,
    /// `delivered`, `skipped` or `failed`.
    pub(super) status: &'static str,
    /// The status of the answer.
    code: Option<u16>,
    /// How long it took, in milliseconds.
    duration_ms: Option<f64>,
    /// Why it was skipped or failed.
    reason: Option<String>,
}

impl Hook {
    /// Reads a hook.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let mut hook: Self = serde_path_to_error::deserialize(value)
            .map_err(|error| format!("is wrong at `{}`: {}", error.path(), error.inner()))?;
        let url = Url::parse(&hook.url).map_err(|error| format!("has no `url` to call: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("has a `url` of scheme `{}`, not http or https", url.scheme()));
        }
        hook.url = url.into();
        match hook.timeout_seconds {
            Some(seconds) if seconds <= 0.0 => {
                Err("has a `timeout_seconds` that is not more than 0".to_owned())
            }
            _ => Ok(hook),
        }
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The report of a hook that is not called.
    pub(super) fn skipped(&self, reason: &str) -> Report {
        self.report("skipped", None, None, Some(reason.to_owned()))
    }

    /// Calls it. A hook that fails is a report, not a fault.
    pub(super) async fn call(&self, client: &Client, clock: &dyn Clock, body: &[u8], timeout: f64) -> Report {
        let mut request = Request::new(self.method.to_uppercase(), self.url.as_str()).body(body);
        let mut headers = BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]);
        headers.extend(self.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone())));
        if let Some(secret) = self.secret.as_ref().filter(|secret| !secret.is_empty()) {
            headers.entry(SECRET.to_owned()).or_insert_with(|| secret.clone());
        }
        request.headers = headers.into_iter().collect();
        let seconds = self.timeout_seconds.unwrap_or(timeout).min(MAX_TIMEOUT);
        request.timeout = Some(Duration::from_secs_f64(seconds));
        let began = clock.monotonic();
        let answer = client.exchange(request).await;
        let millis = clock.monotonic().saturating_sub(began).as_secs_f64() * 1_000.0;
        let took = Some((millis * 100.0).round() / 100.0);
        match answer {
            Ok(response) if response.status < 400 => {
                self.report("delivered", Some(response.status), took, None)
            }
            Ok(response) => {
                let reason = format!("http {}", response.status);
                self.report("failed", Some(response.status), took, Some(reason))
            }
            Err(fault) => self.report("failed", None, took, Some(fault.message)),
        }
    }

    fn report(
        &self,
        status: &'static str,
        code: Option<u16>,
        duration_ms: Option<f64>,
        reason: Option<String>,
    ) -> Report {
        Report { name: self.name.clone(), status, code, duration_ms, reason }
    }
}
