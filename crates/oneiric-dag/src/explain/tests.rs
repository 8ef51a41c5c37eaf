//! Each reason, as it follows from rows.

use oneiric_core::retry::RetryPolicy;
use oneiric_core::{BootId, Domain, Fault, Key, Payload, RunId};
use oneiric_store::{
    ActivityRecord, Blob, BootRecord, BootSeen, Command, CommandRecord, NodeRecord, NodeStatus,
};
use oneiric_store::{RunRecord, RunStatus};

use super::*;
use crate::graph::{Draft, DraftNode, OnFailure, Policy};
use crate::plan::Limits;

const RUN: RunId = RunId::from_bytes([7; 16]);

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

/// `pack`, `charge` behind it, `ship` behind that; `notify` beside them.
fn plan(max_parallel: u32) -> Plan {
    let node = |id: &str, after: &[&str]| DraftNode {
        id: id.parse().unwrap(),
        task: Key::new("shop.work").unwrap(),
        depends_on: after.iter().map(|id| id.parse().unwrap()).collect(),
        payload: Payload::NULL,
        when: None,
        policy: Policy::default(),
    };
    let nodes =
        vec![node("pack", &[]), node("charge", &["pack"]), node("ship", &["charge"]), node("notify", &[])];
    let graph = Draft { nodes, on_failure: OnFailure::default() }.build().unwrap();
    let retry = RetryPolicy { attempts: 3, ..RetryPolicy::ONCE };
    let limits = Limits { max_parallel, ..Limits::default() };
    Plan::new(Key::new("shop.checkout").unwrap(), graph.into(), vec![Policy::default()], Some(retry), limits)
}

/// A run under way since second 10; it is second 100.
struct Case {
    run: RunRecord,
    nodes: Vec<NodeRecord>,
    boots: Vec<BootSeen>,
    commands: Vec<CommandRecord>,
    activities: Vec<ActivityRecord>,
    max_parallel: u32,
}

fn boot(number: u8, pid: u32, serves: bool) -> BootSeen {
    let record = BootRecord::new(BootId::from_bytes([number; 16]), "here", pid, at(1));
    BootSeen { boot: BootRecord { serves, beat_at: at(98), ..record }, owns: 1, deliveries: 0, dead: false }
}

fn case() -> Case {
    let key = Key::new("shop.checkout").unwrap();
    let mut run = RunRecord::new(RUN, key, Blob::new(Vec::new()).digest, Payload::NULL, at(9));
    run.state.status = RunStatus::Running;
    run.state.started_at = Some(at(10));
    run.state.owner = Some(BootId::from_bytes([1; 16]));
    Case {
        run,
        nodes: Vec::new(),
        boots: vec![boot(1, 4711, false)],
        commands: Vec::new(),
        activities: Vec::new(),
        max_parallel: u32::MAX,
    }
}

impl Case {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn node(mut self, place: u32, status: NodeStatus, change: impl FnOnce(&mut NodeRecord)) -> Self {
        let plan = plan(self.max_parallel);
        let mut row = NodeRecord {
            run: RUN,
            node: place,
            name: plan.graph().node(place).id.clone(),
            status,
            attempt: 1,
            deaths: 0,
            input_hash: None,
            started_at: Some(at(20)),
            ended_at: (status != NodeStatus::Running).then_some(at(30)),
            wake_at: None,
            skip: None,
            fault: None,
        };
        change(&mut row);
        self.nodes.push(row);
        self
    }

    /// `pack` and `notify` are through.
    fn halfway(self) -> Self {
        self.node(0, NodeStatus::Completed, |_| {}).node(3, NodeStatus::Completed, |_| {})
    }

    fn paused(self, fault: Fault) -> Self {
        self.with(|case| {
            case.run.state.status = RunStatus::Paused;
            case.run.state.owner = None;
            case.run.state.fault = Some(fault);
        })
    }

    fn reasons(&self) -> Vec<Explained> {
        let plan = plan(self.max_parallel);
        explain(&Facts {
            run: &self.run,
            nodes: &self.nodes,
            plan: Some(&plan),
            boots: &self.boots,
            commands: &self.commands,
            activities: &self.activities,
            last_event: Some(at(30)),
            now: at(100),
        })
        .reasons
    }
}

fn fault(code: &str, message: &str) -> Option<Box<Fault>> {
    Some(Box::new(Fault::transient(code, message)))
}

/// A case for every reason: what [`explain`] makes of it first, apart from what it says of `ship`.
pub(crate) fn every() -> Vec<(&'static str, Explained)> {
    let held = |code: &'static str, message: &'static str| {
        move |row: &mut NodeRecord| {
            row.fault = Some(Box::new(Fault::denied(code, message)));
            row.wake_at = (code != "denied-activity").then_some(at(130));
        }
    };
    let said = |paused, draining| {
        let key = Key::new("shop.work").unwrap();
        let note = Some("stocktaking".to_owned());
        ActivityRecord { domain: Domain::TASK, key, paused, draining, note, at: at(25) }
    };
    let ask =
        |command| CommandRecord { run: RUN, id: 1, at: at(95), actor: Some("anna".to_owned()), command };
    let pause = || Fault::denied("paused", "the warehouse is closed");
    let cases = [
        case().with(|case| {
            case.run.state.status = RunStatus::Failed;
            case.run.state.ended_at = Some(at(40));
            case.run.state.fault = Some(Fault::permanent("declined", "the card was declined"));
        }),
        case().with(|case| case.commands.push(ask(Command::Pause { reason: "lunch".to_owned() }))),
        case().with(|case| {
            case.run.state.owner = None;
            case.boots.clear();
        }),
        case().with(|case| {
            case.run.state.owner = None;
            case.boots = vec![boot(2, 4712, true)];
        }),
        case().with(|case| case.boots[0].dead = true),
        case().with(|case| {
            case.boots[0].dead = true;
            case.boots.push(boot(2, 4712, true));
        }),
        case().with(|case| case.boots[0].boot.beat_at = at(60)),
        case().with(|case| {
            case.boots[0].boot.beat_at = at(60);
            case.boots.push(boot(2, 4712, true));
        }),
        case().paused(Fault::permanent("cannot-resume", "task `shop.work` is unknown")),
        case().paused(pause()),
        case().node(0, NodeStatus::Running, |_| {}).with(|case| case.run.state.fault = Some(pause())),
        case().node(0, NodeStatus::Running, |_| {}).node(3, NodeStatus::Running, |_| {}).with(|case| {
            case.run.state.fault = Some(Fault::permanent("cancelled", "ordered twice"));
        }),
        case().halfway().paused(Fault::unknown_outcome("unknown-nodes", "1")).node(
            1,
            NodeStatus::Unknown,
            |row| {
                row.fault = fault("interrupted", "try 1 was under way when its process ended");
            },
        ),
        case().halfway().paused(Fault::transient("parked-nodes", "1")).node(1, NodeStatus::Parked, |row| {
            row.attempt = 3;
            row.fault = fault("timeout", "no answer within 30s");
        }),
        case().halfway().paused(Fault::transient("parked-nodes", "1")).node(1, NodeStatus::Parked, |row| {
            row.deaths = 5;
            row.fault = fault("process-died", "its process ended 5 times while it ran");
        }),
        case()
            .halfway()
            .node(1, NodeStatus::Held, held("denied-activity", "denied by activity: paused"))
            .with(|case| case.activities.push(said(true, false))),
        case()
            .halfway()
            .node(1, NodeStatus::Held, held("denied-activity", "denied by activity: draining"))
            .with(|case| case.activities.push(said(true, true))),
        case().halfway().node(1, NodeStatus::Held, held("denied-breaker", "denied by breaker: bank.example")),
        case().halfway().node(
            1,
            NodeStatus::Held,
            held("denied-policy", "denied by policy: not before noon"),
        ),
        case().halfway().node(1, NodeStatus::Waiting, |row| {
            row.wake_at = Some(at(160));
            row.fault = fault("timeout", "no answer within 30s");
        }),
        case().halfway().node(1, NodeStatus::Running, |row| row.attempt = 2),
        case().with(|case| case.max_parallel = 1).node(0, NodeStatus::Running, |_| {}),
        case().node(0, NodeStatus::Running, |_| {}),
        case().halfway(),
        case().halfway().node(1, NodeStatus::Running, |_| {}),
        case().with(|case| case.run.state.deadline = Some(at(400))),
    ];
    // Which of them is meant: the one that the case adds.
    let wanted = [
        "ended",
        "command",
        "nobody_serves",
        "takeover_due",
        "owner_dead",
        "owner_dead",
        "owner_silent",
        "owner_silent",
        "cannot_resume",
        "paused",
        "pausing",
        "stopping",
        "unknown_outcome",
        "exhausted",
        "deadly",
        "task_paused",
        "task_draining",
        "breaker_open",
        "held",
        "retry",
        "running",
        "run_slots",
        "process_slots",
        "process_slots",
        "dependencies",
        "deadline",
    ];
    let one = |(case, wanted): (Case, &'static str)| {
        let reasons = case.reasons();
        let found = reasons.iter().find(|reason| reason.reason.name() == wanted);
        (wanted, found.unwrap_or_else(|| panic!("{wanted} is not in {reasons:?}")).clone())
    };
    cases.into_iter().zip(wanted).map(one).collect()
}

#[test]
fn every_reason_is_told_with_its_end_and_what_to_do() {
    let mut out = String::new();
    for (name, told) in every() {
        let since = told.since.map_or("?".to_owned(), |since| format!("{}", since.as_micros() / 1_000_000));
        out.push_str(&format!("{name}, since {since}\n  {}\n  ends: {}", told.text(), told.ends()));
        if let Some(until) = told.reason.until() {
            out.push_str(&format!(" (at {})", until.as_micros() / 1_000_000));
        }
        let short = &RUN.to_string()[24..];
        match told.advice(RUN, short) {
            Some(advice) => out.push_str(&format!("\n  do: oneiric {advice}\n\n")),
            None => out.push_str("\n\n"),
        }
    }
    insta::assert_snapshot!(out);
}

#[test]
fn the_most_pressing_reason_comes_first() {
    let check = |case: Case, expected: &[&str]| {
        let names: Vec<_> = case.reasons().iter().map(|told| told.reason.name()).collect();
        assert_eq!(names, expected);
    };
    check(case().halfway().node(1, NodeStatus::Running, |_| {}), &["running", "dependencies"]);
    let dead = case().with(|case| case.boots[0].dead = true).node(0, NodeStatus::Running, |_| {});
    check(dead, &["owner_dead", "dependencies"]);
    let asked = Command::Cancel { reason: "enough".to_owned(), hard: false };
    let asked = CommandRecord { run: RUN, id: 1, at: at(99), actor: None, command: asked };
    let silent = case().with(|case| {
        case.boots[0].boot.beat_at = at(1);
        case.commands.push(asked);
    });
    check(silent, &["command", "owner_silent", "dependencies"]);
}

#[test]
fn a_run_of_a_thousand_nodes_is_told_in_a_few_lines() {
    let many = (0..1000).fold(case(), |case, _| case.node(0, NodeStatus::Waiting, |_| {}));
    let plan = plan(u32::MAX);
    let told = explain(&Facts {
        run: &many.run,
        nodes: &many.nodes,
        plan: Some(&plan),
        boots: &many.boots,
        commands: &[],
        activities: &[],
        last_event: None,
        now: at(100),
    });
    assert!(told.reasons.len() < 20);
    assert_eq!(told.more, 990);
}
