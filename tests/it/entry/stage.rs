//! A process that answers on a port of its own choice, and somebody who asks it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::ownership::stage::Process;
use crate::support::{Home, LONG, until};

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

/// The status of an answer, and its body.
pub(super) fn get(address: &str, path: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}
