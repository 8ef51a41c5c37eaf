//! `supervisor-info`: which switches stand where, and who set them.

use std::io::Write as _;

use oneiric_core::settings::{Explanation, Origin};
use serde::Serialize;
use serde_json::Value;

use crate::exit::Code;
use crate::failure::Failure;
use crate::output::text::clean;
use crate::session::Session;

/// What may switch the supervisor off, beside the profile.
const SWITCH: &str = "runtime_supervisor.enabled";

/// `{"profile":"serverless","profile_default":true,"runtime_config":true,"env_override":null,
/// "supervisor_enabled":true,"watchers_enabled":false,"remote_enabled":false,"inline_manifest_only":true,
/// "poll_interval":2.0,"origins":{"runtime_supervisor.enabled":"default",...}}`.
#[derive(Debug, Serialize)]
struct Info {
    profile: String,
    /// What the profile says.
    profile_default: bool,
    /// What everything but variables says.
    runtime_config: Value,
    /// What a variable says; null where none does.
    env_override: Option<Value>,
    supervisor_enabled: bool,
    watchers_enabled: bool,
    remote_enabled: bool,
    inline_manifest_only: bool,
    poll_interval: f64,
    /// Where each value came from.
    origins: serde_json::Map<String, Value>,
}

/// Shows it.
pub(super) fn supervisor_info(session: &mut Session) -> Result<Code, Failure> {
    let loaded = session.settings()?;
    let explain = |key: &str| {
        let found = loaded.provenance.explain(key);
        found.map_err(|unknown| Failure::said(Code::Configuration, unknown.message).help(unknown.help))
    };
    let (runtime_config, env_override) = apart(explain(SWITCH)?);
    let settings = &loaded.settings;
    let profile = &settings.profile;
    let keys = [
        "profile.supervisor_enabled",
        SWITCH,
        "profile.watchers_enabled",
        "profile.remote_enabled",
        "profile.inline_manifest_only",
    ];
    let origins = keys.into_iter().map(|key| Ok((key.to_owned(), explain(key)?.origin.to_string().into())));
    let info = Info {
        profile: profile.name.clone(),
        profile_default: profile.supervisor_enabled,
        runtime_config,
        env_override,
        supervisor_enabled: settings.supervisor_enabled(),
        watchers_enabled: profile.watchers_enabled,
        remote_enabled: profile.remote_enabled,
        inline_manifest_only: profile.inline_manifest_only,
        poll_interval: settings.runtime_supervisor.poll_interval.duration().as_secs_f64(),
        origins: origins.collect::<Result<_, Failure>>()?,
    };
    session.screen.emit(&info, |screen| {
        let word = |on: bool| if on { "on" } else { "off" };
        // Upstream's line.
        writeln!(
            screen,
            "Supervisor toggles: profile={} runtime={} poll_interval={:.2}s",
            word(info.profile_default),
            word(info.runtime_config == Value::Bool(true)),
            info.poll_interval
        )?;
        if let Some(said) = &info.env_override {
            writeln!(screen, "Env override: {}", clean(&said.to_string()))?;
        }
        writeln!(
            screen,
            "supervisor {}, watchers {}, remote {}, inline manifest only {}",
            word(info.supervisor_enabled),
            word(info.watchers_enabled),
            word(info.remote_enabled),
            word(info.inline_manifest_only)
        )
    })?;
    Ok(Code::Ok)
}

/// What everything but variables says of a key, and what a variable says.
fn apart(found: Explanation) -> (Value, Option<Value>) {
    let is_variable = |origin: &Origin| matches!(origin, Origin::Variable(_));
    let layers = std::iter::once((found.value, found.origin))
        .chain(found.shadows.into_iter().map(|below| (below.value, below.origin)));
    let (mut config, mut variable) = (None, None);
    for (value, origin) in layers {
        let place = if is_variable(&origin) { &mut variable } else { &mut config };
        place.get_or_insert(value);
    }
    (config.unwrap_or(found.default), variable)
}
