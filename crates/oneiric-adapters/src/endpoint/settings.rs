//! Where a component is and how it may be reached.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use oneiric_core::{Blueprint, Fault};
use serde_json::Value;
use url::Url;

use super::NAME;
use crate::foreign::Section;
use crate::http::{Policy, Tls, without_query};

/// What a manifest may say.
const KEYS: [&str; 3] = ["headers", "timeout_seconds", "health"];

/// What only the operator may say: where requests go is no business of a manifest.
const OF_THE_OPERATOR: [&str; 3] = ["allow_private", "allow_hosts", "ca_file"];

/// The longest time that can be set for one call.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// The headers that a call sets.
const OF_A_CALL: [&str; 9] = [
    "content-type",
    "content-length",
    "accept",
    "host",
    "oneiric-role",
    "oneiric-run-id",
    "oneiric-workflow",
    "oneiric-node",
    "oneiric-attempt",
];

/// How components behind addresses are reached, where the provider's settings do not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// Hosts that may be reached; empty, the default, for all.
    pub allow_hosts: Vec<String>,
    /// Whether loopback, private and link-local addresses may be reached. Default: no.
    pub allow_private: bool,
    /// A PEM file with certificates that are believed beside the platform's. Default: none.
    pub ca_file: Option<PathBuf>,
    /// How long a call may take where nobody says. Default: a quarter of an hour, far beyond what
    /// servers hold a request open; nodes and entries say it better.
    pub timeout: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            allow_hosts: Vec::new(),
            allow_private: false,
            ca_file: None,
            timeout: Duration::from_secs(15 * 60),
        }
    }
}

/// The same for one component.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) url: String,
    /// The address as it may be shown: queries hold tokens.
    pub(super) name: String,
    /// The values may be secrets.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) health: Option<String>,
    pub(super) timeout: Duration,
    pub(super) policy: Policy,
    pub(super) tls: Tls,
}

impl Settings {
    /// Reads and checks them. An address that is written as a number is judged now, a name at each call.
    ///
    /// # Errors
    /// Permanent `bad-factory`, `bad-metadata` or `bad-settings`; denied `egress-denied`.
    pub(super) fn read(blueprint: &Blueprint, defaults: &HttpSettings) -> Result<Self, Fault> {
        let descriptor = &blueprint.descriptor;
        let section = Section::read_with(NAME, &KEYS, &[&KEYS[..], &OF_THE_OPERATOR].concat(), blueprint)?;
        let policy = Policy {
            allow_hosts: section.texts("allow_hosts")?.unwrap_or_else(|| defaults.allow_hosts.clone()),
            allow_private: section.flag("allow_private")?.unwrap_or(defaults.allow_private),
        };
        let ca_file = section.text("ca_file")?.map(PathBuf::from).or_else(|| defaults.ca_file.clone());
        let of_entry = descriptor.timeout_seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
        let timeout = section.seconds("timeout_seconds", MAX_TIMEOUT)?.or(of_entry);
        let mut headers = section.variables("headers", &[])?.unwrap_or_default();
        if let Some(said) = blueprint.settings.get("headers") {
            headers.extend(secret_headers(said)?);
        }
        for name in headers.keys() {
            if OF_A_CALL.contains(&name.to_ascii_lowercase().as_str()) {
                let message = format!("header `{name}` is set by every call and cannot be set here");
                return Err(Fault::permanent("bad-settings", message));
            }
        }
        let url = descriptor.factory.as_str().trim().to_owned();
        let place = check(&url, &policy)?;
        let health = section.text("health")?;
        if let Some(health) = &health
            && check(health, &policy)?.origin() != place.origin()
        {
            // The headers go there too, and the allowlist has judged the other one.
            return Err(section.wrong("health", "is not on the host that the factory names"));
        }
        Ok(Self {
            name: without_query(&url),
            url,
            headers,
            health,
            timeout: timeout.unwrap_or(defaults.timeout),
            policy,
            tls: Tls { ca_file, ..Tls::default() },
        })
    }
}

/// The table `headers` of the provider's settings; no value appears in a message.
fn secret_headers(said: &Value) -> Result<BTreeMap<String, String>, Fault> {
    let bad = |why: &str| Fault::permanent("bad-settings", format!("`settings.headers` {why}"));
    let table = said.as_object().ok_or_else(|| bad("is not a table"))?;
    let header = |(name, value): (&String, &Value)| match value.as_str() {
        Some(text) => Ok((name.clone(), text.to_owned())),
        None => Err(bad(&format!("holds `{name}`, which is not a string"))),
    };
    table.iter().map(header).collect()
}

fn check(url: &str, policy: &Policy) -> Result<Url, Fault> {
    let shown = without_query(url);
    let bad = |why: &dyn std::fmt::Display| {
        Fault::permanent("bad-factory", format!("`{shown}` is no address that can be called: {why}"))
    };
    let parsed = Url::parse(url).map_err(|error| bad(&error))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(bad(&"it begins with neither http:// nor https://"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(bad(&"a name and password in it would be logged; put a header into the settings"));
    }
    policy.check(parsed.host_str().ok_or_else(|| bad(&"there is no host in it"))?, &[])?;
    Ok(parsed)
}
