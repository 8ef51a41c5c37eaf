//! A graph as one SVG file that needs nothing else: no font, script or style sheet from elsewhere.
//!
//! States are told by colour, badge and tooltip. Colours follow the reader's light or dark scheme. No
//! element has an `id` and every class stands below the root's, so that several drawings can be pasted
//! into one page.

mod measure;
mod node;
mod path;
mod style;

use std::fmt::Write as _;

use measure::{Font, escape};
use node::Cards;

use super::layout::{Layout, layout};
use super::{NodeLook, Picture};

/// Space around everything.
const MARGIN: f64 = 28.0;
/// Space the title takes above the graph.
const TITLE: f64 = 40.0;
/// Space between the graph and the legend.
const BREAK: f64 = 14.0;
/// Space the legend takes, for each of its lines.
const LEGEND: f64 = 28.0;
/// Narrower than this a title has no room.
const MIN_WIDTH: f64 = 220.0;

/// Draws `picture` as an SVG document, as large as it needs to be, in pixels at its natural size.
///
/// Texts that do not fit their box are shortened; the tooltip of the box has them in full.
pub fn svg(picture: &Picture) -> String {
    let cards = Cards::new(picture);
    let layout = layout(picture, &cards.cells());
    let mut out = String::new();
    Sheet::new(picture, &layout).write(&cards, &mut out).expect("writing to a string cannot fail");
    out
}

/// The drawing around the graph.
struct Sheet<'a> {
    picture: &'a Picture,
    layout: &'a Layout,
    width: f64,
    top: f64,
    legend: Vec<Vec<Entry>>,
}

/// One state of the legend and where it begins in its line.
struct Entry {
    look: NodeLook,
    text: String,
    x: f64,
}

impl<'a> Sheet<'a> {
    fn new(picture: &'a Picture, layout: &'a Layout) -> Self {
        let legend = legend(picture, layout.width.max(MIN_WIDTH));
        let top = if picture.title().is_empty() { MARGIN } else { MARGIN + TITLE };
        Self { picture, layout, width: layout.width.max(MIN_WIDTH) + 2.0 * MARGIN, top, legend }
    }

    fn height(&self) -> f64 {
        let legend = if self.legend.is_empty() { 0.0 } else { BREAK + LEGEND * self.legend.len() as f64 };
        self.top + self.layout.height + legend + MARGIN
    }

    /// A graph narrower than the sheet stands in its middle.
    fn left(&self) -> f64 {
        (self.width - self.layout.width) / 2.0
    }

    fn write(&self, cards: &Cards<'_>, out: &mut String) -> std::fmt::Result {
        let (width, height) = (self.width.ceil(), self.height().ceil());
        writeln!(
            out,
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="oneiric-dag" role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}">"#
        )?;
        writeln!(out, "<title>{}</title>", escape(&self.summary()))?;
        style::write(self.layout.routes.len(), out)?;
        writeln!(out, r#"<rect class="sheet" width="{width}" height="{height}" rx="14"/>"#)?;
        if !self.picture.title().is_empty() {
            let title = Font::TITLE.fit(self.picture.title(), self.width - 2.0 * MARGIN);
            let base = MARGIN + Font::TITLE.size;
            writeln!(out, r#"<text class="title" x="{MARGIN}" y="{base}">{}</text>"#, escape(&title))?;
        }
        writeln!(out, r#"<g transform="translate({:.1} {:.1})">"#, self.left(), self.top)?;
        path::write(self.picture, self.layout, out)?;
        cards.write(self.layout, out)?;
        writeln!(out, "</g>")?;
        self.write_legend(out)?;
        writeln!(out, "</svg>")
    }

    /// What a screen reader says: `order: 3 nodes, completed 2, failed 1`.
    fn summary(&self) -> String {
        let title = if self.picture.title().is_empty() { "workflow" } else { self.picture.title() };
        let count = self.picture.nodes().len();
        let states =
            self.picture.tally().into_iter().map(|(look, count)| format!(", {} {count}", look.word()));
        format!(
            "{title}: {count} {}{}",
            if count == 1 { "node" } else { "nodes" },
            states.collect::<String>()
        )
    }

    fn write_legend(&self, out: &mut String) -> std::fmt::Result {
        let first = self.top + self.layout.height + BREAK + LEGEND / 2.0;
        for (line, entries) in self.legend.iter().enumerate() {
            let y = first + LEGEND * line as f64;
            for Entry { look, text, x } in entries {
                let word = look.word();
                writeln!(
                    out,
                    r#"<g class="legend {word}" transform="translate({:.1} {y:.1})">"#,
                    MARGIN + x + 9.0
                )?;
                node::badge(*look, out)?;
                writeln!(out, r#"<text class="label" x="16" y="4">{text}</text></g>"#)?;
            }
        }
        Ok(())
    }
}

fn legend(picture: &Picture, width: f64) -> Vec<Vec<Entry>> {
    let mut lines: Vec<Vec<Entry>> = Vec::new();
    let mut x = f64::INFINITY;
    for (look, count) in picture.tally() {
        let text = format!("{} {count}", look.word());
        let takes = 25.0 + Font::LABEL.width(&text);
        if x + takes > width {
            lines.push(Vec::new());
            x = 0.0;
        }
        if let Some(line) = lines.last_mut() {
            line.push(Entry { look, text, x });
        }
        x += takes + 22.0;
    }
    lines
}
