//! `orchestrate --print-dag`, `--plan` and `--events`: what there is, without serving. Opens nothing for writing,
//! builds nothing.

use std::io::Write as _;

use serde::Serialize;

use super::dag::{Dags, dags};
use super::events::{Events, events};
use crate::args::{OrchestrateArgs, PlanArgs};
use crate::commands::workflow;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::Format;
use crate::peers;
use crate::session::Session;

/// Upstream's shape: `{"workflows":{"summary":{...},"missing":[]},"events":{"handlers":[...],"last_event":{...}}}`,
/// of which there is what was asked for.
#[derive(Serialize)]
struct Inspected<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    workflows: Option<Dags<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Events>,
}

/// Shows it.
pub(super) fn inspect(session: &mut Session, args: &OrchestrateArgs) -> Result<Code, Failure> {
    if args.dag.inspect_json {
        session.screen.format = Format::Json;
    }
    if args.dag.plan {
        return workflow::plan(session, &PlanArgs { workflows: args.dag.workflows.clone() });
    }
    let (events, failures) = match args.events.events {
        true => events(session, &args.events).map(|(events, failures)| (Some(events), failures))?,
        false => (None, Vec::new()),
    };
    let catalog = args.dag.print_dag.then(|| session.catalog()).transpose()?;
    let store = if catalog.is_some() { session.store()? } else { None };
    let found =
        catalog.as_ref().map(|catalog| dags(catalog, &args.dag.workflows, store.as_ref())).transpose()?;
    let (workflows, verdict) = found.map_or((None, Ok(Code::Ok)), |(dags, verdict)| (Some(dags), verdict));
    let inspected = Inspected { workflows, events };
    session.screen.emit(&inspected, |screen| {
        if let Some(workflows) = &inspected.workflows {
            workflows.print(screen)?;
        }
        if inspected.workflows.is_some() && inspected.events.is_some() {
            writeln!(screen)?;
        }
        inspected.events.iter().try_for_each(|events| events.print(screen, args.events.topic.as_ref()))
    })?;
    peers::together(failures)?;
    verdict
}
