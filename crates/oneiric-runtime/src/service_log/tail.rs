//! The newest lines of a service, and those that come after them.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use oneiric_core::Key;

use super::{KEPT, folder, place};

/// The most that one look reads, in bytes.
const LOOK: u64 = 1024 * 1024;

/// Reads the log of a service from a place on, also where it is put aside meanwhile. Blocking.
#[derive(Debug)]
pub struct ServiceLogTail {
    folder: PathBuf,
    key: Key,
    /// The file that is read, and its number in the file system; `None` before there is one.
    open: Option<(File, u64)>,
    /// The beginning of a line whose end is not there yet.
    begun: Vec<u8>,
}

impl ServiceLogTail {
    /// The newest `count` lines, at most, and whoever reads on behind them. Creates nothing; where there is no
    /// log yet, there are no lines.
    ///
    /// # Errors
    /// Where a log cannot be read.
    pub fn newest(state_dir: &Path, key: &Key, count: usize) -> io::Result<(Vec<String>, Self)> {
        let mut tail = Self { folder: folder(state_dir), key: key.clone(), open: None, begun: Vec::new() };
        let mut lines: Vec<String> = Vec::new();
        for age in 0..=KEPT {
            let Some((mut file, number)) = tail.file(age)? else { continue };
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let rest = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let text = String::from_utf8_lossy(&bytes[..rest]);
            let missing = count.saturating_sub(lines.len());
            let mut older: Vec<String> = text.lines().rev().take(missing).map(str::to_owned).collect();
            older.reverse();
            older.append(&mut lines);
            lines = older;
            if age == 0 {
                tail.begun = bytes[rest..].to_vec();
                tail.open = Some((file, number));
            }
            if lines.len() >= count {
                break;
            }
        }
        Ok((lines, tail))
    }

    /// Whether there is a log.
    pub fn is_there(&self) -> bool {
        self.open.is_some()
    }

    /// The lines that came since the last look, at most a megabyte of them; none where nothing came.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn more(&mut self) -> io::Result<Vec<String>> {
        if self.open.is_none() {
            self.open = self.file(0)?;
        }
        let Some((file, number)) = &mut self.open else { return Ok(Vec::new()) };
        let mut bytes = std::mem::take(&mut self.begun);
        let known = bytes.len();
        let number = *number;
        file.take(LOOK).read_to_end(&mut bytes)?;
        if bytes.len() == known {
            // Nothing more will come to this one where another has its name.
            if let Some(next) = self.after(number)? {
                self.open = Some(next);
                self.begun = bytes;
                return self.more();
            }
        }
        let rest = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.begun = bytes.split_off(rest);
        Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
    }

    /// The file that came after one; `None` where that one is still written to.
    fn after(&self, number: u64) -> io::Result<Option<(File, u64)>> {
        let mut newer = None;
        for age in 0..=KEPT {
            let Some((mut file, found)) = self.file(age)? else { continue };
            if found == number {
                return Ok(newer);
            }
            file.seek(SeekFrom::Start(0))?;
            newer = Some((file, found));
        }
        // It is gone altogether: the oldest that is there is the next one.
        Ok(newer)
    }

    fn file(&self, age: u32) -> io::Result<Option<(File, u64)>> {
        match File::open(place(&self.folder, &self.key, age)) {
            Ok(file) => {
                let number = file.metadata()?.ino();
                Ok(Some((file, number)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use oneiric_core::roles::Stream;
    use oneiric_supervisor::supervisor::Lines as _;
    use oneiric_testkit::ManualClock;

    use super::super::ServiceLog;
    use super::*;

    fn numbers(lines: Vec<String>) -> Vec<u64> {
        let number = |line: String| line.split(' ').nth(2).unwrap().parse().unwrap();
        lines.into_iter().map(number).collect()
    }

    #[test]
    fn no_line_is_missed_and_none_is_told_twice_when_the_log_is_put_aside() {
        let state = tempfile::tempdir().unwrap();
        let key: Key = "web".parse().unwrap();
        let log = ServiceLog::small(state.path(), Arc::new(ManualClock::new()), 4096);
        let (lines, mut tail) = ServiceLogTail::newest(state.path(), &key, 10).unwrap();
        assert!(lines.is_empty() && tail.more().unwrap().is_empty());
        let total = 300;
        let mut seen = Vec::new();
        for n in 0..total {
            log.line(&key, Stream::Stdout, &n.to_string());
            if n % 50 == 0 {
                seen.extend(numbers(tail.more().unwrap()));
            }
        }
        loop {
            let more = numbers(tail.more().unwrap());
            if more.is_empty() {
                break;
            }
            seen.extend(more);
        }
        assert_eq!(seen, (0..total).collect::<Vec<_>>());
        // Also across the files that were put aside.
        let (newest, _) = ServiceLogTail::newest(state.path(), &key, 250).unwrap();
        assert_eq!(numbers(newest), (total - 250..total).collect::<Vec<_>>());
    }
}
