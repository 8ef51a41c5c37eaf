//! `service`: those that a live process keeps up.

mod act;
mod human;
mod list;
mod logs;

pub(super) use act::act;
pub(super) use list::list;
pub(super) use logs::logs;
use std::path::{Path, PathBuf};

use oneiric_runtime::control::{Answer, ProcessServices, Request};
use oneiric_runtime::service::Status;
use serde_json::Value;

use crate::failure::Failure;
use crate::output::time;
use crate::peers;

/// What every live process says of its services, and its socket; and what was not answered.
fn told(state_dir: &Path) -> (Vec<(PathBuf, ProcessServices)>, Vec<Failure>) {
    let (mut processes, mut failures) = (Vec::new(), Vec::new());
    for told in peers::tell(state_dir, &Request::Services {}) {
        match told.answer {
            Ok(Answer::Services(services)) => processes.push((told.path, services)),
            Ok(other) => failures.push(peers::misfit(&other)),
            Err(failure) => failures.push(failure),
        }
    }
    processes.sort_by_key(|(_, told)| (told.started_at, told.pid));
    (processes, failures)
}

/// As programs read it, with times in RFC 3339.
fn json(status: &Status) -> Value {
    let mut value = serde_json::to_value(status).expect("a status is plain data");
    let times = [("since", Some(status.since)), ("last_check", status.last_check)];
    for (name, at) in times {
        value[name] = at.map(time::rfc3339).into();
    }
    value
}
