//! `swap`: another component for a key, in the live processes; tried out here where there is none.

mod elsewhere;

use std::io::{self, Write as _};

use oneiric_core::lifecycle::Swap;
use oneiric_core::{Domain, Key, Provider};
use oneiric_runtime::Error;
use oneiric_runtime::control::SwapDone;
use serde::Serialize;

use super::here::here;
use super::life::millis;
use crate::args::SwapArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::known;
use crate::output::Screen;
use crate::output::palette::Tone;
use crate::output::text::clean;
use crate::peers;
use crate::session::Session;

/// `{"domain":"task","key":"charge","swapped":[...],"refused":[...],"tried":null,"setting":"..."}`.
#[derive(Serialize)]
struct Report<'a> {
    domain: &'a Domain,
    key: &'a Key,
    swapped: &'a [SwapDone],
    refused: &'a [Refused],
    tried: Option<&'a Tried>,
    /// The setting that selects a provider for good.
    setting: &'a str,
}

/// A process that did not do it, and goes on with what served before.
#[derive(Debug, Serialize)]
struct Refused {
    pid: u32,
    code: u8,
    kind: &'static str,
    message: String,
    #[serde(skip)]
    failure: Failure,
}

/// A newcomer that came up in this process and was stopped again.
#[derive(Debug, Serialize)]
struct Tried {
    provider: Provider,
    took_ms: f64,
    forced: bool,
}

/// Swaps it. Exits as the gravest refusal says.
pub(super) fn swap(session: &mut Session, args: &SwapArgs) -> Result<Code, Failure> {
    let (key, setting) = (args.key.key(), setting(&args.domain, args.key.key()));
    let mut done = elsewhere::swapped(&session.state_dir()?, args)?;
    let tried = match &done {
        Some(_) => None,
        None => Some(tried(session, args)?),
    };
    let (swapped, refused) = match &mut done {
        Some(done) => (done.swapped.as_slice(), std::mem::take(&mut done.refused)),
        None => (&[][..], Vec::new()),
    };
    let (domain, tried) = (&args.domain, tried.as_ref());
    let report = Report { domain, key, swapped, refused: &refused, tried, setting: &setting };
    let state_dir = session.state_dir()?;
    session.screen.emit(&report, |screen| {
        for done in swapped {
            line(screen, done)?;
        }
        match tried {
            Some(tried) => of_trial(screen, domain, key, tried, &state_dir, &setting),
            None => Ok(()),
        }
    })?;
    let failures = refused.into_iter().map(|refused| {
        let message = format!("process {}: {}", refused.pid, refused.failure);
        match refused.failure {
            Failure::Said { code, help: Some(help), .. } => Failure::said(code, message).help(help),
            other => Failure::said(other.code(), message),
        }
    });
    peers::together(failures.collect()).map(|()| Code::Ok)
}

/// `adapters.selections.queue.scheduler`: where a selection stands in the settings.
fn setting(domain: &Domain, key: &Key) -> String {
    format!("{domain}s.selections.{key}")
}

/// Upstream's line, which scripts read, and what came of it.
fn line(screen: &mut Screen, done: &SwapDone) -> io::Result<()> {
    let SwapDone { pid, domain, key, provider, previous, took_ms, old_stopped } = done;
    let before = match (previous, old_stopped) {
        (None, _) => "nothing served before".to_owned(),
        (Some(previous), true) => format!("the instance of {previous} is stopped"),
        (Some(previous), false) => format!("the instance of {previous} is stopped after its last user"),
    };
    let word = screen.palette.paint(Tone::Good, "Swapped");
    let instance = format!("instance=process {pid}");
    let facts = screen.palette.paint(Tone::Faint, &format!("took {}; {before}", millis(*took_ms)));
    writeln!(screen, "{word} {domain}:{key} -> {provider}; {instance}\n  {facts}")
}

fn of_trial(
    screen: &mut Screen,
    domain: &Domain,
    key: &Key,
    tried: &Tried,
    state_dir: &std::path::Path,
    setting: &str,
) -> io::Result<()> {
    let Tried { provider, took_ms, forced } = tried;
    let healthy = if *forced { "was not asked to be healthy" } else { "was healthy" };
    let state_dir = clean(&state_dir.display().to_string());
    writeln!(screen, "no live process in {state_dir}: nothing was swapped")?;
    let took = millis(*took_ms);
    writeln!(
        screen,
        "{domain} {key} of {provider} came up here in {took}, {healthy}, and was stopped again"
    )?;
    writeln!(screen, "to select it for good: {setting} = \"{provider}\" in the settings")
}

/// Brings the newcomer up here and stops it again.
fn tried(session: &Session, args: &SwapArgs) -> Result<Tried, Failure> {
    let key = args.key.key();
    here(session, async |oneiric| {
        let swap = Swap { provider: args.provider.as_ref(), force: args.force };
        match oneiric.swap(&args.domain, key, swap).await {
            Ok(done) => Ok(Tried {
                provider: done.provider,
                took_ms: done.took.as_secs_f64() * 1000.0,
                forced: args.force,
            }),
            Err(Error::Unknown(error)) => Err(known::unknown(error, &oneiric.lifecycle().registry())),
            Err(error) => Err(error.into()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_has_its_place_in_the_settings() {
        let key: Key = "queue.scheduler".parse().unwrap();
        assert_eq!(setting(&Domain::ADAPTER, &key), "adapters.selections.queue.scheduler");
    }

    #[test]
    fn what_was_swapped_stands_on_one_line() {
        let done = |previous: Option<&str>, old_stopped| SwapDone {
            pid: 4711,
            domain: Domain::TASK,
            key: "charge".parse().unwrap(),
            provider: "new".parse().unwrap(),
            previous: previous.map(|name| name.parse().unwrap()),
            took_ms: 3.11,
            old_stopped,
        };
        let check = |done: SwapDone, expected: &str| {
            assert_eq!(crate::output::tests::printed(80, |screen| line(screen, &done)).trim_end(), expected);
        };
        let head = "Swapped task:charge -> new; instance=process 4711\n  took 3.1 ms; ";
        check(done(None, true), &format!("{head}nothing served before"));
        check(done(Some("old"), true), &format!("{head}the instance of old is stopped"));
        check(done(Some("old"), false), &format!("{head}the instance of old is stopped after its last user"));
    }
}
