//! `config explain`: which layer a setting came from, and what that hides.

use std::io::{self, Write as _};

use oneiric_core::settings::Explanation;
use serde_json::Value;

use crate::args::ConfigExplainArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::Screen;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::text::clean;
use crate::session::Session;

/// Explains it. Exits with 2 where there is no such setting.
pub(in crate::commands) fn explain(session: &mut Session, args: &ConfigExplainArgs) -> Result<Code, Failure> {
    let found = session.settings()?.provenance.explain(&args.key);
    let found =
        found.map_err(|unknown| Failure::said(Code::Configuration, unknown.message).help(unknown.help))?;
    session.screen.emit(&found, |screen| print(screen, &found))?;
    Ok(Code::Ok)
}

fn print(screen: &mut Screen, found: &Explanation) -> io::Result<()> {
    let value = screen.palette.paint(Tone::Good, &written(&found.value));
    writeln!(screen, "{} = {value}", clean(&found.key))?;
    writeln!(screen, "  from      {}", clean(&found.origin.to_string()))?;
    writeln!(screen, "  type      {}", found.expected)?;
    writeln!(screen, "  default   {}", written(&found.default))?;
    if let Some(variable) = &found.variable {
        writeln!(screen, "  variable  {variable}")?;
    }
    if !found.description.is_empty() {
        writeln!(screen, "  {}", found.description.replace('\n', " "))?;
    }
    let mut hidden = Table::new([Column::new("hides", Room::End), Column::new("from", Room::Middle)]);
    for below in &found.shadows {
        let key = below.key.as_ref().map(|key| format!("{} = ", clean(key))).unwrap_or_default();
        let from = (clean(&below.origin.to_string()), Tone::Faint);
        hidden.row([plain(format!("{key}{}", written(&below.value))), from]);
    }
    if !hidden.is_empty() {
        writeln!(screen)?;
    }
    hidden.print(screen)
}

/// A value as it stands in JSON, on one line.
pub(super) fn written(value: &Value) -> String {
    clean(&value.to_string())
}
