//! Rows of text that share a width: gutter and id, detail, label, dependencies.

use super::Pen;
use super::lanes::Place;
use crate::render::text::columns;
use crate::render::{NodeLook, Picture};

/// Spaces between columns.
const GAP: usize = 2;
/// An id among dependencies is a reminder, not the place to read it.
const MAX_REFERENCE: usize = 28;
/// Dependencies written out at most; the rest is counted. Keeps a join of thousands cheap.
const MAX_REFERENCES: usize = 8;

/// Narrower than this a shortened text says nothing.
const LEGIBLE: usize = 6;
/// The arrow with its space, and the count that may follow the ids.
const ARROW: usize = 4;

/// One node's texts, cleaned but not yet cut.
pub(super) struct Row {
    gutter: String,
    id: String,
    /// The outer `None` where no node of the picture has a state.
    state: Option<Option<NodeLook>>,
    detail: String,
    label: String,
    after: Vec<String>,
    after_count: usize,
}

impl Row {
    pub(super) fn new(picture: &Picture, place: &Place, states: bool, pen: &Pen) -> Self {
        let node = &picture.nodes()[place.node];
        let named = if place.told { &[] } else { &node.depends_on[..] };
        let reference = |from: &usize| pen.fit(&pen.text(&picture.nodes()[*from].id), MAX_REFERENCE);
        Self {
            gutter: place.gutter(pen),
            id: pen.text(&node.id),
            state: states.then_some(node.state),
            detail: node.detail.as_deref().map(|detail| pen.text(detail)).unwrap_or_default(),
            label: pen.text(&node.label),
            after: named.iter().take(MAX_REFERENCES).map(reference).collect(),
            after_count: named.len(),
        }
    }

    /// Columns in front of the id.
    fn lead(&self) -> usize {
        columns(&self.gutter) + 1 + if self.state.is_some() { 2 } else { 0 }
    }

    fn wants(&self) -> Widths {
        let named = self.after.iter().map(|id| columns(id)).sum::<usize>() + 2 * self.after.len();
        Widths {
            id: self.lead() + columns(&self.id),
            detail: columns(&self.detail),
            label: columns(&self.label),
            after: if self.after.is_empty() { 0 } else { named + ARROW },
        }
    }

    pub(super) fn draw(&self, widths: &Widths, pen: &Pen) -> String {
        let mut line = Line { text: String::new(), used: 0 };
        line.push(&self.gutter, &pen.paint("2", &self.gutter));
        line.push(" ", " ");
        match self.state {
            Some(Some(look)) => line.push("  ", &format!("{} ", pen.symbol(look))),
            Some(None) => line.push("  ", "  "),
            None => {}
        }
        let loud = matches!(self.state, Some(Some(NodeLook::Failed | NodeLook::Running)));
        let id = pen.fit(&self.id, widths.id.saturating_sub(self.lead()));
        line.push(&id, &if loud { pen.paint("1", &id) } else { id.clone() });

        let mut edge = widths.id;
        for (text, width) in [(&self.detail, widths.detail), (&self.label, widths.label)] {
            let cell = pen.fit(text, width);
            if !cell.is_empty() {
                line.pad(edge + GAP);
                line.push(&cell, &pen.paint("2", &cell));
            }
            edge += if width > 0 { width + GAP } else { 0 };
        }
        let after = self.after(widths.after, pen);
        if !after.is_empty() {
            line.pad(edge + GAP);
            line.push(&after, &pen.paint("2", &after));
        }
        line.text
    }

    /// `← first, second, +3`: as many ids as fit, else a shortened one, else only their number.
    fn after(&self, room: usize, pen: &Pen) -> String {
        if self.after_count == 0 {
            return String::new();
        }
        let texts = (1..=self.after.len()).rev().map(|shown| self.naming(&self.after[..shown], pen));
        let shortened = || {
            let rest = self.naming(&[String::new()], pen);
            let room = room.saturating_sub(columns(&rest));
            if room < LEGIBLE {
                return format!("{} {}", pen.arrow(), self.after_count);
            }
            self.naming(&[pen.fit(&self.after[0], room)], pen)
        };
        let fits = |text: &String| columns(text) <= room;
        texts.into_iter().find(fits).or_else(|| Some(shortened()).filter(fits)).unwrap_or_default()
    }

    fn naming(&self, shown: &[String], pen: &Pen) -> String {
        let hidden = match self.after_count - shown.len() {
            0 => String::new(),
            rest => format!(", +{rest}"),
        };
        format!("{} {}{hidden}", pen.arrow(), shown.join(", "))
    }
}

struct Line {
    text: String,
    used: usize,
}

impl Line {
    fn push(&mut self, plain: &str, painted: &str) {
        self.text.push_str(painted);
        self.used += columns(plain);
    }

    fn pad(&mut self, to: usize) {
        let missing = to.saturating_sub(self.used);
        self.text.extend(std::iter::repeat_n(' ', missing));
        self.used += missing;
    }
}

type Column = fn(&mut Widths) -> &mut usize;

/// Width of each column, without the gaps; an empty column takes no gap either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Widths {
    pub(super) id: usize,
    pub(super) detail: usize,
    pub(super) label: usize,
    pub(super) after: usize,
}

impl Widths {
    /// What the widest rows want, reduced until it fits in `width`: first each column down to what still
    /// helps, then the less important ones altogether.
    pub(super) fn fit(rows: &[Row], width: usize) -> Self {
        let most = |pick: fn(&Widths) -> usize| rows.iter().map(|row| pick(&row.wants())).max().unwrap_or(0);
        let lead = rows.iter().map(Row::lead).max().unwrap_or(0);
        let mut widths = Self {
            id: most(|w| w.id),
            detail: most(|w| w.detail),
            label: most(|w| w.label),
            after: most(|w| w.after),
        };
        let wanted = widths.id;
        let steps: [(Column, usize); 9] = [
            (|w| &mut w.after, 32),
            (|w| &mut w.label, 20),
            (|w| &mut w.id, lead + 28),
            (|w| &mut w.detail, 16),
            (|w| &mut w.after, 20),
            (|w| &mut w.label, 0),
            (|w| &mut w.id, lead + 12),
            (|w| &mut w.after, 0),
            (|w| &mut w.detail, 0),
        ];
        for (column, floor) in steps {
            let excess = widths.total().saturating_sub(width);
            let column = column(&mut widths);
            let cut = excess.min(column.saturating_sub(floor));
            *column -= cut;
            if cut > 0 && *column < LEGIBLE {
                *column = 0;
            }
        }
        widths.id = widths.id.min(width);
        let slack = width.saturating_sub(widths.total());
        widths.id += slack.min(wanted - widths.id);
        widths
    }

    fn total(&self) -> usize {
        let rest = [self.detail, self.label, self.after];
        self.id + rest.iter().map(|width| if *width > 0 { width + GAP } else { 0 }).sum::<usize>()
    }
}
