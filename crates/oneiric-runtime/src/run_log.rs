//! What tasks wrote while they ran, a file per run beside the store.
//!
//! Lines are for people: they are appended as they come, are not part of any transaction, and losing
//! the last ones with a power failure loses nothing else.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use oneiric_core::roles::{LogSink, Stream, TaskContext};
use oneiric_core::{Clock, RunId, Timestamp};
use oneiric_dag::NoLog;
use serde::{Deserialize, Serialize};

/// The folder of the logs in the state folder.
pub const LOGS: &str = "logs";

/// The most that is kept of one run; what comes after is noted once and dropped. Enough for a hundred
/// thousand lines, small enough to open in an editor.
pub const MAX_LOG_BYTES: u64 = 16 * 1024 * 1024;

/// The most files kept open; a run that writes again after it was closed is opened again.
const MAX_OPEN: usize = 64;

/// One line of a task.
///
/// Shape: `{"at":1763719852123456,"node":"build","attempt":1,"stream":"stderr","line":"..."}`, `at` in
/// microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// The node.
    pub node: String,
    /// Which try.
    pub attempt: u32,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// The line, without its line feed.
    pub line: String,
}

/// Appends every line to the log of its run.
#[derive(Debug)]
pub struct RunLog {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    open: Mutex<HashMap<RunId, Open>>,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

impl RunLog {
    /// Logs in a state folder. Nothing is created before the first line.
    pub fn new(state_dir: &Path, clock: Arc<dyn Clock>) -> Self {
        Self { folder: state_dir.join(LOGS), clock, open: Mutex::default() }
    }

    fn append(&self, run: RunId, line: &LogLine) -> std::io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= MAX_OPEN && !open.contains_key(&run) {
            open.clear();
        }
        let log = match open.entry(run) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                std::fs::create_dir_all(&self.folder)?;
                let file = OpenOptions::new().create(true).append(true).open(path(&self.folder, run))?;
                let bytes = file.metadata()?.len();
                entry.insert(Open { file, bytes })
            }
        };
        if log.bytes > MAX_LOG_BYTES {
            return Ok(());
        }
        let full;
        let mut line = line;
        if log.bytes == MAX_LOG_BYTES || log.bytes + line.line.len() as u64 > MAX_LOG_BYTES {
            full = LogLine {
                line: format!("the log is full at {MAX_LOG_BYTES} bytes; further lines are dropped"),
                ..line.clone()
            };
            line = &full;
            log.bytes = MAX_LOG_BYTES;
        }
        let mut text = serde_json::to_vec(line).map_err(std::io::Error::other)?;
        text.push(b'\n');
        log.bytes += text.len() as u64;
        // One write, so that lines of several processes do not mix.
        log.file.write_all(&text)
    }
}

impl LogSink for RunLog {
    fn line(&self, cx: &TaskContext<'_>, stream: Stream, line: &str) {
        let stream = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let line = LogLine {
            at: self.clock.now(),
            node: cx.node.to_string(),
            attempt: cx.attempt,
            stream: stream.to_owned(),
            line: line.to_owned(),
        };
        if let Err(error) = self.append(cx.run, &line) {
            tracing::warn!(run = %cx.run, %error, "a line of the run's log was lost");
        }
    }
}

/// Several sinks as one.
pub(crate) fn together(mut sinks: Vec<Arc<dyn LogSink>>) -> Arc<dyn LogSink> {
    match (sinks.pop(), sinks.is_empty()) {
        (None, _) => Arc::new(NoLog),
        (Some(only), true) => only,
        (Some(last), false) => {
            sinks.push(last);
            Arc::new(Tee(sinks))
        }
    }
}

#[derive(Debug)]
struct Tee(Vec<Arc<dyn LogSink>>);

impl LogSink for Tee {
    fn line(&self, cx: &TaskContext<'_>, stream: Stream, line: &str) {
        self.0.iter().for_each(|sink| sink.line(cx, stream, line));
    }
}

/// Reads the log of a run, in the order of writing; empty where it has none. A line that was cut off
/// by a crash is left out.
///
/// # Errors
/// Whatever the file system met.
pub fn read_log(state_dir: &Path, run: RunId) -> std::io::Result<impl Iterator<Item = LogLine>> {
    let file = match File::open(path(&state_dir.join(LOGS), run)) {
        Ok(file) => Some(file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let lines = file.map(|file| BufReader::new(file).lines().map_while(Result::ok)).into_iter().flatten();
    Ok(lines.filter_map(|line| serde_json::from_str(&line).ok()))
}

fn path(folder: &Path, run: RunId) -> PathBuf {
    folder.join(format!("{run}.jsonl"))
}

#[cfg(test)]
mod tests {
    use oneiric_core::RunId;

    use super::*;
    use crate::system::SystemClock;

    fn line(text: &str) -> LogLine {
        LogLine {
            at: Timestamp::from_micros(1),
            node: "n".to_owned(),
            attempt: 1,
            stream: "stderr".to_owned(),
            line: text.to_owned(),
        }
    }

    #[test]
    fn lines_come_back_in_order_and_a_torn_one_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunId::from_bytes([1; 16]);
        let log = RunLog::new(folder.path(), Arc::new(SystemClock::default()));
        assert_eq!(read_log(folder.path(), run).unwrap().count(), 0);
        log.append(run, &line("one\u{1b}[31m")).unwrap();
        log.append(run, &line("two")).unwrap();
        let mut file = OpenOptions::new().append(true).open(path(&folder.path().join(LOGS), run)).unwrap();
        file.write_all(b"{\"at\":1,\"no").unwrap();
        let lines: Vec<_> = read_log(folder.path(), run).unwrap().map(|line| line.line).collect();
        assert_eq!(lines, ["one\u{1b}[31m", "two"]);
    }

    #[test]
    fn a_log_is_bounded_and_says_so_once() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunId::from_bytes([2; 16]);
        let log = RunLog::new(folder.path(), Arc::new(SystemClock::default()));
        let long = line(&"x".repeat(1 << 20));
        for _ in 0..20 {
            log.append(run, &long).unwrap();
        }
        let lines: Vec<_> = read_log(folder.path(), run).unwrap().collect();
        assert_eq!(lines.len(), 16);
        assert!(lines[15].line.starts_with("the log is full"));
        assert!(
            std::fs::metadata(path(&folder.path().join(LOGS), run)).unwrap().len() < MAX_LOG_BYTES + 1000
        );
    }
}
