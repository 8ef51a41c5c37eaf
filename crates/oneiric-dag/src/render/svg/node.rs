//! Boxes: badge, id, label and detail.

use std::fmt::Write as _;

use super::measure::{Font, escape};
use crate::render::{Cells, Layout, NodeLook, Picture, PictureNode};

/// Between the border of a box and its content.
const PADDING: f64 = 13.0;
/// From the left edge of the badge to the text.
const BADGE: f64 = 27.0;
/// A box is never narrower, so that short ids still look like boxes.
const MIN_TEXT: f64 = 64.0;
/// A box is never wider; longer texts are shortened.
const MAX_TEXT: f64 = 224.0;

/// All boxes of a picture. They have one size: that of the largest content.
pub(super) struct Cards<'a> {
    nodes: &'a [PictureNode],
    badges: bool,
    text: f64,
    height: f64,
}

impl<'a> Cards<'a> {
    pub(super) fn new(picture: &'a Picture) -> Self {
        let nodes = picture.nodes();
        let widths = nodes.iter().flat_map(|node| lines(node).map(|(_, font, text)| font.width(text)));
        let text = widths.fold(MIN_TEXT, f64::max).min(MAX_TEXT);
        let height = nodes.iter().map(|node| lines(node).map(|(_, font, _)| line_height(font)).sum());
        Self {
            nodes,
            badges: nodes.iter().any(|node| node.state.is_some()),
            text,
            height: height.fold(line_height(Font::ID), f64::max) + 2.0 * PADDING - 6.0,
        }
    }

    pub(super) fn cells(&self) -> Cells {
        Cells {
            width: self.text + 2.0 * PADDING + if self.badges { BADGE } else { 0.0 },
            height: self.height,
            beside: 22.0,
            between: 52.0,
            comfortable_width: 1_800.0,
        }
    }

    pub(super) fn write(&self, layout: &Layout, out: &mut String) -> std::fmt::Result {
        let Cells { width, height, .. } = self.cells();
        for (node, placed) in self.nodes.iter().zip(&layout.nodes) {
            let class = node.state.map_or("plain", NodeLook::word);
            let corner = placed.corner;
            writeln!(
                out,
                r#"<g class="node {class}" transform="translate({:.1} {:.1})">"#,
                corner.x, corner.y
            )?;
            writeln!(out, "<title>{}</title>", escape(&tooltip(node)))?;
            writeln!(out, r#"<rect class="box" width="{width:.1}" height="{height:.1}" rx="9"/>"#)?;
            if let Some(look) = node.state {
                writeln!(out, r#"<g transform="translate({:.1} {:.1})">"#, PADDING + 9.0, height / 2.0)?;
                badge(look, out)?;
                writeln!(out, "</g>")?;
            }
            self.write_text(node, out)?;
            writeln!(out, "</g>")?;
        }
        Ok(())
    }

    fn write_text(&self, node: &PictureNode, out: &mut String) -> std::fmt::Result {
        let (anchor, x) = if self.badges {
            ("", PADDING + BADGE)
        } else {
            (r#" text-anchor="middle""#, PADDING + self.text / 2.0)
        };
        let used: f64 = lines(node).map(|(_, font, _)| line_height(font)).sum();
        let mut top = (self.height - used) / 2.0;
        for (class, font, text) in lines(node) {
            let base = top + line_height(font) / 2.0 + 0.36 * font.size;
            let fitted = escape(&font.fit(text, self.text));
            writeln!(out, r#"<text class="{class}"{anchor} x="{x:.1}" y="{base:.1}">{fitted}</text>"#)?;
            top += line_height(font);
        }
        Ok(())
    }
}

fn line_height(font: Font) -> f64 {
    font.size * 1.4
}

/// The texts of a box that are not empty, each with its class and font; always at least the id.
fn lines(node: &PictureNode) -> impl Iterator<Item = (&'static str, Font, &str)> {
    let rest = [
        ("label", Font::LABEL, node.label.as_str()),
        ("detail", Font::DETAIL, node.detail.as_deref().unwrap_or("")),
    ];
    std::iter::once(("id", Font::ID, node.id.as_str()))
        .chain(rest.into_iter().filter(|(_, _, text)| !text.is_empty()))
}

fn tooltip(node: &PictureNode) -> String {
    let texts = lines(node).map(|(_, _, text)| text);
    texts.chain(node.state.map(NodeLook::word)).collect::<Vec<_>>().join(" · ")
}

/// The round sign of a state, around the origin.
pub(super) fn badge(look: NodeLook, out: &mut String) -> std::fmt::Result {
    writeln!(out, r#"<circle class="badge" r="9"/><path class="sign" d="{}"/>"#, look.style().strokes)
}
