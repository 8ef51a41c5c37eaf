//! What happened, line by line: a fingerprint of all of it, and the last lines for a person.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hasher as _};
use std::time::Duration;

/// How many lines a failure shows: enough for the story of one node, little enough to be read.
const TAIL: usize = 80;

/// What happened, in order.
#[derive(Debug, Default)]
pub(super) struct Trace {
    hash: DefaultHasher,
    lines: u64,
    tail: VecDeque<String>,
}

impl Trace {
    pub(super) fn line(&mut self, at: Duration, what: fmt::Arguments<'_>) {
        // A line that falls out at the front lends its memory to the one that comes.
        let mut line = if self.tail.len() == TAIL { self.tail.pop_front() } else { None }.unwrap_or_default();
        line.clear();
        // Writing to a string cannot fail.
        let _ = fmt::write(&mut line, format_args!("{:>12.6} {what}", at.as_secs_f64()));
        self.hash.write(line.as_bytes());
        self.hash.write_u8(b'\n');
        self.lines += 1;
        self.tail.push_back(line);
    }

    /// The last line counts, and nobody wants to read it.
    pub(super) fn hide(&mut self) {
        self.tail.pop_back();
    }

    /// The fingerprint of every line so far.
    pub(super) fn fingerprint(&self) -> u64 {
        self.hash.finish()
    }

    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    pub(super) fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }
}
