//! From nothing to a process that is ready.

use std::time::Duration;

use oneiric_core::Fault;

use super::child::{Child, Moved};
use super::faults::{after, bad_output, lost, stillborn, too_large};
use super::message::{self, Message, PROTOCOL, Ready};
use super::pool::Shared;
use crate::process::spawning::unless_torn_down;
use crate::process::status::End;

/// Starts a process and waits until it is ready.
pub(super) async fn start(pool: &Shared) -> Result<(Child, Ready), Fault> {
    let (spec, name) = (&pool.spec, &pool.spec.name);
    let mut child = Child::start(spec)?;
    let log = &mut |line: &str| tracing::info!(worker = %name, "{line}");
    let mut over = spec.clock.sleep(spec.settings.ready);
    loop {
        while let Some(line) = child.lines.line() {
            match message::read(line) {
                Ok(Message::Ready(ready)) if ready.protocol == PROTOCOL => return Ok((child, ready)),
                Ok(Message::Ready(ready)) => {
                    let theirs = ready.protocol;
                    let message = format!("`{name}` speaks protocol {theirs}, here {PROTOCOL} is spoken");
                    return Err(Fault::permanent("worker-protocol", message));
                }
                Ok(Message::Fault { fault, .. }) => return Err(fault),
                Ok(Message::Log { line, .. }) => log(&line),
                // Of no call; it has as long to start as it has.
                Ok(Message::Progress { .. }) => {}
                Ok(Message::Pong | Message::Result { .. }) => {
                    let message = format!("`{name}` answered before it said that it is ready");
                    return Err(Fault::permanent("worker-protocol", message));
                }
                Err(unreadable) => return Err(bad_output(name, line, &unreadable)),
            }
        }
        if child.lines.is_too_long() {
            return Err(too_large(pool));
        }
        let moved = tokio::select! {
            biased;
            moved = child.moved(log) => Some(moved),
            () = &mut over => None,
        };
        let end = match moved {
            Some(Moved::Wrote) => continue,
            Some(Moved::Lost(error)) => return Err(unless_torn_down(&error, || lost(name, &error))),
            Some(Moved::Exited(status)) => {
                child.end(spec.clock.as_ref(), log).await;
                Some(End::from(status))
            }
            Some(Moved::Closed) => exit_of(pool, &mut child, log).await,
            None => {
                child.end(spec.clock.as_ref(), log).await;
                let within = spec.settings.ready;
                let message = format!("`{name}` was not ready within {within:?}{}", after(child.last_line()));
                return Err(Fault::transient("worker-start", message));
            }
        };
        return Err(stillborn(name, end, child.last_line()));
    }
}

/// The end of a process that closed its output: it is most likely about to exit.
pub(super) async fn exit_of(pool: &Shared, child: &mut Child, log: &mut impl FnMut(&str)) -> Option<End> {
    const MOMENT: Duration = Duration::from_millis(500);
    let mut over = pool.spec.clock.sleep(MOMENT);
    let status = tokio::select! {
        biased;
        status = child.exited() => status.map(End::from),
        () = &mut over => None,
    };
    child.end(pool.spec.clock.as_ref(), log).await;
    status
}
