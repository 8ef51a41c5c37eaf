//! A stream of bytes as log lines, in bounded memory.

use std::borrow::Cow;

use oneiric_core::roles::Progress;

use crate::Limits;

/// The longest last line that goes into the message of a fault.
const LAST_LINE_BYTES: usize = 1024;

/// Cuts chunks into lines and hands them on, as far as the limits allow.
#[derive(Debug)]
pub(crate) struct Lines {
    limits: Limits,
    /// The line that has no line feed yet; at most `limits.line_bytes`.
    pending: Vec<u8>,
    /// Whether `pending` already lost bytes.
    cut: bool,
    handed_on: usize,
    dropped: u64,
    last: String,
}

impl Lines {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, pending: Vec::new(), cut: false, handed_on: 0, dropped: 0, last: String::new() }
    }

    /// Takes the next bytes and hands on every line that they complete.
    pub(crate) fn push(&mut self, mut chunk: &[u8], to: &mut impl FnMut(&str)) {
        while let Some(end) = chunk.iter().position(|byte| *byte == b'\n') {
            self.extend(&chunk[..end]);
            self.complete(to);
            chunk = &chunk[end + 1..];
        }
        self.extend(chunk);
    }

    /// Hands on a last line without a line feed, and the note about dropped lines.
    pub(crate) fn finish(&mut self, to: &mut impl FnMut(&str)) {
        if !self.pending.is_empty() {
            self.complete(to);
        }
        if self.dropped > 0 {
            let (dropped, bytes) = (self.dropped, self.limits.log_bytes);
            to(&format!("[{dropped} further lines dropped: a call may log {bytes} bytes]"));
        }
    }

    /// The last line that was not blank, also where it was dropped; empty where there was none.
    pub(crate) fn last(&self) -> &str {
        &self.last
    }

    fn extend(&mut self, bytes: &[u8]) {
        let room = self.limits.line_bytes - self.pending.len();
        self.pending.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.cut |= bytes.len() > room;
    }

    fn complete(&mut self, to: &mut impl FnMut(&str)) {
        if self.cut {
            drop_split_character(&mut self.pending);
        } else if self.pending.last() == Some(&b'\r') {
            self.pending.pop();
        }
        let mut line = String::from_utf8_lossy(&self.pending);
        if Progress::of_line(&line).is_some() {
            // It goes into no log and explains no end, however often it comes.
            to(&line);
            self.pending.clear();
            self.cut = false;
            return;
        }
        if self.cut {
            line += Cow::Borrowed(" [cut]");
        }
        if !line.trim().is_empty() {
            self.last.clear();
            self.last.push_str(line[..line.floor_char_boundary(LAST_LINE_BYTES)].trim());
        }
        if self.handed_on.saturating_add(line.len()) > self.limits.log_bytes {
            self.dropped += 1;
            // A later, shorter line must not slip through between dropped ones.
            self.handed_on = usize::MAX;
        } else {
            // One byte for the line feed, so that blank lines are not free.
            self.handed_on += line.len() + 1;
            to(&line);
        }
        self.pending.clear();
        self.cut = false;
    }
}

/// Removes the beginning of a character whose rest was cut off.
fn drop_split_character(bytes: &mut Vec<u8>) {
    // A character has at most four bytes, so that a split one begins in the last three.
    let tail = bytes.len().saturating_sub(3);
    if let Some(start) = (tail..bytes.len()).rev().find(|i| bytes[*i] & 0b1100_0000 != 0b1000_0000)
        && std::str::from_utf8(&bytes[start..]).is_err_and(|error| error.error_len().is_none())
    {
        bytes.truncate(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Limits = Limits { stdout_bytes: 0, log_bytes: 40, line_bytes: 8 };

    fn lines(chunks: &[&[u8]]) -> (Vec<String>, String) {
        let mut lines = Lines::new(SMALL);
        let mut found = Vec::new();
        for chunk in chunks {
            lines.push(chunk, &mut |line| found.push(line.to_owned()));
        }
        lines.finish(&mut |line| found.push(line.to_owned()));
        (found, lines.last().to_owned())
    }

    #[test]
    fn chunks_become_lines_wherever_they_are_split() {
        let check = |chunks: &[&[u8]], expected: &[&str], last: &str| {
            assert_eq!(lines(chunks), (expected.iter().map(|s| (*s).to_owned()).collect(), last.to_owned()));
        };
        check(&[], &[], "");
        check(&[b"a\nb", b"c\n", b"d"], &["a", "bc", "d"], "d");
        check(&[b"a\r\n\n  \n"], &["a", "", "  "], "a");
        check(&[b"\xff\xfe!\n"], &["\u{fffd}\u{fffd}!"], "\u{fffd}\u{fffd}!");
        check(&[b"12345678\n"], &["12345678"], "12345678");
        check(&[b"12345", b"6789\nx\n"], &["12345678 [cut]", "x"], "x");
        check(&["1234567é\n".as_bytes()], &["1234567 [cut]"], "1234567 [cut]");
        check(&["123456é!\n".as_bytes()], &["123456é [cut]"], "123456é [cut]");
    }

    #[test]
    fn progress_is_handed_on_beside_the_budget() {
        let wide = Limits { line_bytes: 20, ..SMALL };
        let mut lines = Lines::new(wide);
        let mut found = 0;
        let text = format!("why\n{}", "::progress 0.5\n".repeat(100));
        lines.push(text.as_bytes(), &mut |_| found += 1);
        lines.finish(&mut |line| panic!("{line}"));
        assert_eq!((found, lines.last()), (101, "why"));
    }

    #[test]
    fn lines_after_the_bound_are_counted_and_the_last_one_is_remembered() {
        let text = "1234567\n".repeat(7) + "the end\n";
        let (found, last) = lines(&[text.as_bytes()]);
        assert_eq!(found.len(), 6);
        assert_eq!(found[5], "[3 further lines dropped: a call may log 40 bytes]");
        assert_eq!(last, "the end");
    }
}
