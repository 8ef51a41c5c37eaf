//! `service logs`: the newest lines, and what comes after them.
//!
//! They are read from the state folder: no process has to be asked.

use std::io;
use std::time::Duration;

use oneiric_core::Clock as _;
use oneiric_runtime::{ServiceLogTail, SystemClock};
use serde::Serialize;

use crate::args::LogsArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::text::clean;
use crate::session::Session;
use crate::signals::Signals;

/// How often the log is looked at while it is followed: often enough that a person sees no delay.
const GLANCE: Duration = Duration::from_millis(100);

/// `{"at":"2026-01-31T09:30:00.123456Z","stream":"stdout","line":"listening"}`.
#[derive(Serialize)]
struct Line<'a> {
    at: &'a str,
    stream: &'a str,
    line: &'a str,
}

/// Prints them.
pub(in crate::commands) fn logs(session: &mut Session, args: &LogsArgs) -> Result<Code, Failure> {
    let key = &args.key;
    let unreadable = |error: io::Error| {
        Failure::said(Code::Execution, format!("cannot read the log of service `{key}`: {error}"))
    };
    let newest = ServiceLogTail::newest(&session.state_dir()?, key, args.lines as usize);
    let (lines, mut tail) = newest.map_err(unreadable)?;
    if !args.follow {
        if lines.is_empty() && !tail.is_there() {
            let failure = Failure::said(Code::Resolution, format!("service `{key}` has written nothing yet"));
            return Err(failure.help("`oneiric service list` shows the services; `--follow` waits for lines"));
        }
        return print(session, &lines).map(|()| Code::Ok);
    }
    print(session, &lines)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| Failure::said(Code::Execution, format!("cannot start a runtime: {error}")))?;
    runtime.block_on(async {
        let mut signals = Signals::catch()
            .map_err(|error| Failure::said(Code::Execution, format!("cannot catch signals: {error}")))?;
        let clock = SystemClock::default();
        loop {
            let lines = tail.more().map_err(unreadable)?;
            print(session, &lines)?;
            if session.screen.is_gone() {
                return Ok(Code::Ok);
            }
            let pause = if lines.is_empty() { GLANCE } else { Duration::ZERO };
            tokio::select! {
                biased;
                code = signals.next() => return Ok(code),
                () = clock.sleep(pause) => {}
            }
        }
    })
}

fn print(session: &mut Session, lines: &[String]) -> Result<(), Failure> {
    for line in lines {
        if session.for_programs() {
            let mut parts = line.splitn(3, ' ');
            let mut part = || parts.next().unwrap_or_default();
            session.lines(&Line { at: part(), stream: part(), line: part() })?;
        } else {
            session.screen.text(&format!("{}\n", clean(line)))?;
        }
    }
    Ok(())
}
