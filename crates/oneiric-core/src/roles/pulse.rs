//! How a task that takes long says that it is alive, and how far it is.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Clock, Timestamp};

/// The longest text of a [`Progress`], in bytes: what fits into one row of a terminal.
pub const MAX_PROGRESS_BYTES: usize = 200;

/// What a line on standard error begins with that tells progress; see [`Progress::of_line`].
pub const PROGRESS_LINE: &str = "::progress";

/// How far a task is.
///
/// Shape: `{"fraction":0.4,"text":"page 2 of 5"}`; both may be left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// From 0, nothing, to 1, everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// What it is about, without control characters; at most [`MAX_PROGRESS_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Progress {
    /// A fraction and a text. What is no number is left out, what is beyond a bound is brought within it.
    pub fn new(fraction: Option<f64>, text: Option<&str>) -> Self {
        let text = text.map(|text| {
            let text = text[..text.floor_char_boundary(MAX_PROGRESS_BYTES)].trim();
            text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>()
        });
        Self {
            fraction: fraction.filter(|fraction| !fraction.is_nan()).map(|fraction| fraction.clamp(0.0, 1.0)),
            text: text.filter(|text| !text.is_empty()),
        }
    }

    /// Reads a line that a program wrote to its standard error: `::progress`, `::progress 0.4`,
    /// `::progress 40%`, `::progress page 2 of 5`, `::progress 0.4 page 2 of 5`. Any other line is `None`.
    pub fn of_line(line: &str) -> Option<Self> {
        let rest = line.trim_start().strip_prefix(PROGRESS_LINE)?;
        if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
            return None;
        }
        let rest = rest.trim();
        let (first, more) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let fraction = match first.strip_suffix('%') {
            Some(percent) => percent.parse::<f64>().ok().map(|percent| percent / 100.0),
            // A count, `::progress 3 files left`, is no fraction.
            None => first.parse::<f64>().ok().filter(|fraction| (0.0..=1.0).contains(fraction)),
        };
        Some(match fraction {
            Some(fraction) => Self::new(Some(fraction), Some(more)),
            None => Self::new(None, Some(rest)),
        })
    }
}

impl fmt::Display for Progress {
    /// `40% page 2 of 5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.fraction, &self.text) {
            (Some(fraction), Some(text)) => write!(f, "{:.0}% {text}", fraction * 100.0),
            (Some(fraction), None) => write!(f, "{:.0}%", fraction * 100.0),
            (None, Some(text)) => f.write_str(text),
            (None, None) => f.write_str("alive"),
        }
    }
}

/// What a try said last, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// What it said; a sign of life alone leaves the last word as it is.
    pub progress: Progress,
    /// When it last gave a sign of life.
    pub at: Timestamp,
}

/// By which a try says that it is alive, and how far it is. A clone is the same one: give it to threads that
/// do the work. Only the latest word is kept, in memory; saying it often costs little and writes nothing.
#[derive(Clone)]
pub struct Pulse(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    // Microseconds of the monotonic clock.
    last: AtomicU64,
    said: Mutex<Option<Said>>,
}

impl Pulse {
    /// Of a try that begins now.
    pub fn new(clock: &Arc<dyn Clock>) -> Self {
        let last = AtomicU64::new(micros(clock.monotonic()));
        Self(Arc::new(Inner { clock: Arc::clone(clock), last, said: Mutex::default() }))
    }

    /// The try is alive.
    pub fn beat(&self) {
        self.touch(|_| {});
    }

    /// The try is alive, and this far.
    pub fn tell(&self, progress: Progress) {
        self.touch(|said| said.progress = progress);
    }

    fn touch(&self, change: impl FnOnce(&mut Said)) {
        let Inner { clock, last, said } = &*self.0;
        last.store(micros(clock.monotonic()), Ordering::Release);
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = said.get_or_insert_with(|| Said { progress: Progress::default(), at: clock.now() });
        said.at = clock.now();
        change(said);
    }

    /// How long it has been silent; from the beginning of the try where it has said nothing.
    pub fn silence(&self) -> Duration {
        let now = micros(self.0.clock.monotonic());
        Duration::from_micros(now.saturating_sub(self.0.last.load(Ordering::Acquire)))
    }

    /// What was said last; `None` where nothing was.
    pub fn said(&self) -> Option<Said> {
        self.0.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pulse").field(&self.said()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_a_fraction_a_text_both_or_life() {
        let check = |line: &str, expected: Option<(Option<f64>, Option<&str>)>| {
            let found = Progress::of_line(line);
            let found = found.as_ref().map(|found| (found.fraction, found.text.as_deref()));
            assert_eq!(found, expected, "{line}");
        };
        check("::progress", Some((None, None)));
        check("::progress 0.4", Some((Some(0.4), None)));
        check("  ::progress\t40%   page 2 of 5  ", Some((Some(0.4), Some("page 2 of 5"))));
        check("::progress 1 done", Some((Some(1.0), Some("done"))));
        check("::progress 3 files left", Some((None, Some("3 files left"))));
        check("::progress 250%", Some((Some(1.0), None)));
        check("::progress NaN", Some((None, Some("NaN"))));
        check("::progress page 2", Some((None, Some("page 2"))));
        check("::progressive", None);
        check("progress 0.4", None);
        check("say ::progress", None);
    }

    #[test]
    fn a_text_is_short_and_plain() {
        let long = Progress::new(Some(-3.0), Some(&"é\u{1b}".repeat(200)));
        assert!(long.text.as_deref().is_some_and(|text| text.len() <= MAX_PROGRESS_BYTES));
        assert!(!long.text.unwrap().contains('\u{1b}'));
        assert_eq!(long.fraction, Some(0.0));
        assert_eq!(Progress::new(Some(f64::NAN), Some(" \n")), Progress::default());
        assert_eq!(Progress::new(Some(0.4), Some("x")).to_string(), "40% x");
    }
}
