//! The live view as text: pure, so that it can be looked at in tests.

use oneiric_core::Timestamp;
use oneiric_store::NodeStatus;

use super::board::{Active, Said, View};
use crate::output::Palette;
use crate::output::palette::{Tone, node_word};
use crate::output::text::{clean, columns, cut, duration, pad, squeeze};

/// Columns of the word of a state.
const WORD: usize = 5;

/// Columns that names get at most in lines that stay: later ones may be longer than those so far.
const NAME: usize = 32;

/// What the view is drawn with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pen {
    pub(super) palette: Palette,
    pub(super) graphics: bool,
    pub(super) width: usize,
}

impl Pen {
    /// The rows of what is under way and the bar below them.
    pub(super) fn rows(self, view: &View, now: Timestamp, since: Timestamp) -> String {
        let mut lines = Vec::with_capacity(view.active.len() + 2);
        let longest = view.active.iter().map(|node| columns(node.name.as_str())).max().unwrap_or(0);
        let name = longest.min(self.width.saturating_sub(32).max(12));
        lines.extend(view.active.iter().map(|node| self.active(node, name, now)));
        if view.more > 0 {
            let more = format!("  {:WORD$} ... and {} more under way", "", view.more);
            lines.push(self.palette.paint(Tone::Faint, &more));
        }
        lines.push(self.bar(view, now, since));
        lines.join("\n")
    }

    fn active(self, node: &Active, name: usize, now: Timestamp) -> String {
        let status = if node.wake_at.is_some() { NodeStatus::Waiting } else { NodeStatus::Running };
        let (word, tone) = node_word(status);
        // While it waits, the next try is what people count on.
        let (time, attempt) = match node.wake_at {
            Some(wake_at) => (format!("in {}", short(wake_at.since(now))), node.attempt + 1),
            None => (short(now.since(node.since)), node.attempt),
        };
        let tries = match (attempt, node.attempts) {
            (0 | 1, 0 | 1) => String::new(),
            (attempt, 0) => format!("  try {attempt}"),
            (attempt, attempts) => format!("  try {attempt}/{}", attempts.max(attempt)),
        };
        let used = WORD + name + columns(&tries) + 13;
        let room = self.width.saturating_sub(used + 3);
        let progress = node.progress.as_deref().filter(|_| room >= 4);
        let progress = progress.map(|text| format!("  {}", cut(&clean(text), room))).unwrap_or_default();
        let name = pad(&squeeze(node.name.as_str(), name), name);
        let word = self.palette.paint(tone, &pad(word, WORD));
        format!("  {word} {name}  {time:>8}{}{progress}", self.palette.paint(Tone::Odd, &tries))
    }

    fn bar(self, view: &View, now: Timestamp, since: Timestamp) -> String {
        let tally = view.tally;
        let elapsed = short(now.since(since));
        if tally.total == 0 {
            return self.palette.paint(Tone::Faint, &format!("  starting {elapsed}"));
        }
        let mut facts = format!("{}/{}", tally.done(), tally.total);
        for (count, word) in
            [(tally.failed, "failed"), (tally.skipped, "skipped"), (tally.stopped, "stopped")]
        {
            if count > 0 {
                facts.push_str(&format!(", {count} {word}"));
            }
        }
        let facts = format!("{facts}  {elapsed}");
        let room = self.width.saturating_sub(columns(&facts) + 6).min(30);
        if room < 5 {
            return cut(&format!("  {facts}"), self.width);
        }
        let filled = (room * tally.done()).checked_div(tally.total).unwrap_or(0).min(room);
        let (full, empty) = if self.graphics { ("━", "─") } else { ("=", "-") };
        let tone = if tally.failed > 0 { Tone::Bad } else { Tone::Good };
        let full = self.palette.paint(tone, &full.repeat(filled));
        let empty = self.palette.paint(Tone::Faint, &empty.repeat(room - filled));
        format!("  {full}{empty}  {facts}")
    }

    /// A line that stays, not wider than the terminal.
    pub(super) fn said_within(self, said: &Said) -> String {
        let narrow = match said {
            Said::Text(text) => Said::Text(cut(text, self.width - 1)),
            Said::Task { name, text } => {
                let room = self.width.saturating_sub(columns(name.as_str()).min(NAME) + 6);
                Said::Task { name: name.clone(), text: cut(text, room) }
            }
            Said::Node { note, name, .. } => {
                let mut narrow = said.clone();
                let room = self.width.saturating_sub(columns(name.as_str()).max(20) + 28);
                if let (Said::Node { note: shown, .. }, Some(note)) = (&mut narrow, note) {
                    *shown = (room > 10).then(|| cut(note, room));
                }
                narrow
            }
        };
        self.said(&narrow)
    }

    /// A line that stays.
    pub(super) fn said(self, said: &Said) -> String {
        match said {
            Said::Text(text) => text.clone(),
            Said::Task { name, text } => {
                let name = self.palette.paint(Tone::Faint, &format!("{} |", squeeze(name.as_str(), NAME)));
                format!("  {name} {text}")
            }
            Said::Node { status, name, took, attempt, note } => {
                let (word, tone) = node_word(*status);
                let mut line = self.palette.paint(tone, &pad(word, WORD));
                line = format!("  {line} {}", pad(name.as_str(), 20));
                if let Some(took) = took {
                    line.push_str(&format!("  {:>7}", duration(*took)));
                }
                if *attempt > 1 || *status == NodeStatus::Waiting {
                    line.push_str(&format!("  try {attempt}"));
                }
                if let Some(note) = note {
                    line.push_str(&format!("  {}", clean(note)));
                }
                line.trim_end().to_owned()
            }
        }
    }
}

/// Whole seconds, except below ten.
fn short(time: std::time::Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1}s", time.as_secs_f64()),
        10..100 => format!("{}s", time.as_secs()),
        _ => duration(time),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use oneiric_core::NodeId;

    use super::super::board::Tally;
    use super::*;

    fn pen(width: usize) -> Pen {
        Pen { palette: Palette::PLAIN, graphics: true, width }
    }

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_micros((seconds * 1e6) as i64)
    }

    fn active(name: &str, attempt: u32, attempts: u32, since: f64, wake_at: Option<f64>) -> Active {
        Active {
            name: NodeId::new(name).unwrap(),
            attempt,
            attempts,
            since: at(since),
            wake_at: wake_at.map(at),
            progress: None,
        }
    }

    fn view() -> View {
        View {
            active: vec![
                Active {
                    progress: Some("40% page 2 of 5 of what has to be looked at, which is much".to_owned()),
                    ..active("reserve_stock", 1, 1, 3.0, None)
                },
                active("charge_card", 2, 5, 12.75, None),
                active(
                    "a.name.that.is.longer.than.there.is.room.for.on.a.small.terminal",
                    2,
                    3,
                    1.0,
                    Some(16.5),
                ),
            ],
            more: 34,
            tally: Tally { total: 120, ok: 40, failed: 1, skipped: 2, stopped: 0 },
            ..View::default()
        }
    }

    fn check(width: usize) -> String {
        let rows = pen(width).rows(&view(), at(14.0), at(0.0));
        for line in rows.lines() {
            assert!(columns(line) < width, "too wide for {width}: {line}");
        }
        rows
    }

    #[test]
    fn rows_fit_the_terminal() {
        insta::assert_snapshot!(check(80));
        insta::assert_snapshot!(check(100));
        check(40);
    }

    #[test]
    fn lines_that_stay_say_what_happened() {
        let said = |status, took: f64, attempt, note: Option<&str>| {
            pen(80).said(&Said::Node {
                status,
                name: NodeId::new("charge").unwrap(),
                took: Some(Duration::from_secs_f64(took)),
                attempt,
                note: note.map(str::to_owned),
            })
        };
        let lines = [
            said(NodeStatus::Completed, 0.2, 1, None),
            said(NodeStatus::Waiting, 1.0, 1, Some("again in 3.00s: `sh` exited with 3")),
            said(NodeStatus::Failed, 12.5, 2, Some("`sh` exited with 3")),
            pen(80).said(&Said::Task { name: NodeId::new("charge").unwrap(), text: "no route".to_owned() }),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r"
          ok    charge                  0.20s
          wait  charge                  1.00s  try 1  again in 3.00s: `sh` exited with 3
          fail  charge                 12.50s  try 2  `sh` exited with 3
          charge | no route
        ");
    }
}
