//! Aligned columns that fit the terminal.

use std::io::{self, Write as _};

use super::Screen;
use super::palette::Tone;
use super::text::{columns, cut, pad, squeeze};

/// What a column does where there is no room for all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// It stays whole.
    Whole,
    /// It is cut in the middle: ids and keys.
    Middle,
    /// It is cut at the end: sentences.
    End,
}

/// A column of a [`Table`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    title: &'static str,
    room: Room,
    right: bool,
}

impl Column {
    /// A column whose texts begin at its left edge.
    pub(crate) const fn new(title: &'static str, room: Room) -> Self {
        Self { title, room, right: false }
    }

    /// A column whose texts end at its right edge: numbers.
    pub(crate) const fn right(title: &'static str) -> Self {
        Self { title, room: Room::Whole, right: true }
    }
}

/// A text and its tone.
pub(crate) type Cell = (String, Tone);

/// A cell in the ordinary tone.
pub(crate) fn plain(text: impl Into<String>) -> Cell {
    (text.into(), Tone::Plain)
}

/// Rows under columns, indented by two spaces. A line below a row (`note`) is indented further.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<Row<N>>,
}

#[derive(Debug)]
enum Row<const N: usize> {
    Cells([Cell; N]),
    Note(Cell),
}

/// Spaces in front of every row.
const INDENT: usize = 2;

/// Spaces in front of every note.
pub(crate) const NOTE_INDENT: usize = 3 * INDENT;

/// Spaces between columns.
const GAP: usize = 2;

/// The least that a column which gives room keeps.
const LEAST: usize = 8;

impl<const N: usize> Table<N> {
    /// A table without rows.
    pub(crate) const fn new(columns: [Column; N]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: [Cell; N]) {
        self.rows.push(Row::Cells(cells));
    }

    /// Adds a line below the latest row.
    pub(crate) fn note(&mut self, text: impl Into<String>, tone: Tone) {
        self.rows.push(Row::Note((text.into(), tone)));
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Prints it, with titles where a column has one and a row is there.
    pub(crate) fn print(&self, screen: &mut Screen) -> io::Result<()> {
        let widths = self.widths(screen.width);
        if !self.rows.is_empty() && self.columns.iter().any(|column| !column.title.is_empty()) {
            let titles = self.columns.map(|column| (column.title.to_owned(), Tone::Faint));
            self.line(screen, &titles, &widths)?;
        }
        for row in &self.rows {
            match row {
                Row::Cells(cells) => self.line(screen, cells, &widths)?,
                Row::Note((text, tone)) => {
                    let indent = NOTE_INDENT;
                    let text = cut(text, screen.width.saturating_sub(indent));
                    let text = screen.palette.paint(*tone, &text);
                    writeln!(screen, "{:indent$}{text}", "")?;
                }
            }
        }
        Ok(())
    }

    fn line(&self, screen: &mut Screen, cells: &[Cell; N], widths: &[usize; N]) -> io::Result<()> {
        let mut line = " ".repeat(INDENT);
        let shown = cells.iter().zip(widths).rposition(|((text, _), width)| *width > 0 && !text.is_empty());
        for (place, ((text, tone), width)) in cells.iter().zip(widths).enumerate() {
            // A column that is empty throughout is not there.
            if *width == 0 || shown.is_none_or(|last| place > last) {
                continue;
            }
            let column = self.columns[place];
            let text = match column.room {
                Room::Whole => text.clone(),
                Room::Middle => squeeze(text, *width),
                Room::End => cut(text, *width),
            };
            let padding = " ".repeat(width.saturating_sub(columns(&text)));
            let painted = screen.palette.paint(*tone, &text);
            match (column.right, shown == Some(place)) {
                (true, _) => line.extend([padding.as_str(), painted.as_str()]),
                (false, true) => line.push_str(&painted),
                (false, false) => line.extend([painted.as_str(), padding.as_str()]),
            }
            if shown != Some(place) {
                line.push_str(&pad("", GAP));
            }
        }
        writeln!(screen, "{line}")
    }

    /// What each column gets: what it needs, less what the widest ones have to give.
    fn widths(&self, width: usize) -> [usize; N] {
        let mut widths = [0; N];
        for row in &self.rows {
            if let Row::Cells(cells) = row {
                for (width, (text, _)) in widths.iter_mut().zip(cells) {
                    *width = (*width).max(columns(text));
                }
            }
        }
        for (width, column) in widths.iter_mut().zip(&self.columns) {
            if *width > 0 {
                *width = (*width).max(columns(column.title));
            }
        }
        let shown = widths.iter().filter(|width| **width > 0).count();
        let fixed = INDENT + GAP * shown.saturating_sub(1);
        let mut excess = (widths.iter().sum::<usize>() + fixed).saturating_sub(width);
        while excess > 0 {
            let gives = (0..N).filter(|at| self.columns[*at].room != Room::Whole && widths[*at] > LEAST);
            let Some(widest) = gives.max_by_key(|at| widths[*at]) else { break };
            widths[widest] -= 1;
            excess -= 1;
        }
        widths
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::printed;
    use super::*;

    fn table() -> Table<4> {
        let mut table = Table::new([
            Column::new("node", Room::Middle),
            Column::right("took"),
            Column::new("", Room::Whole),
            Column::new("note", Room::End),
        ]);
        table.row([plain("a.rather.long.node.id.of.a.workflow"), plain("0.21s"), plain(""), plain("fine")]);
        table.row([plain("b"), plain("12.00s"), plain(""), plain("the second sentence is a long one")]);
        table.note("and a line below it", Tone::Faint);
        table
    }

    #[test]
    fn columns_give_room_where_there_is_none() {
        insta::assert_snapshot!(printed(90, |screen| table().print(screen)), @r"
          node                                   took  note
          a.rather.long.node.id.of.a.workflow   0.21s  fine
          b                                    12.00s  the second sentence is a long one
              and a line below it
        ");
        insta::assert_snapshot!(printed(44, |screen| table().print(screen)), @r"
          node                took  note
          a.rathe…workflow   0.21s  fine
          b                 12.00s  the second sent…
              and a line below it
        ");
    }
}
