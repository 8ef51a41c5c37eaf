//! `workflow list`.

use std::io::Write as _;

use oneiric_core::Domain;
use serde::Serialize;

use crate::exit::Code;
use crate::failure::Failure;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::session::Session;

/// `{"workflows":[{"key":"...","provider":"...","nodes":2,"edges":1,"place":"shop.yaml"}]}`. Without a
/// graph, `nodes` and `edges` are null.
#[derive(Serialize)]
struct Listing {
    workflows: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    key: String,
    provider: String,
    nodes: Option<usize>,
    edges: Option<usize>,
    priority: i32,
    stack_level: i32,
    place: Option<String>,
    description: Option<String>,
}

/// Lists them, by key.
pub(in crate::commands) fn list(session: &mut Session) -> Result<Code, Failure> {
    let catalog = session.catalog()?;
    let lines = catalog.registry().active(&Domain::WORKFLOW).map(|candidate| {
        let has = candidate.descriptor();
        let graph = catalog.workflow(&has.key, None).ok().map(|(_, workflow)| &workflow.graph);
        Line {
            key: has.key.to_string(),
            provider: has.provider.to_string(),
            nodes: graph.map(|graph| graph.len()),
            edges: graph.map(|graph| graph.edges()),
            priority: has.priority,
            stack_level: has.stack_level,
            place: has.source.place().map(str::to_owned),
            description: has.metadata.get("description").and_then(|text| text.as_str()).map(str::to_owned),
        }
    });
    let listing = Listing { workflows: lines.collect() };
    session.screen.emit(&listing, |screen| {
        if listing.workflows.is_empty() {
            return writeln!(screen, "(none)");
        }
        let mut table = Table::new([
            Column::new("workflow", Room::Middle),
            Column::new("provider", Room::Middle),
            Column::right("nodes"),
            Column::right("edges"),
            Column::new("from", Room::Middle),
        ]);
        let number = |number: Option<usize>| plain(number.map_or_else(|| "-".to_owned(), |n| n.to_string()));
        for line in &listing.workflows {
            table.row([
                plain(&*line.key),
                plain(&*line.provider),
                number(line.nodes),
                number(line.edges),
                (line.place.clone().unwrap_or_default(), Tone::Faint),
            ]);
        }
        table.print(screen)
    })?;
    Ok(Code::Ok)
}
