//! `config show`: the settings that count.

use std::io::Write as _;

use super::explain::written;
use crate::args::ConfigShowArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::text::clean;
use crate::session::Session;

/// Shows them.
pub(in crate::commands) fn show(session: &mut Session, args: &ConfigShowArgs) -> Result<Code, Failure> {
    let provenance = session.settings()?.provenance.clone();
    session.screen.emit(&provenance.tree(args.all), |screen| {
        let mut table = Table::new([
            Column::new("key", Room::Whole),
            Column::new("value", Room::End),
            Column::new("from", Room::Middle),
        ]);
        for found in provenance.explanations(args.all) {
            let from = (clean(&found.origin.to_string()), Tone::Faint);
            table.row([plain(clean(&found.key)), plain(written(&found.value)), from]);
        }
        if table.is_empty() {
            return writeln!(screen, "every setting is at its default; `--all` shows them");
        }
        table.print(screen)
    })?;
    Ok(Code::Ok)
}
