//! `workflow graph`: drawings of a workflow or of a run.

use std::borrow::Cow;
use std::path::Path;

use oneiric_core::RunId;
use oneiric_dag::render::{self, Charset, NodeLook, Picture, PictureNode, Terminal};
use oneiric_dag::{Graph, NodeReport};
use oneiric_runtime::{Bundle, Catalog};
use oneiric_store::NodeStatus;

use super::plan::PlanOf;
use crate::args::GraphArgs;
use crate::commands::run::reported;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::file;
use crate::output::text::duration;
use crate::session::{self, Session};
use crate::wait::wait;

/// The width of a drawing in a file or a pipe.
const WIDTH: usize = 100;

/// Draws it.
pub(in crate::commands) fn graph(session: &mut Session, args: &GraphArgs) -> Result<Code, Failure> {
    let wanted =
        if session.asked == Some(crate::output::Format::Json) { "json" } else { args.format.as_str() };
    let (catalog, key, states) = match (&args.run, &args.key) {
        (Some(run), _) => {
            let store = session.store()?;
            let record = crate::find::find(session::reading(store.as_ref()), run)?;
            let store = store.as_ref().expect("a run was found in it");
            let bundle = wait(Bundle::load(store, record.id, record.bundle))?;
            let report = reported(store, &record)?;
            (Catalog::load(bundle)?, record.workflow, Some((record.id, report.nodes)))
        }
        (None, Some(key)) => (session.catalog()?, key.clone(), None),
        (None, None) => {
            return Err(Failure::said(Code::Configuration, "name a workflow, or a run with `--run`"));
        }
    };
    let (descriptor, workflow) = catalog.workflow(&key, None)?;
    if let Some(format) =
        crate::output::Format::named(wanted).filter(|format| *format != crate::output::Format::Human)
    {
        session.screen.format = format;
        session.screen.emit(&PlanOf::new(descriptor, workflow), |_| Ok(()))?;
        return Ok(Code::Ok);
    }
    let picture = picture(key.as_str(), &workflow.graph, states)?;
    let to_file = args.output.as_deref().filter(|path| *path != Path::new("-"));
    let drawn = match wanted {
        "mermaid" => render::mermaid(&picture),
        "dot" => render::dot(&picture),
        "svg" => render::svg(&picture),
        _ => {
            let width = if to_file.is_some() { WIDTH } else { session.screen.width.clamp(40, 200) };
            let charset = if session::unicode() { Charset::Unicode } else { Charset::Ascii };
            let colour = to_file.is_none() && session.screen.palette.is_on();
            render::ascii(&picture, Terminal { width, charset, colour })
        }
    };
    match to_file {
        Some(path) => file::write(path, drawn.as_bytes())?,
        None => session.screen.text(&ended(&drawn))?,
    }
    Ok(Code::Ok)
}

fn ended(text: &str) -> Cow<'_, str> {
    if text.ends_with('\n') { Cow::Borrowed(text) } else { Cow::Owned(format!("{text}\n")) }
}

fn picture(key: &str, graph: &Graph, states: Option<(RunId, Vec<NodeReport>)>) -> Result<Picture, Failure> {
    let title = match &states {
        Some((run, _)) => format!("{key} {}", crate::find::short(*run)),
        None => key.to_owned(),
    };
    let known: std::collections::HashMap<_, _> =
        states.iter().flat_map(|(_, nodes)| nodes).map(|node| (node.id.as_str(), node)).collect();
    let nodes = (0u32..).zip(graph.nodes()).map(|(place, node)| {
        let report = known.get(node.id.as_str());
        PictureNode {
            id: node.id.as_str().to_owned(),
            label: graph.tasks()[node.task as usize].as_str().to_owned(),
            state: states.is_some().then(|| report.map_or(NodeLook::Pending, |report| look(report.status))),
            detail: report.and_then(|report| detail(report)),
            depends_on: graph.dependencies(place).iter().map(|place| *place as usize).collect(),
        }
    });
    Picture::new(title, nodes.collect()).map_err(|error| {
        Failure::said(Code::Configuration, error.to_string())
            .help("`oneiric workflow plan --json` has all of it")
    })
}

fn detail(node: &NodeReport) -> Option<String> {
    let took = node.duration().map(duration);
    let tries = (node.attempts > 1).then(|| format!("try {}", node.attempts));
    let parts: Vec<String> = [took, tries].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn look(status: NodeStatus) -> NodeLook {
    match status {
        NodeStatus::Pending => NodeLook::Pending,
        NodeStatus::Running => NodeLook::Running,
        NodeStatus::Waiting | NodeStatus::Held | NodeStatus::Parked => NodeLook::Waiting,
        NodeStatus::Completed => NodeLook::Completed,
        NodeStatus::Failed => NodeLook::Failed,
        NodeStatus::Skipped => NodeLook::Skipped,
        NodeStatus::Cancelled => NodeLook::Cancelled,
        NodeStatus::Unknown => NodeLook::Unknown,
    }
}
