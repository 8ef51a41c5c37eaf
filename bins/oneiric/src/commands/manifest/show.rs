//! `manifest show`: what a manifest offers.

use std::io::{self, Write as _};

use oneiric_core::Domain;
use oneiric_core::manifest::{self, Entry, Manifest};
use oneiric_runtime::{Error, read_manifest};
use serde::Serialize;

use super::only;
use crate::args::ManifestShowArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::Screen;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::text::count;
use crate::session::Session;

/// `{"file":"...","source":"...","signatures":0,"entries":[...]}`.
#[derive(Serialize)]
struct Shown<'a> {
    file: &'a str,
    source: &'a str,
    signatures: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<&'a str>,
    entries: Vec<Line<'a>>,
}

/// One entry. `nodes` and `edges` are those of its graph, where it has one.
#[derive(Serialize)]
struct Line<'a> {
    domain: &'a Domain,
    key: &'a str,
    provider: &'a str,
    factory: &'a str,
    priority: i32,
    stack_level: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edges: Option<usize>,
    line: u32,
}

impl<'a> Line<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self {
            domain: &entry.domain,
            key: entry.key.as_str(),
            provider: entry.provider.as_str(),
            factory: entry.factory.as_str(),
            priority: entry.priority.unwrap_or(0),
            stack_level: entry.stack_level.unwrap_or(0),
            version: entry.version.as_deref(),
            description: entry.metadata.get("description").and_then(|text| text.as_str()),
            nodes: entry.dag.as_ref().map(|dag| dag.nodes.len()),
            edges: entry.dag.as_ref().map(|dag| dag.nodes.iter().map(|node| node.depends_on.len()).sum()),
            line: entry.position.line,
        }
    }
}

/// Shows it.
pub(in crate::commands) fn show(session: &mut Session, args: ManifestShowArgs) -> Result<Code, Failure> {
    let path = only(session, args.file, "name it: `oneiric manifest show FILE`")?;
    let file = read_manifest(&path)?;
    let wrong = |problems| Error::Manifest { problems, text: file.bytes.clone() };
    let manifest = manifest::parse(&file.name, &file.bytes).map_err(wrong)?;
    let shown = Shown {
        file: &file.name,
        source: &manifest.source,
        signatures: usize::from(manifest.signature.is_some()) + manifest.signatures.len(),
        signed_at: manifest.signed_at.as_deref(),
        expires_at: manifest.expires_at.as_deref(),
        entries: manifest.entries.iter().map(Line::of).collect(),
    };
    session.screen.emit(&shown, |screen| print(screen, &shown, &manifest))?;
    Ok(Code::Ok)
}

fn print(screen: &mut Screen, shown: &Shown<'_>, manifest: &Manifest) -> io::Result<()> {
    let source = screen.palette.paint(Tone::Strong, shown.source);
    let signed = match shown.signatures {
        0 => "not signed".to_owned(),
        some => count(some, "signature"),
    };
    writeln!(
        screen,
        "{source}: {}, {signed}",
        crate::output::text::count(manifest.entries.len(), "component")
    )?;
    let mut domains: Vec<&Domain> = Vec::new();
    for line in &shown.entries {
        if !domains.contains(&line.domain) {
            domains.push(line.domain);
        }
    }
    for domain in domains {
        let of_domain = shown.entries.iter().filter(|line| line.domain == domain);
        writeln!(
            screen,
            "\n{} ({})",
            screen.palette.paint(Tone::Strong, domain.name()),
            of_domain.clone().count()
        )?;
        let mut table = Table::new([
            Column::new("", Room::Middle),
            Column::new("", Room::Middle),
            Column::new("", Room::Middle),
            Column::new("", Room::Whole),
        ]);
        for line in of_domain {
            let graph = match (line.nodes, line.edges) {
                (Some(nodes), Some(edges)) => format!("{}, {}", count(nodes, "node"), count(edges, "edge")),
                _ => String::new(),
            };
            table.row([
                plain(line.key),
                plain(line.provider),
                (line.factory.to_owned(), Tone::Faint),
                plain(graph),
            ]);
        }
        table.print(screen)?;
    }
    Ok(())
}
