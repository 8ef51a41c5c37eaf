//! `orchestrate --smoke`: a real start, until the process says over HTTP that it is well, and an orderly end.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use oneiric_core::Clock;
use oneiric_runtime::SystemClock;
use oneiric_server::routes;
use serde::Serialize;
use serde_json::Value;

use super::surface::Surface;
use super::{port, start, state_dir, stop};
use crate::args::OrchestrateArgs;
use crate::commands::conduct::on_workers;
use crate::exit::Code;
use crate::failure::Failure;
use crate::fetch;
use crate::session::Session;
use crate::signals::Signals;

/// How often it asks itself.
const LOOK: Duration = Duration::from_millis(50);

/// Where it asks: the full report, and where this build has none the question whether it takes work.
const QUESTIONS: [&str; 2] = ["/v1/health", "/v1/health/ready"];

/// How it went: `{"healthy":true,"status":"ok","address":"127.0.0.1:40123","asked":"/v1/health","http_status":200,
/// "after_ms":12.5,"unhealthy":[],"stopped":true,"health":{...}}`.
#[derive(Debug, Serialize)]
struct Smoke {
    healthy: bool,
    status: String,
    address: SocketAddr,
    asked: &'static str,
    http_status: u16,
    after_ms: f64,
    unhealthy: Vec<String>,
    /// Whether the end was an orderly one.
    stopped: bool,
    /// The answer.
    health: Value,
}

/// Tries it. Exits with 1 where anything was not well.
pub(super) fn smoke(session: &mut Session, args: &OrchestrateArgs) -> Result<Code, Failure> {
    let tried = on_workers(tries(session, args))?;
    session.screen.emit(&tried, |screen| {
        let word = if tried.healthy { "healthy" } else { "not healthy" };
        writeln!(
            screen,
            "{word}: {} on {} says {} after {:.0} ms",
            tried.asked, tried.address, tried.status, tried.after_ms
        )?;
        tried.unhealthy.iter().try_for_each(|one| writeln!(screen, "  {}", crate::output::text::clean(one)))
    })?;
    if !tried.healthy {
        let seconds = args.trial.smoke_timeout.as_secs_f64();
        let what = if tried.unhealthy.is_empty() { tried.status } else { tried.unhealthy.join("; ") };
        return Err(Failure::said(Code::Execution, format!("not healthy within {seconds} s: {what}")));
    }
    if !tried.stopped {
        return Err(Failure::said(Code::Execution, "it was healthy, and did not stop in an orderly way"));
    }
    Ok(Code::Ok)
}

async fn tries(session: &Session, args: &OrchestrateArgs) -> Result<Smoke, Failure> {
    let mut signals = Signals::catch()
        .map_err(|error| Failure::said(Code::Execution, format!("cannot catch signals: {error}")))?;
    let state_dir = state_dir(session)?;
    let options = port::options(session)?;
    let oneiric = start::start(session, state_dir.as_deref(), args.health_path.as_deref()).await?;
    let clock = SystemClock::default();
    let surface = match Surface::open(&oneiric, options, args.grace).await {
        Ok(surface) => surface,
        Err(failure) => {
            oneiric.shutdown(Duration::ZERO).await?;
            return Err(failure);
        }
    };
    let Some(address) = surface.address() else {
        oneiric.shutdown(Duration::ZERO).await?;
        return Err(Failure::said(
            Code::Configuration,
            "the settings say `http.enabled: false`: nobody can be asked",
        ));
    };
    let asked = tokio::select! {
        asked = ask(address, &clock, args.trial.smoke_timeout) => Ok(asked),
        code = signals.next() => Err(Failure::said(code, "given up on a signal")),
    };
    let ended = stop::stop(&oneiric, surface, args.grace, &mut signals, "smoke", Code::Ok).await;
    let mut smoke = asked?;
    smoke.stopped = ended == Code::Ok;
    Ok(smoke)
}

/// Asks until it is well, at most for `limit`.
async fn ask(address: SocketAddr, clock: &dyn Clock, limit: Duration) -> Smoke {
    let known = routes();
    let asked = QUESTIONS.into_iter().find(|path| known.iter().any(|route| route.path == *path));
    let asked = asked.unwrap_or(QUESTIONS[1]);
    let began = clock.monotonic();
    let mut last = Smoke {
        healthy: false,
        status: "no answer".to_owned(),
        address,
        asked,
        http_status: 0,
        after_ms: 0.0,
        unhealthy: Vec::new(),
        stopped: false,
        health: Value::Null,
    };
    loop {
        let left = limit.saturating_sub(clock.monotonic().saturating_sub(began));
        let fetched = tokio::select! {
            fetched = fetch::get(address, asked) => Some(fetched),
            () = clock.sleep(left) => None,
        };
        last.after_ms = clock.monotonic().saturating_sub(began).as_secs_f64() * 1000.0;
        match fetched {
            Some(Ok(fetched)) => {
                last.http_status = fetched.status;
                last.health = serde_json::from_slice(&fetched.body).unwrap_or_default();
                let word = last.health["status"].as_str();
                last.status = word.map_or_else(|| format!("HTTP {}", fetched.status), str::to_owned);
                last.unhealthy = unhealthy(&last.health);
                last.healthy = fetched.status == 200 && word == Some("ok");
            }
            Some(Err(error)) => last.status = format!("no answer: {error}"),
            None => {}
        }
        if last.healthy || is_late(began, clock, limit) {
            return last;
        }
        clock.sleep(LOOK).await;
    }
}

fn is_late(began: Duration, clock: &dyn Clock, limit: Duration) -> bool {
    clock.monotonic().saturating_sub(began) >= limit
}

/// What a report says is not well, a sentence each.
fn unhealthy(report: &Value) -> Vec<String> {
    let mut told = Vec::new();
    for part in ["services", "components"] {
        for (name, one) in report[part].as_object().into_iter().flatten() {
            let status = one["status"].as_str().unwrap_or("unknown");
            if status == "ok" {
                continue;
            }
            let why = ["error", "detail"].iter().find_map(|field| one[*field].as_str());
            told.push(format!("{name} is {status}{}", why.map(|why| format!(": {why}")).unwrap_or_default()));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_well_is_named() {
        let report = json!({"status": "down", "services": {"gateway": {"status": "down", "error": "it exits with 1"},
            "worker": {"status": "ok"}}, "components": {"adapter:cache": {"status": "degraded"}}});
        assert_eq!(unhealthy(&report), ["gateway is down: it exits with 1", "adapter:cache is degraded"]);
        assert!(unhealthy(&json!({"status": "ok"})).is_empty());
    }
}
