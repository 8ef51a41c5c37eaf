//! What came of a command that another process obeyed, told by its rows.

use oneiric_dag::Obeyed;
use oneiric_store::{Command, Event, NodeRecord, NodeStatus, RunRecord, RunStatus, UnknownNodes};

/// `events` is what happened in the run since the command was put; `record` and `nodes` how it stands now.
pub(super) fn judge<'a>(
    command: &Command,
    record: &RunRecord,
    nodes: &[NodeRecord],
    mut events: impl Iterator<Item = &'a Event>,
) -> Obeyed {
    if events.any(|event| is_of(command, event)) {
        return Obeyed::Done;
    }
    let state = &record.state;
    if state.status.is_terminal() {
        return Obeyed::Stale(format!("is {}", state.status));
    }
    let code = state.fault.as_ref().map(|fault| fault.code.as_str());
    let stopping = state.status == RunStatus::Running && code.is_some_and(|code| code != "paused");
    let undecided = |node: &NodeRecord| matches!(node.status, NodeStatus::Unknown | NodeStatus::Parked);
    match command {
        Command::Cancel { .. } => Obeyed::Already,
        _ if stopping => Obeyed::Stale("is being stopped".to_owned()),
        Command::Resume { unknown: UnknownNodes::Fail } if nodes.iter().any(undecided) => {
            Obeyed::Stale("is under way: nodes are counted as failed once it is paused".to_owned())
        }
        Command::RetryNow { .. } => Obeyed::Stale("has no such node that waits".to_owned()),
        Command::Pause { .. } | Command::Resume { .. } | Command::Extend { .. } => Obeyed::Already,
    }
}

/// Whether an event is what the command comes to.
fn is_of(command: &Command, event: &Event) -> bool {
    match (command, event) {
        (Command::Pause { .. }, Event::PauseRequested { .. }) => true,
        (Command::Resume { .. }, Event::PauseWithdrawn { .. } | Event::Resumed { .. }) => true,
        (Command::Resume { unknown: UnknownNodes::Retry }, Event::Retried { .. }) => true,
        (Command::Cancel { hard, .. }, Event::CancelRequested { hard: done, .. }) => done >= hard,
        (Command::RetryNow { .. }, Event::Retried { .. }) => true,
        (Command::Extend { deadline }, Event::Extended { deadline: done }) => deadline == done,
        (
            Command::Pause { .. }
            | Command::Resume { .. }
            | Command::Cancel { .. }
            | Command::RetryNow { .. }
            | Command::Extend { .. },
            _,
        ) => false,
    }
}

#[cfg(test)]
mod tests {
    use oneiric_core::{Digest, Fault, Key, Payload, RunId, Timestamp};

    use super::*;

    #[test]
    fn rows_and_events_tell_what_became_of_a_command() {
        let check = |command: Command, status, code: Option<&str>, events: &[Event], expected: Obeyed| {
            let (id, key) = (RunId::from_bytes([1; 16]), Key::new("w").unwrap());
            let mut run = RunRecord::new(id, key, Digest::of(b""), Payload::NULL, Timestamp::default());
            run.state.status = status;
            run.state.fault = code.map(|code| Fault::permanent(code, "because"));
            assert_eq!(judge(&command, &run, &[], events.iter()), expected, "{command:?} {status} {code:?}");
        };
        let pause = || Command::Pause { reason: "lunch".to_owned() };
        let cancel = |hard| Command::Cancel { reason: "enough".to_owned(), hard };
        let asked = |hard| Event::CancelRequested { reason: "enough".to_owned(), hard };
        let running = RunStatus::Running;
        check(pause(), running, None, &[Event::PauseRequested { reason: "lunch".to_owned() }], Obeyed::Done);
        check(pause(), running, Some("paused"), &[], Obeyed::Already);
        check(pause(), running, Some("cancelled"), &[], Obeyed::Stale("is being stopped".to_owned()));
        check(pause(), RunStatus::Completed, None, &[], Obeyed::Stale("is completed".to_owned()));
        check(cancel(false), running, Some("cancelled"), &[], Obeyed::Already);
        check(cancel(false), RunStatus::Cancelled, Some("cancelled"), &[asked(true)], Obeyed::Done);
        check(cancel(true), running, Some("cancelled"), &[asked(false)], Obeyed::Already);
        let resume = Command::Resume { unknown: UnknownNodes::Keep };
        check(resume, running, None, &[Event::PauseWithdrawn { slots: 0 }], Obeyed::Done);
        let retry = Command::RetryNow { nodes: vec![1] };
        check(retry, running, None, &[], Obeyed::Stale("has no such node that waits".to_owned()));
    }
}
