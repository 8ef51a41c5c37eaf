//! `store check` and `store backup`.

use std::io::Write as _;

use oneiric_store::{SqliteStore, Store as _};
use serde::Serialize;

use crate::args::BackupArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::palette::Tone;
use crate::output::text::count;
use crate::session::Session;
use crate::wait::wait;

/// `{"place":"...","checked":{"runs":3},"problems":[]}`.
#[derive(Serialize)]
struct Finding {
    place: String,
    checked: serde_json::Map<String, serde_json::Value>,
    problems: Vec<String>,
}

/// Examines the state. Exits with 2 where something is wrong with it.
pub(super) fn check(session: &mut Session) -> Result<Code, Failure> {
    let store = existing(session)?;
    let report = wait(store.check())?;
    let finding = Finding {
        place: store.path().display().to_string(),
        checked: report.checked.into_iter().map(|(family, rows)| (family, rows.into())).collect(),
        problems: report.problems,
    };
    session.screen.emit(&finding, |screen| {
        for (family, rows) in &finding.checked {
            writeln!(screen, "  {rows:>9}  {family}")?;
        }
        for problem in &finding.problems {
            let word = screen.palette.paint(Tone::Bad, "problem:");
            writeln!(screen, "{word} {problem}")?;
        }
        match finding.problems.len() {
            0 => writeln!(screen, "{} {}", screen.palette.paint(Tone::Good, "sound:"), finding.place),
            found => writeln!(screen, "{} in {}", count(found, "problem"), finding.place),
        }
    })?;
    if finding.problems.is_empty() {
        return Ok(Code::Ok);
    }
    Err(Failure::said(
        Code::Configuration,
        format!("{} in {}", count(finding.problems.len(), "problem"), finding.place),
    )
    .help("stop what works on it, keep a copy of the whole folder, and go back to a backup"))
}

/// `{"file":"...","bytes":4096}`.
#[derive(Serialize)]
struct Copy {
    file: String,
    bytes: u64,
}

/// Copies the state.
pub(super) fn backup(session: &mut Session, args: &BackupArgs) -> Result<Code, Failure> {
    let store = existing(session)?;
    let bytes = wait(store.backup(&args.file))?;
    let copy = Copy { file: args.file.display().to_string(), bytes };
    session.screen.emit(&copy, |screen| writeln!(screen, "wrote {}: {} bytes", copy.file, copy.bytes))?;
    Ok(Code::Ok)
}

fn existing(session: &Session) -> Result<SqliteStore, Failure> {
    let place = session.state_dir()?;
    session.store()?.ok_or_else(|| {
        Failure::said(Code::Configuration, format!("there is no state in {}", place.display()))
            .help("name another folder with `--state-dir`; the first run makes one")
    })
}
