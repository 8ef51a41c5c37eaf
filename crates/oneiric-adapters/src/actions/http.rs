//! `http.fetch`: a request, and its answer as data.

mod compose;
mod query;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use oneiric_core::roles::{Action, Schema};
use oneiric_core::{Class, Clock, Fault, Payload};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::kit::Kit;
use super::payload::Fields;
use super::python::truthy;
use super::schema;
use super::settings::{self, must, one_of};
use crate::Parts;
use crate::http::{Client, Limits, Policy, Response, Tls};

pub(super) const KIT: Kit = Kit {
    key: "http.fetch",
    provider: "builtin-http-fetch",
    python: "oneiric.actions.http:HttpFetchAction",
    description: "sends a request and gives its answer as data",
    domains: &["service", "task", "workflow"],
    capabilities: &["http", "json", "external-service"],
    stack_level: 40,
    priority: 405,
    side_effect_free: false,
    check: settings::check::<FetchSettings>,
    make: |settings, parts| Ok(Arc::new(Fetch::open(settings::read(KIT.key, settings)?, parts)?)),
};

const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

/// The longest time a payload may ask for, in seconds: the longest that common gateways wait.
const MAX_TIMEOUT: f64 = 600.0;
/// The most redirects that are followed; upstream's client has the same.
const MAX_REDIRECTS: u32 = 20;

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct FetchSettings {
    base_url: Option<String>,
    default_method: String,
    timeout_seconds: f64,
    verify_ssl: bool,
    allow_redirects: bool,
    raise_for_status: bool,
    default_headers: Map<String, Value>,
    // Ours.
    allow_hosts: Vec<String>,
    allow_private: bool,
    ca_file: Option<PathBuf>,
    max_response_bytes: usize,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            base_url: None,
            default_method: "GET".to_owned(),
            timeout_seconds: 10.0,
            verify_ssl: true,
            allow_redirects: true,
            raise_for_status: false,
            default_headers: Map::new(),
            allow_hosts: Vec::new(),
            allow_private: false,
            ca_file: None,
            max_response_bytes: Limits::STANDARD.max_response_bytes,
        }
    }
}

impl settings::Settings for FetchSettings {
    fn check(&self) -> Result<(), (&'static str, String)> {
        one_of("default_method", &self.default_method.to_lowercase(), &METHODS)?;
        let timeout = (0.1..=MAX_TIMEOUT).contains(&self.timeout_seconds);
        must("timeout_seconds", timeout, &format!("0.1 to {MAX_TIMEOUT}"))?;
        must("default_headers", self.default_headers.values().all(Value::is_string), "a table of texts")
    }
}

struct Fetch {
    settings: FetchSettings,
    client: Client,
    /// Believes every certificate; used where a payload says `verify: false`.
    credulous: OnceLock<Client>,
    clock: Arc<dyn Clock>,
}

impl Fetch {
    fn open(settings: FetchSettings, parts: &Parts) -> Result<Self, Fault> {
        let client = open(&settings, parts.clock.clone(), true)?;
        Ok(Self { settings, client, credulous: OnceLock::new(), clock: parts.clock.clone() })
    }

    /// The client that looks at certificates, or the one that does not: that is made when first asked for.
    fn client(&self, verify: bool) -> Result<&Client, Fault> {
        if verify {
            return Ok(&self.client);
        }
        if self.credulous.get().is_none() {
            let client = open(&self.settings, self.clock.clone(), false)?;
            // Somebody else was quicker: theirs is as good.
            let _ = self.credulous.set(client);
        }
        Ok(self.credulous.get().expect("it was set, by us or by somebody else"))
    }

    async fn fetch(&self, fields: Fields<'_>) -> Result<Value, Fault> {
        let settings = &self.settings;
        let request = settings.request(fields)?;
        let verify = fields.get("verify").map_or(settings.verify_ssl, truthy);
        let raise = fields.get("raise_for_status").map_or(settings.raise_for_status, truthy);
        let method = request.method.clone();
        let began = self.clock.monotonic();
        let response = self.client(verify)?.exchange(request).await?;
        let elapsed = self.clock.monotonic().saturating_sub(began);
        if raise && !response.is_success() {
            return Err(self.raised(response));
        }
        let ok = response.is_success();
        let parsed: Option<Value> = serde_json::from_slice(&response.body).ok();
        let text = if parsed.is_none() { Some(decoded(&response)) } else { None };
        Ok(json!({
            "status": if ok { "success" } else { "error" },
            "status_code": response.status,
            "ok": ok,
            "method": method,
            "url": response.url,
            "headers": joined(&response.headers),
            "elapsed_ms": elapsed.as_secs_f64() * 1_000.0,
            "json": parsed,
            "text": text,
        }))
    }

    /// An answer that is to be a fault: upstream's code, and the class of the status.
    fn raised(&self, response: Response) -> Fault {
        let code = format!("http-action-status-{}", response.status);
        let why = format!("`{}` answered {}", response.url, response.status);
        match response.success(self.clock.now()) {
            Ok(_) => Fault::new(Class::Permanent, code, why),
            Err(mut fault) => {
                fault.code = code;
                fault
            }
        }
    }
}

fn open(settings: &FetchSettings, clock: Arc<dyn Clock>, verify: bool) -> Result<Client, Fault> {
    let policy = Policy { allow_hosts: settings.allow_hosts.clone(), allow_private: settings.allow_private };
    let limits = Limits { max_response_bytes: settings.max_response_bytes, ..Limits::STANDARD };
    Client::open(policy, limits, &Tls { ca_file: settings.ca_file.clone(), verify }, clock)
}

/// Headers that came twice are one value with commas.
fn joined(headers: &[(String, String)]) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, value) in headers {
        match map.get_mut(name) {
            Some(Value::String(known)) => {
                known.push_str(", ");
                known.push_str(value);
            }
            _ => {
                map.insert(name.clone(), value.as_str().into());
            }
        }
    }
    map
}

/// The body as text: Latin-1 where the server says so, UTF-8 everywhere else.
fn decoded(response: &Response) -> String {
    let kind = response.header("content-type").unwrap_or_default().to_ascii_lowercase();
    let charset = kind.split(';').filter_map(|part| part.trim().strip_prefix("charset=")).next();
    match charset.map(|charset| charset.trim_matches('"')) {
        Some("iso-8859-1" | "latin-1" | "latin1") => response.body.iter().copied().map(char::from).collect(),
        _ => String::from_utf8_lossy(&response.body).into_owned(),
    }
}

#[async_trait]
impl Action for Fetch {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.fetch(Fields::of(KIT.key, &input, "http-action-payload-invalid")?).await.map(Payload::from)
    }

    fn schema(&self) -> Option<Schema> {
        let input = schema::object(
            &[],
            [
                ("url", schema::text("where to; public hosts unless the settings say otherwise")),
                ("path", schema::text("where to, below `base_url` of the settings")),
                (
                    "method",
                    schema::one_of(&METHODS.map(str::to_uppercase).each_ref().map(String::as_str), ""),
                ),
                ("params", schema::of_type("object", "the query")),
                ("query", schema::of_type("object", "the same as `params`, looked at second")),
                ("headers", schema::of_type("object", "headers beside those of the settings")),
                ("json", schema::any("the body, as JSON")),
                ("data", schema::any("the body: an object as a form, a text as it is")),
                ("content", schema::text("the body as it is")),
                ("timeout", schema::of_type("number", "seconds, at most 600")),
                ("verify", schema::flag("whether the server has to show a valid certificate")),
                ("allow_redirects", schema::flag("whether redirects are followed, 20 at most")),
                ("raise_for_status", schema::flag("whether an answer other than 2xx is a fault")),
            ],
        );
        let output = schema::object(
            &["status", "status_code", "ok", "method", "url", "headers", "elapsed_ms", "json", "text"],
            [
                ("status", schema::one_of(&["success", "error"], "`success` for 2xx")),
                ("status_code", schema::of_type("integer", "of the answer")),
                ("ok", schema::flag("whether it is 2xx")),
                ("method", schema::text("of the request")),
                ("url", schema::text("where the answer came from")),
                ("headers", schema::of_type("object", "of the answer, names in lower case")),
                ("elapsed_ms", schema::of_type("number", "how long it took")),
                ("json", schema::any("the body, where it is JSON")),
                ("text", schema::nullable("string", "the body, where it is not")),
            ],
        );
        schema::of(input, output)
    }
}
