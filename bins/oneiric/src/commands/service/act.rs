//! `service start`, `stop` and `restart`: the process that keeps services up is asked to.

use std::io::Write as _;
use std::time::Duration;

use oneiric_runtime::control::{Answer, Request, ServiceAction, live};
use oneiric_runtime::service::State;
use serde::Serialize;
use serde_json::Value;

use super::{human, json, told};
use crate::args::ServiceArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::peers;
use crate::session::{self, Session};

/// How long it may take: services that need it are stopped first, and each start has 30 seconds unless its manifest
/// says otherwise. What comes after goes on without a witness.
const LIMIT: Duration = Duration::from_secs(300);

/// `{"pid":4711,"service":{"name":"gateway","state":"running",...}}`.
#[derive(Serialize)]
struct Done {
    pid: u32,
    service: Value,
}

/// Asks for it, and tells how the service stands then.
pub(in crate::commands) fn act(
    session: &mut Session,
    args: &ServiceArgs,
    action: ServiceAction,
) -> Result<Code, Failure> {
    let state_dir = session.state_dir()?;
    let (processes, failures) = told(&state_dir);
    let Some((path, _)) = processes.iter().find(|(_, told)| told.kept) else {
        peers::together(failures)?;
        let place = state_dir.display();
        let message = format!("no live process keeps services up in {place}");
        let failure = Failure::said(Code::Execution, message);
        let help = match processes.first().and_then(|(_, told)| told.reason.clone()) {
            Some(reason) => reason,
            None => format!("`{}` does", session.command_on_manifests("orchestrate")),
        };
        return Err(failure.help(help));
    };
    // A connection carries one question only.
    let clients = live(&state_dir).into_iter().filter(|client| client.path() == path).collect();
    let request = Request::Service { key: args.key.clone(), action };
    let Some(answer) = peers::ask(clients, &request, LIMIT).pop() else {
        let message = "the process that keeps services up ended while it was asked";
        return Err(Failure::said(Code::Execution, message).help("`oneiric service list` tells who does now"));
    };
    let (pid, status) = match answer.answer? {
        Answer::Service { pid, status } => (pid, status),
        other => return Err(peers::misfit(&other)),
    };
    let done = Done { pid, service: json(&status) };
    session.screen.emit(&done, |screen| {
        writeln!(screen, "process {pid}")?;
        human::table(screen, std::slice::from_ref(&*status), session::now())
    })?;
    let as_wanted = match action {
        ServiceAction::Start | ServiceAction::Restart => {
            matches!(status.state, State::Running | State::Paused)
        }
        ServiceAction::Stop => matches!(status.state, State::Stopped | State::Failed | State::Registered),
    };
    Ok(if as_wanted { Code::Ok } else { Code::Execution })
}
