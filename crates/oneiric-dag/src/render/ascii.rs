//! A graph in a terminal: one row a node, after everything it waits for.
//!
//! The gutter shows nesting instead of every edge, because edges drawn as lines need a column for each
//! that is open, and a fan of fifty has fifty. A chain is a straight lane; what a node forks hangs from
//! its lane as further lanes; where the branches meet again the lane goes on. Rows therefore follow the
//! dominator tree. What the lines do not say stands behind `←`: the ids the node waits for.
//!
//! ```text
//! ┌ ✓ split
//! ├─┬ ✓ resize_1
//! │ └ ✓ encode_1
//! ├── ► encode_2
//! └ · merge        ← encode_1, encode_2
//! ```

mod columns;
mod lanes;

use std::fmt::Write as _;

use columns::{Row, Widths};

use super::text::{clean, column, shorten};
use super::{NodeLook, Picture};

/// Characters the drawing may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// Box drawing characters and symbols; ids stay as they are.
    Unicode,
    /// Seven bits only: other characters in ids and labels become `?`.
    Ascii,
}

/// What is known about the place a drawing is shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Columns that no line exceeds. Less than 20 is taken as 20.
    pub width: usize,
    /// Characters that may be used.
    pub charset: Charset,
    /// Whether to colour symbols and dim what is secondary, by ANSI sequences.
    pub colour: bool,
}

/// Below this nothing but ellipses would be left.
const MIN_WIDTH: usize = 20;

/// Draws `picture` as lines of text, each ended by a line break: the title, a row for each node, and how
/// many nodes are in which state.
///
/// Ids that do not fit are shortened in the middle. No row depends on how many nodes run side by side.
pub fn ascii(picture: &Picture, terminal: Terminal) -> String {
    let pen = Pen { terminal: Terminal { width: terminal.width.max(MIN_WIDTH), ..terminal } };
    let width = pen.terminal.width;
    let states = picture.nodes().iter().any(|node| node.state.is_some());
    let rows: Vec<Row> = lanes::rows(picture, width / 8)
        .into_iter()
        .map(|place| Row::new(picture, &place, states, &pen))
        .collect();
    let widths = Widths::fit(&rows, width);

    let mut out = String::new();
    if !picture.title().is_empty() {
        let title = pen.text(picture.title());
        pen.line(&mut out, &pen.paint("1", &pen.fit(&title, width)));
    }
    for row in &rows {
        pen.line(&mut out, &row.draw(&widths, &pen));
    }
    summary(picture, &pen, &mut out);
    out
}

/// `✓ completed 12  ✗ failed 1`, wrapped between states.
fn summary(picture: &Picture, pen: &Pen, out: &mut String) {
    let (mut line, mut used) = (String::new(), 0);
    for (look, count) in picture.tally() {
        let text = format!(" {} {count}", look.word());
        let wide = 1 + text.len();
        if used > 0 && used + 2 + wide > pen.terminal.width {
            pen.line(out, &std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push_str("  ");
            used += 2;
        }
        line.push_str(&pen.symbol(look));
        line.push_str(&pen.paint("2", &text));
        used += wide;
    }
    if used > 0 {
        pen.line(out, &line);
    }
}

/// Turns meaning into characters of the terminal at hand.
struct Pen {
    terminal: Terminal,
}

impl Pen {
    fn pick<T>(&self, unicode: T, ascii: T) -> T {
        match self.terminal.charset {
            Charset::Unicode => unicode,
            Charset::Ascii => ascii,
        }
    }

    fn arrow(&self) -> &'static str {
        self.pick("←", "<-")
    }

    fn text(&self, text: &str) -> String {
        let keep = |c: char| self.terminal.charset == Charset::Unicode || c.is_ascii();
        clean(text).chars().map(|c| if keep(c) { c } else { '?' }).collect()
    }

    fn fit(&self, text: &str, room: usize) -> String {
        shorten(text, room, self.pick("…", ".."), column).into_owned()
    }

    fn paint(&self, sgr: &str, text: &str) -> String {
        if self.terminal.colour && !text.is_empty() {
            format!("\u{1b}[{sgr}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn symbol(&self, look: NodeLook) -> String {
        let symbol = self.pick(look.symbol(), look.ascii_symbol());
        self.paint(look.style().sgr, symbol.encode_utf8(&mut [0; 4]))
    }

    fn line(&self, out: &mut String, line: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{}", line.trim_end());
    }
}
