//! `remote-status`: how fetching manifests goes.

use std::io::Write as _;

use oneiric_runtime::control::{Answer, Request};
use oneiric_runtime::health::{Remote, SNAPSHOT};
use serde_json::Value;

use crate::exit::Code;
use crate::failure::Failure;
use crate::output::text::clean;
use crate::peers;
use crate::session::Session;

/// Shows upstream's telemetry: of a live process, else what the last one left, else that there is none.
pub(super) fn remote_status(session: &mut Session) -> Result<Code, Failure> {
    let state_dir = session.state_dir()?;
    let budget = session.settings()?.settings.remote.latency_budget_ms;
    let request = Request::Health { domain: None, key: None, probe: false };
    let live = peers::tell(&state_dir, &request).into_iter().find_map(|told| match told.answer {
        Ok(Answer::Health(health)) => health.runtime,
        Ok(_) | Err(_) => None,
    });
    let left = || serde_json::from_slice::<Value>(&std::fs::read(state_dir.join(SNAPSHOT)).ok()?).ok();
    let told = live.or_else(left).and_then(|snapshot| snapshot.get("remote").cloned());
    let told = told.unwrap_or_else(|| serde_json::to_value(Remote::default()).unwrap_or_default());
    session.screen.emit(&told, |screen| {
        let text = |name: &str| match told.get(name) {
            None | Some(Value::Null) => "never".to_owned(),
            Some(Value::String(text)) => clean(text),
            Some(other) => clean(&other.to_string()),
        };
        writeln!(
            screen,
            "last success {}, last failure {}",
            text("last_success_at"),
            text("last_failure_at")
        )?;
        // Upstream's line.
        match told.get("last_duration_ms").and_then(Value::as_f64) {
            None => writeln!(screen, "Remote latency budget={budget:.0}ms; nothing was fetched"),
            Some(took) => {
                let word = if took <= budget { "OK" } else { "EXCEEDED" };
                writeln!(screen, "Remote latency budget={budget:.0}ms; last_duration={took:.1}ms ({word})")
            }
        }
    })?;
    Ok(Code::Ok)
}
