//! The thread that draws a board.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use oneiric_core::Clock as _;
use oneiric_runtime::SystemClock;

use super::Telling;
use super::board::{Board, Said, View};
use super::rows::Pen;
use crate::failure::Manner;
use crate::output::terminal_width;
use crate::output::text::cut;

/// Between two drawings: faster than this nobody reads.
const PAUSE: Duration = Duration::from_millis(100);

/// Rows at most; fewer where the terminal is low.
const ROWS: usize = 12;

/// Lines of tasks that are put above the rows at a time, and half of all lines: a chatty task must not
/// push the rows off the screen, and the report at the end has every failure.
const LINES: usize = 40;

pub(super) struct Painter {
    board: Arc<Board>,
    pen: Pen,
    clock: SystemClock,
    /// Where there are rows.
    bar: Option<ProgressBar>,
}

impl Painter {
    pub(super) fn new(board: Arc<Board>, manner: Manner) -> Self {
        let bar = (board.telling() == Telling::Rows).then(|| {
            let target = ProgressDrawTarget::stderr_with_hz(20);
            let style =
                ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::with_draw_target(None, target).with_style(style)
        });
        let pen = Pen { palette: manner.palette, graphics: manner.graphics, width: manner.width };
        Self { board, pen, clock: SystemClock::default(), bar }
    }

    pub(super) fn run(mut self) {
        let since = self.clock.now();
        loop {
            let rows = self.measure();
            let view = self.board.next(PAUSE, rows);
            match &self.bar {
                None => self.lines(&view, usize::MAX),
                Some(bar) => {
                    self.above(bar, &view);
                    if !view.closed {
                        bar.set_message(self.pen.rows(&view, self.clock.now(), since));
                        bar.tick();
                    }
                }
            }
            if view.closed {
                if let Some(bar) = &self.bar {
                    bar.finish_and_clear();
                }
                return;
            }
        }
    }

    /// Looks at the terminal again, it may have changed; returns how many rows fit.
    fn measure(&mut self) -> usize {
        if self.bar.is_none() {
            return 0;
        }
        let size = terminal_size::terminal_size_of(io::stderr());
        self.pen.width = terminal_width(size);
        let height = size.map_or(24, |(_, terminal_size::Height(rows))| usize::from(rows));
        // Room for the bar, what is left over, and a few lines above.
        height.saturating_sub(6).clamp(1, ROWS)
    }

    fn above(&self, bar: &ProgressBar, view: &View) {
        let is_task = |said: &&Said| matches!(said, Said::Task { .. });
        let of_tasks = view.said.iter().filter(is_task).count();
        let mut hidden = of_tasks.saturating_sub(LINES);
        let mut lines: Vec<String> = Vec::new();
        if hidden + view.dropped > 0 {
            lines.push(skipped(hidden + view.dropped));
        }
        for said in &view.said {
            if hidden > 0 && is_task(&said) {
                hidden -= 1;
            } else {
                lines.push(self.pen.said_within(said));
            }
        }
        let more = lines.len().saturating_sub(2 * LINES);
        if more > 0 {
            lines.truncate(2 * LINES);
            lines.push(format!("  ... and {more} more"));
        }
        if !lines.is_empty() {
            bar.println(lines.join("\n"));
        }
    }

    fn lines(&self, view: &View, width: usize) {
        if view.said.is_empty() && view.dropped == 0 {
            return;
        }
        let mut text = String::new();
        for said in &view.said {
            text.push_str(&cut(&self.pen.said(said), width));
            text.push('\n');
        }
        if view.dropped > 0 {
            text.push_str(&skipped(view.dropped));
            text.push('\n');
        }
        // A reader that went away misses it; the result is told elsewhere.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

fn skipped(count: usize) -> String {
    format!("  ... {count} lines of task output not shown")
}
