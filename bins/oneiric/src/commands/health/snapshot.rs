//! The file that a process keeps of its health: what the last one left, and checking one.

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use oneiric_core::Timestamp;
use oneiric_runtime::health::SNAPSHOT;
use serde::Serialize;
use serde_json::Value;

use crate::exit::Code;
use crate::failure::Failure;
use crate::output::text::clean;
use crate::session::{self, Session};

/// The largest file that is read, in bytes: some ten thousand components.
const MOST: u64 = 16 << 20;

/// How old a snapshot is. Shape: `{"path":".oneiric_cache/runtime_health.json","age_seconds":12.5,"stale":false}`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Age {
    path: String,
    age_seconds: Option<f64>,
    /// It is not to be trusted: its process has not written it for too long.
    stale: bool,
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = clean(&self.path);
        match self.age_seconds {
            Some(seconds) => write!(f, "{path} was written {seconds:.0} s ago")?,
            None => write!(f, "{path} does not say when it was written")?,
        }
        f.write_str(if self.stale { ": not to be trusted" } else { "" })
    }
}

impl Age {
    fn of(path: &Path, snapshot: &Value, now: Timestamp) -> Self {
        let written = snapshot.get("generated_at").and_then(Value::as_str);
        let written = written.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let age = written.map(|at| now.since(Timestamp::from_micros(at.as_microsecond())).as_secs_f64());
        let limit = snapshot.get("stale_after_seconds").and_then(Value::as_f64);
        let stale = age.zip(limit).is_none_or(|(age, limit)| age > limit);
        Self { path: path.display().to_string(), age_seconds: age, stale }
    }
}

/// What the last process left in the state folder, and how old it is.
pub(super) fn left(state_dir: &Path, now: Timestamp) -> (Option<Value>, Option<Age>) {
    let path = state_dir.join(SNAPSHOT);
    // No process has served the folder, or its file is damaged: both are nothing to go by.
    let Ok(snapshot) = read(&path) else { return (None, None) };
    let age = Age::of(&path, &snapshot, now);
    (Some(snapshot), Some(age))
}

/// Whether a report is of a process that serves the folder. One that runs a single workflow does not.
pub(super) fn serves(report: Option<&Value>) -> bool {
    report.and_then(|report| report.pointer("/supervisor/serves")).and_then(Value::as_bool) == Some(true)
}

/// For a container's health check. Exits with 1 where the file cannot be read, is too old, or says that its process is
/// down or takes no work.
pub(super) fn check(session: &mut Session, path: &Path) -> Result<Code, Failure> {
    #[derive(Serialize)]
    struct Checked {
        healthy: bool,
        status: Option<String>,
        phase: Option<String>,
        #[serde(flatten)]
        age: Age,
    }
    let snapshot = read(path).map_err(|error| {
        let message = format!("the health of a process cannot be read from {}: {error}", path.display());
        Failure::said(Code::Execution, message)
            .help("`oneiric orchestrate --health-path FILE` keeps one in FILE")
    })?;
    let word = |name: &str| snapshot.get(name).and_then(Value::as_str).map(str::to_owned);
    let age = Age::of(path, &snapshot, session::now());
    let ready = snapshot.get("ready").and_then(Value::as_bool).unwrap_or(false);
    let checked = Checked { healthy: ready && !age.stale, status: word("status"), phase: word("phase"), age };
    session.screen.emit(&checked, |screen| {
        use io::Write as _;
        let word = |word: &Option<String>| clean(word.as_deref().unwrap_or("unknown"));
        writeln!(screen, "{}, {}; {}", word(&checked.status), word(&checked.phase), checked.age)
    })?;
    Ok(if checked.healthy { Code::Ok } else { Code::Execution })
}

fn read(path: &Path) -> io::Result<Value> {
    let mut text = Vec::new();
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    fs::File::open(path)?.take(MOST).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_too_old_or_does_not_say_is_not_trusted() {
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        let check = |snapshot: Value, expected: bool, text: &str| {
            let age = Age::of(Path::new("h.json"), &snapshot, now);
            assert_eq!((age.stale, age.to_string().as_str()), (expected, text));
        };
        let at = |written: &str| json!({"generated_at": written, "stale_after_seconds": 150});
        check(at("2023-11-14T22:13:08.000000Z"), false, "h.json was written 12 s ago");
        check(at("2023-11-14T22:10:00.000000Z"), true, "h.json was written 200 s ago: not to be trusted");
        check(json!({}), true, "h.json does not say when it was written: not to be trusted");
    }
}
