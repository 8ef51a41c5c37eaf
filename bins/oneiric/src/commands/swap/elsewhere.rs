//! Swaps in the live processes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use oneiric_runtime::control::{Answer, Client, ProcessStatus, Request, SwapDone, live};

use super::Refused;
use crate::args::SwapArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::known::Known;
use crate::peers;

/// How long a swap may take: settings, build and start (30 s), health, the hooks and the stop of the
/// old instance with their usual bounds, and as much again for those who raised them.
const LIMIT: Duration = Duration::from_secs(120);

/// What came of it, process by process.
pub(super) struct Done {
    pub(super) swapped: Vec<SwapDone>,
    pub(super) refused: Vec<Refused>,
}

/// A process that answers.
struct Peer {
    path: PathBuf,
    status: ProcessStatus,
}

/// Asks every live process, or the one of `--pid`; `None` where none is live.
pub(super) fn swapped(state_dir: &Path, args: &SwapArgs) -> Result<Option<Done>, Failure> {
    let mut peers = found(state_dir)?;
    if let Some(pid) = args.pid {
        let pids: Vec<_> = peers.iter().map(|peer| peer.status.pid.to_string()).collect();
        peers.retain(|peer| peer.status.pid == pid);
        if peers.is_empty() {
            let place = state_dir.display();
            let failure = Failure::said(Code::Resolution, format!("no live process {pid} in {place}"));
            return Err(match pids.as_slice() {
                [] => failure.help("none is live there; leave `--pid` out to try the newcomer here"),
                pids => failure.help(format!("live are {}", pids.join(", "))),
            });
        }
    }
    if peers.is_empty() {
        return Ok(None);
    }
    let (domain, key) = (&args.domain, args.key.key());
    let rows = peers.iter().flat_map(|peer| &peer.status.components).map(|row| (&row.domain, &row.key));
    Known::of(rows).expect(Some(domain), Some(key))?;
    let request = Request::Swap {
        domain: domain.clone(),
        key: key.clone(),
        provider: args.provider.clone(),
        force: args.force,
    };
    let mut done = Done { swapped: Vec::new(), refused: Vec::new() };
    for told in peers::ask(again(state_dir, &peers), &request, LIMIT) {
        let pid = peers.iter().find(|peer| peer.path == told.path).map_or(0, |peer| peer.status.pid);
        let failure = match told.answer {
            Ok(Answer::Swapped(swapped)) => {
                done.swapped.push(swapped);
                continue;
            }
            Ok(other) => peers::misfit(&other),
            Err(failure) => failure,
        };
        let (code, message) = (failure.code(), failure.to_string());
        done.refused.push(Refused { pid, code: code.number(), kind: code.name(), message, failure });
    }
    done.swapped.sort_by_key(|done| done.pid);
    done.refused.sort_by_key(|refused| refused.pid);
    Ok(Some(done))
}

fn found(state_dir: &Path) -> Result<Vec<Peer>, Failure> {
    let (mut peers, mut failures) = (Vec::new(), Vec::new());
    for told in peers::tell(state_dir, &Request::Status { domain: None, key: None }) {
        match told.answer {
            Ok(Answer::Status(status)) => peers.push(Peer { path: told.path, status }),
            Ok(other) => failures.push(peers::misfit(&other)),
            Err(failure) => failures.push(failure),
        }
    }
    // Whoever swaps wants to know that all did it, so that none is begun with.
    peers::together(failures).map(|()| peers)
}

/// The same processes; a connection carries one question only.
fn again(state_dir: &Path, peers: &[Peer]) -> Vec<Client> {
    let known = |client: &Client| peers.iter().any(|peer| peer.path == client.path());
    live(state_dir).into_iter().filter(known).collect()
}
