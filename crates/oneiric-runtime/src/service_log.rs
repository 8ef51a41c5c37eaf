//! What services write, a file for each beside the store; the older part of it in `KEY.log.1` to `KEY.log.3`.
//!
//! Lines are for people, `2026-01-31T09:30:00.123456Z stdout listening`: they are appended as they come, nothing is
//! synced, and losing the last ones with a power failure loses nothing else. There is one writer: whoever keeps
//! the services of the state folder up.

mod tail;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use oneiric_core::roles::Stream;
use oneiric_core::{Clock, Key};
use oneiric_events::rfc3339;
use oneiric_supervisor::supervisor::Lines;

use crate::run_log::LOGS;
pub use tail::ServiceLogTail;

/// The folder of the logs, below that of all logs in the state folder.
pub const SERVICE_LOGS: &str = "services";

/// The size at which a log is put aside, in bytes: what an editor opens at once.
pub const MAX_SERVICE_LOG: u64 = 5 * 1024 * 1024;

/// The longest line, in bytes; what is longer is cut.
pub const MAX_SERVICE_LINE: usize = 16 * 1024;

/// How many that were put aside are kept.
const KEPT: u32 = 3;

/// What stands at the end of a line that was cut.
const CUT: &str = " [cut]";

/// Writes the lines of services to their logs.
#[derive(Debug)]
pub struct ServiceLog {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    /// The size at which a log is put aside.
    full: u64,
    // One per service that wrote: as many as the roster has had.
    open: Mutex<HashMap<Key, Open>>,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

impl ServiceLog {
    /// Logs in a state folder. Nothing is created before the first line.
    pub fn new(state_dir: &Path, clock: Arc<dyn Clock>) -> Self {
        Self { folder: folder(state_dir), clock, full: MAX_SERVICE_LOG, open: Mutex::default() }
    }

    /// The same with small logs.
    #[cfg(test)]
    fn small(state_dir: &Path, clock: Arc<dyn Clock>, full: u64) -> Self {
        Self { full, ..Self::new(state_dir, clock) }
    }

    fn append(&self, key: &Key, stream: Stream, line: &str) -> io::Result<()> {
        let stream = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let text = format!("{} {stream} {}\n", rfc3339(self.clock.now()), one_line(line));
        let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let full = all.get(key).is_some_and(|open| open.bytes + text.len() as u64 > self.full);
        if full {
            all.remove(key);
            self.rotate(key)?;
        }
        let open = match all.entry(key.clone()) {
            std::collections::hash_map::Entry::Occupied(open) => open.into_mut(),
            std::collections::hash_map::Entry::Vacant(none) => none.insert(self.open(key)?),
        };
        // In one write, so that who follows it sees whole lines.
        open.file.write_all(text.as_bytes())?;
        open.bytes += text.len() as u64;
        Ok(())
    }

    fn open(&self, key: &Key) -> io::Result<Open> {
        fs::create_dir_all(&self.folder)?;
        let file = OpenOptions::new().create(true).append(true).open(place(&self.folder, key, 0))?;
        Ok(Open { bytes: file.metadata()?.len(), file })
    }

    /// Each that was put aside goes one further; the last one goes.
    fn rotate(&self, key: &Key) -> io::Result<()> {
        for age in (0..KEPT).rev() {
            match fs::rename(place(&self.folder, key, age), place(&self.folder, key, age + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

impl Lines for ServiceLog {
    fn line(&self, key: &Key, stream: Stream, line: &str) {
        if let Err(error) = self.append(key, stream, line) {
            tracing::warn!(service = %key, %error, "a line of a service could not be written to its log");
        }
    }
}

fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join(LOGS).join(SERVICE_LOGS)
}

/// Where a log is. A key is a file's name as it is: its alphabet has no separator.
fn place(folder: &Path, key: &Key, age: u32) -> PathBuf {
    match age {
        0 => folder.join(format!("{key}.log")),
        age => folder.join(format!("{key}.log.{age}")),
    }
}

/// The text as one line of bounded length.
fn one_line(text: &str) -> String {
    let mut end = text.len().min(MAX_SERVICE_LINE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut line = text[..end].replace(['\n', '\r'], " ");
    if end < text.len() {
        line.push_str(CUT);
    }
    line
}

#[cfg(test)]
mod tests {
    use oneiric_testkit::ManualClock;

    use super::*;

    fn log(state_dir: &Path) -> (ServiceLog, Key) {
        (ServiceLog::new(state_dir, Arc::new(ManualClock::new())), "shop.web".parse().unwrap())
    }

    #[test]
    fn a_line_is_a_line_with_its_time_and_its_stream() {
        let state = tempfile::tempdir().unwrap();
        let (log, key) = log(state.path());
        log.line(&key, Stream::Stdout, "listening");
        log.line(&key, Stream::Stderr, "two\nlines");
        log.line(&key, Stream::Stdout, &"ä".repeat(MAX_SERVICE_LINE));
        let text = fs::read_to_string(state.path().join("logs/services/shop.web.log")).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "1970-01-01T00:00:00.000000Z stdout listening");
        assert_eq!(lines[1], "1970-01-01T00:00:00.000000Z stderr two lines");
        assert!(lines[2].ends_with("ä [cut]") && lines[2].len() < MAX_SERVICE_LINE + 50);
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn a_log_that_is_full_is_put_aside_and_the_oldest_goes() {
        let state = tempfile::tempdir().unwrap();
        let key: Key = "shop.web".parse().unwrap();
        let log = ServiceLog::small(state.path(), Arc::new(ManualClock::new()), 4096);
        for n in 0..1000 {
            log.line(&key, Stream::Stdout, &n.to_string());
        }
        let mut names: Vec<_> = fs::read_dir(state.path().join("logs/services"))
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                assert!(entry.metadata().unwrap().len() <= 4096);
                entry.file_name().into_string().unwrap()
            })
            .collect();
        names.sort();
        assert_eq!(names, ["shop.web.log", "shop.web.log.1", "shop.web.log.2", "shop.web.log.3"]);
    }
}
