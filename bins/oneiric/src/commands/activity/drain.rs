//! `drain`: nothing new, and the end of what is in flight.

use std::io::Write as _;
use std::time::Duration;

use oneiric_core::{Domain, Key};
use oneiric_runtime::activity::{Change, DrainReport, Drained, Wish};
use oneiric_runtime::json::ActivityState;
use serde::Serialize;

use super::change::{expect, operator, said_and_shown, shown};
use super::progress::{Progress, whose};
use crate::args::DrainArgs;
use crate::commands::conduct::on_workers;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::palette::Tone;
use crate::output::text::duration;
use crate::session::Session;
use crate::signals::Signals;

/// What came of it: the component's state, and `"drained":true,"ended":"landed","waited_seconds":1.25`.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    state: ActivityState,
    drained: bool,
    /// `landed`, `late` or `cleared`.
    ended: &'static str,
    waited_seconds: f64,
}

/// Drains it, or takes that back.
pub(in crate::commands) fn drain(session: &mut Session, args: &DrainArgs) -> Result<Code, Failure> {
    let (domain, key) = (&args.domain, args.key.key());
    let wish = if args.clear { Wish::Undrain } else { Wish::Drain };
    let change = Change { wish, note: args.note.clone() };
    if args.clear || args.no_wait {
        return said_and_shown(session, domain, key, &change);
    }
    expect(session, domain, key)?;
    let report = drained(session, domain, key, &change, args.deadline)?;
    let told = Report {
        state: ActivityState::new(&report.flight),
        drained: report.ended == Drained::Landed,
        ended: match report.ended {
            Drained::Landed => "landed",
            Drained::Late => "late",
            Drained::Cleared => "cleared",
        },
        waited_seconds: report.took.as_secs_f64(),
    };
    session.screen.emit(&told, |screen| match report.ended {
        Drained::Landed => {
            shown(screen, Wish::Drain, &report.flight)?;
            let drained = screen.palette.paint(Tone::Good, "Drained");
            writeln!(screen, "{drained} {domain}:{key} in {}", duration(report.took))
        }
        Drained::Late | Drained::Cleared => Ok(()),
    })?;
    judged(session, domain, key, &report)
}

fn judged(session: &Session, domain: &Domain, key: &Key, report: &DrainReport) -> Result<Code, Failure> {
    let resume = session.command(&format!("resume {key} --domain {domain}"));
    match report.ended {
        Drained::Landed => Ok(Code::Ok),
        Drained::Late => {
            let count = report.flight.in_flight();
            let (took, whose) = (duration(report.took), whose(&report.flight));
            let message = format!("{domain}:{key} still has {count} in flight after {took}{whose}");
            Err(Failure::said(Code::Execution, message).help(format!(
                "it goes on draining; wait on with a longer `--deadline`, or take work again with `{resume}`"
            )))
        }
        Drained::Cleared => {
            let message = format!("{domain}:{key} takes work again: somebody ended the drain");
            Err(Failure::said(Code::Execution, message).help("`oneiric activity` shows what is true now"))
        }
    }
}

/// Says it, and waits; a signal ends the waiting.
fn drained(
    session: &Session,
    domain: &Domain,
    key: &Key,
    change: &Change,
    deadline: Duration,
) -> Result<DrainReport, Failure> {
    let progress = Progress::open(session);
    let done = on_workers(async {
        let mut signals = Signals::catch()
            .map_err(|error| Failure::said(Code::Execution, format!("cannot catch signals: {error}")))?;
        let (operator, store) =
            operator(session, true)?.expect("a state that is needed is there or was made");
        operator.change(domain, key, change).await?;
        let report = tokio::select! {
            report = operator.drained(domain, key, deadline, |flight| progress.tell(flight)) => report?,
            code = signals.next() => {
                let resume = session.command(&format!("resume {key} --domain {domain}"));
                let message = format!("gave up waiting; {domain}:{key} goes on draining");
                return Err(Failure::said(code, message).help(format!("`{resume}` takes work again")));
            }
        };
        store.close().await?;
        Ok(report)
    });
    progress.close();
    done
}
