//! `run show`: what a run did.

use std::io::{self, Write as _};

use oneiric_dag::RunReport;
use oneiric_runtime::{Bundle, Catalog, RunOptions};
use oneiric_store::{RunRecord, RunStatus, SqliteStore, Store as _};

use super::{journal, log, standing};
use crate::args::ShowArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::find::find;
use crate::output::palette::Tone;
use crate::output::text::{clean, cut};
use crate::output::{Screen, time};
use crate::peers;
use crate::report::Report;
use crate::session::{self, Session};
use crate::wait::wait;

/// Shows it.
pub(in crate::commands) fn show(session: &mut Session, args: &ShowArgs) -> Result<Code, Failure> {
    let store = session.store()?;
    let record = find(session::reading(store.as_ref()), &args.run)?;
    let store = store.expect("a run was found in it");
    if args.journal {
        return journal::show(session, &store, &record);
    }
    if args.log {
        return log::show(session, &record);
    }
    let run = reported(&store, &record)?;
    let running = record.state.status == RunStatus::Running;
    let state_dir = session.state_dir()?;
    let progress = if running { peers::progress(&state_dir, record.id) } else { Vec::new() };
    let tails = log::tails(&state_dir, &run)?;
    let report = Report {
        workflow: &record.workflow,
        run,
        standing: standing(&record, &wait(store.dead())?),
        record: Some(&record),
        parent: record.parent,
        tails: &tails,
        progress,
        again: session.command(&format!("run show {} --journal", crate::find::short(record.id))),
    };
    session.screen.emit(&report, |screen| {
        head(screen, &report, &record)?;
        report.print(screen)
    })?;
    Ok(Code::Ok)
}

/// What a stored run did, with the nodes that were not reached.
pub(in crate::commands) fn reported(store: &SqliteStore, record: &RunRecord) -> Result<RunReport, Failure> {
    let rows = wait(store.nodes(record.id))?;
    let mut report = RunReport::of_rows(record, rows, wait(store.checkpoints(record.id))?);
    // Rows are worth showing even where the manifests of their plan cannot be read any more.
    match catalog(store, record) {
        Ok(catalog) => {
            let options: RunOptions = serde_json::from_value(record.options.clone()).unwrap_or_default();
            if let Ok((_, workflow)) = catalog.workflow(&record.workflow, options.provider.as_ref()) {
                report.complete(&workflow.graph);
            }
        }
        Err(error) => tracing::warn!(run = %record.id, %error, "the manifests of the run cannot be read"),
    }
    Ok(report)
}

pub(super) fn catalog(store: &SqliteStore, record: &RunRecord) -> Result<Catalog, oneiric_runtime::Error> {
    Catalog::load(wait(Bundle::load(store, record.id, record.bundle))?)
}

fn head(screen: &mut Screen, report: &Report<'_>, record: &RunRecord) -> io::Result<()> {
    let now = session::now();
    let created = format!("{} ({})", time::local(record.created_at), time::ago(record.created_at, now));
    let mut lines = vec![("run", record.id.to_string()), ("created", created)];
    if let Some(parent) = record.parent {
        lines.push(("repeats", format!("run {parent}")));
    }
    if !record.input.is_null() {
        lines.push(("context", clean(&record.input.value().to_string())));
    }
    if let Some(fault) = &report.run.fault {
        lines.push(("because", clean(&fault.message)));
    }
    for (name, text) in lines {
        let name = screen.palette.paint(Tone::Faint, &format!("{name:<8}"));
        writeln!(screen, "  {name} {}", cut(&text, screen.width.saturating_sub(11)))?;
    }
    writeln!(screen)
}
