//! A process that answers on a port of its own choice, and somebody who asks it.

use serde_json::Value;

use crate::ownership::stage::Process;
use crate::support::{Home, until};
use crate::web;

/// Starts `orchestrate` on a free port; the address it says.
pub(super) fn serve(home: &Home, arguments: &[&str], variables: &[(&str, &str)]) -> (Process, String) {
    let process = Process::spawn(home, "serving", home.command(arguments), variables);
    let address = address(&process);
    (process, address)
}

/// Where a process answers, once it does.
pub(super) fn address(process: &Process) -> String {
    let mut address = None;
    until("it listens", || {
        address =
            process.said("listening").first().and_then(|line| line["address"].as_str().map(str::to_owned));
        address.is_some()
    });
    address.unwrap()
}

/// The status of an answer, and its body where that is JSON.
pub(super) fn get(address: &str, path: &str) -> (u16, Value) {
    let answer = web::get(address, path).unwrap();
    (answer.status, serde_json::from_str(&answer.body).unwrap_or_default())
}
