//! `explain`: which component a key means, and why.

use std::io::{self, Write as _};

use oneiric_core::Query;
use oneiric_core::resolver::{Explanation, Ranked};
use serde_json::Value;

use crate::args::ExplainArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::known::unknown;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::{Format, Screen};
use crate::session::Session;

/// Explains it. JSON unless something else is asked for, as upstream prints nothing else.
pub(super) fn explain(session: &mut Session, args: &ExplainArgs) -> Result<Code, Failure> {
    session.screen.format = session.asked.unwrap_or(Format::Json);
    let (catalog, key) = (session.catalog()?, args.key.key());
    let query = Query {
        provider: args.provider.as_ref(),
        capabilities: &args.capabilities,
        require_all: !args.capabilities.is_empty(),
    };
    let explanation = catalog.registry().explain(&args.domain, key, &query);
    session.screen.emit(&explanation, |screen| print(screen, &explanation))?;
    let resolved = catalog.registry().resolve(&args.domain, key, &query);
    resolved.map(|_| Code::Ok).map_err(|error| unknown(error, catalog.registry()))
}

fn print(screen: &mut Screen, explanation: &Explanation) -> io::Result<()> {
    let Explanation { domain, key, ordered, excluded, unmet_selection } = explanation;
    match explanation.winner() {
        Some(winner) => {
            let provider = screen.palette.paint(Tone::Good, winner.provider.as_str());
            writeln!(screen, "{domain} {key} is {provider}")?;
            writeln!(screen, "  factory  {}", winner.factory)?;
            writeln!(screen, "  from     {}", winner.place.as_deref().unwrap_or(winner.source))?;
            writeln!(screen, "  because  {}", winner.reasons.join(", "))?;
            for capability in &winner.capabilities {
                writeln!(screen, "  can      {}", described(capability))?;
            }
        }
        None => writeln!(screen, "{domain} {key}: no component answers")?,
    }
    if let Some(provider) = unmet_selection {
        let note = format!("the selection names provider {provider}, which is not there");
        writeln!(screen, "  {} {note}", screen.palette.paint(Tone::Odd, "note:"))?;
    }
    let mut losers = Table::new([
        Column::new("provider", Room::Middle),
        Column::new("lost by", Room::Whole),
        Column::new("its score", Room::End),
        Column::new("from", Room::Middle),
    ]);
    for other in ordered.iter().skip(1) {
        losers.row([
            plain(other.provider.as_str()),
            plain(other.decided_by.unwrap_or("rank")),
            plain(other.reasons.join(", ")),
            (from(other), Tone::Faint),
        ]);
    }
    for other in excluded {
        losers.row([
            plain(other.provider.as_str()),
            plain("excluded"),
            plain(other.reason.as_str()),
            (other.source.to_owned(), Tone::Faint),
        ]);
    }
    if !losers.is_empty() {
        writeln!(screen)?;
    }
    losers.print(screen)
}

/// A capability in a line: `order.handle (event types: order.paid; security: scopes: shop.write)`.
fn described(capability: &Value) -> String {
    let Some(fields) = capability.as_object() else { return capability.to_string() };
    let said = fields.iter().filter(|(field, _)| *field != "name").map(|(field, value)| said(field, value));
    let details = said.collect::<Vec<_>>().join("; ");
    let name = fields.get("name").and_then(Value::as_str).unwrap_or_default();
    if details.is_empty() { name.to_owned() } else { format!("{name} ({details})") }
}

fn said(field: &str, value: &Value) -> String {
    let value = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plainly).collect::<Vec<_>>().join(", "),
        Value::Object(fields) if field == "security" => {
            fields.iter().map(|(field, value)| said(field, value)).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    format!("{}: {value}", field.replace('_', " "))
}

fn plainly(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn from(candidate: &Ranked) -> String {
    candidate.place.clone().unwrap_or_else(|| candidate.source.to_owned())
}
