//! Mermaid text, for Markdown that renders it.
//!
//! Pages draw at most 500 edges unless their owner raised `maxEdges`, which a drawing may not do itself;
//! for larger graphs use SVG.

use std::fmt::Write as _;

use super::text::clean;
use super::{NodeLook, Picture, PictureNode};

/// Writes `picture` as a Mermaid flowchart, top to bottom.
///
/// Nodes are named by position (`n0`); what people wrote appears only inside quoted labels, as entities
/// where a character could mean something to Mermaid or to HTML.
pub fn mermaid(picture: &Picture) -> String {
    let mut out = String::new();
    write(picture, &mut out).expect("writing to a string cannot fail");
    out
}

fn write(picture: &Picture, out: &mut String) -> std::fmt::Result {
    if !picture.title().is_empty() {
        writeln!(out, "---\ntitle: \"{}\"\n---", yaml(picture.title()))?;
    }
    writeln!(out, "flowchart TD")?;
    for (index, node) in picture.nodes().iter().enumerate() {
        write!(out, "    n{index}[\"{}\"]", label(node))?;
        if let Some(look) = node.state {
            write!(out, ":::{}", look.word())?;
        }
        writeln!(out)?;
    }
    for (from, to) in picture.edges() {
        writeln!(out, "    n{from} --> n{to}")?;
    }
    for (look, _) in picture.tally() {
        writeln!(out, "    {}", class(look))?;
    }
    Ok(())
}

fn label(node: &PictureNode) -> String {
    let symbol = node.state.map(|look| format!("{} ", look.symbol())).unwrap_or_default();
    let lines = [Some(node.id.as_str()), Some(node.label.as_str()), node.detail.as_deref()];
    let lines: Vec<_> = lines.into_iter().flatten().filter(|line| !line.is_empty()).map(entities).collect();
    format!("{symbol}{}", lines.join("<br/>"))
}

fn class(look: NodeLook) -> String {
    let style = look.style();
    let dashes = if style.dashed { ",stroke-dasharray:5 4" } else { "" };
    format!(
        "classDef {} fill:{},stroke:{},color:#0f172a{dashes}",
        style.word, style.light.fill, style.light.stroke
    )
}

/// Mermaid spells an entity `#60;`. Letters, digits and the few marks ids are made of stay readable;
/// notably `%` (directives), `` ` `` (Markdown), `;`, brackets and quotes do not.
fn entities(text: &str) -> String {
    let plain =
        |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | ',' | ':' | '/' | '+' | '=');
    let mut out = String::with_capacity(text.len());
    for c in clean(text).chars() {
        if plain(c) || !c.is_ascii() {
            out.push(c);
        } else {
            out.push_str(&format!("#{};", u32::from(c)));
        }
    }
    out
}

/// The title is YAML in front of the diagram, where entities would be shown as they are.
fn yaml(text: &str) -> String {
    clean(text).replace('\\', "\\\\").replace('"', "\\\"")
}
