//! Graphviz text, for those who want its layouts or its tools.

use std::fmt::Write as _;

use super::text::clean;
use super::{Picture, PictureNode};

/// Writes `picture` as a DOT digraph, top to bottom, in the colours of the other renderers.
///
/// Nodes are named by position (`n0`), because ids need not differ; the id is the first line of the label.
pub fn dot(picture: &Picture) -> String {
    let mut out = String::new();
    write(picture, &mut out).expect("writing to a string cannot fail");
    out
}

fn write(picture: &Picture, out: &mut String) -> std::fmt::Result {
    let title = escape(picture.title());
    writeln!(out, "digraph \"{title}\" {{")?;
    writeln!(
        out,
        "  graph [label=\"{title}\", labelloc=t, fontname=\"Helvetica\", fontsize=16, ranksep=0.6];"
    )?;
    writeln!(
        out,
        "  node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", fontsize=11, \
         color=\"#8592a6\", fillcolor=\"#f8fafc\", fontcolor=\"#0f172a\"];"
    )?;
    writeln!(out, "  edge [color=\"#8592a6\", arrowsize=0.7];")?;
    for (index, node) in picture.nodes().iter().enumerate() {
        writeln!(out, "  n{index} [{}];", attributes(node))?;
    }
    for (from, to) in picture.edges() {
        writeln!(out, "  n{from} -> n{to};")?;
    }
    writeln!(out, "}}")
}

fn attributes(node: &PictureNode) -> String {
    let lines = [Some(node.id.as_str()), Some(node.label.as_str()), node.detail.as_deref()];
    let lines: Vec<_> = lines.into_iter().flatten().filter(|line| !line.is_empty()).map(escape).collect();
    let lines = lines.join("\\n");
    let Some(look) = node.state else {
        return format!("label=\"{lines}\"");
    };
    let style = look.style();
    let dashes = if style.dashed { ", style=\"rounded,filled,dashed\"" } else { "" };
    format!(
        "label=\"{} {lines}\", color=\"{}\", fillcolor=\"{}\", tooltip=\"{}\"{dashes}",
        style.symbol, style.light.stroke, style.light.fill, style.word
    )
}

/// For a double-quoted string that Graphviz reads three times: as a string (`"`), as a label (`\n`, `\N`)
/// and as HTML entities (`&`).
fn escape(text: &str) -> String {
    clean(text).replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;")
}
