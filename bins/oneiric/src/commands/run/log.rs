//! `run show --log`: what the tasks of a run wrote.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::Path;

use oneiric_core::NodeId;
use oneiric_dag::RunReport;
use oneiric_runtime::{LogLine, read_log};
use oneiric_store::{NodeStatus, RunRecord};
use serde::Serialize;

use crate::exit::Code;
use crate::failure::Failure;
use crate::live::{TAIL, Tails};
use crate::output::palette::Tone;
use crate::output::text::clean;
use crate::session::Session;

/// `{"run_id":"...","workflow":"...","lines":[{"at":1763719852123456,"node":"build","attempt":1,
/// "stream":"stderr","line":"..."}]}`, `at` in microseconds since 1970.
#[derive(Serialize)]
struct Log<'a> {
    run_id: String,
    workflow: &'a str,
    lines: Vec<LogLine>,
}

/// Shows all of it; it is bounded where it is written.
pub(super) fn show(session: &mut Session, record: &RunRecord) -> Result<Code, Failure> {
    let lines = read_log(&session.state_dir()?, record.id).map_err(unreadable)?.collect();
    let log = Log { run_id: record.id.to_string(), workflow: record.workflow.as_str(), lines };
    session.screen.emit(&log, |screen| {
        for line in &log.lines {
            let name = screen.palette.paint(Tone::Faint, &format!("{} |", clean(&line.node)));
            writeln!(screen, "{name} {}", clean(&line.line))?;
        }
        Ok(())
    })?;
    Ok(Code::Ok)
}

/// The last lines of the nodes that failed.
pub(super) fn tails(state_dir: &Path, report: &RunReport) -> Result<Tails, Failure> {
    let failed = report.nodes.iter().filter(|node| node.status == NodeStatus::Failed);
    let failed: HashSet<&str> = failed.map(|node| node.id.as_str()).collect();
    let mut tails = Tails::new();
    if failed.is_empty() {
        return Ok(tails);
    }
    for line in read_log(state_dir, report.run).map_err(unreadable)? {
        let Some(node) = failed.get(line.node.as_str()).and_then(|node| NodeId::new(node).ok()) else {
            continue;
        };
        let tail = tails.entry((report.run, node)).or_default();
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(clean(&line.line));
    }
    Ok(tails)
}

fn unreadable(error: std::io::Error) -> Failure {
    Failure::said(Code::Execution, format!("cannot read the log of the run: {error}"))
}
