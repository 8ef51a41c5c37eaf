//! What the state machine makes of rows that another process left: cases that the model found.

use std::collections::BTreeMap;
use std::sync::Arc;

use oneiric_core::{Fault, Payload, Timestamp};
use oneiric_dag::{Effects, Limits, OnFailure, Plan, State};
use oneiric_store::{Checkpoint, Event, NodeRecord, NodeStatus, Op, RunRecord, RunStatus, UnknownNodes};
use oneiric_testkit::graphs;

use crate::support::{boot, key, record};

/// Rows as a store would keep them, and whoever works on them.
struct World {
    plan: Plan,
    row: RunRecord,
    nodes: BTreeMap<u32, NodeRecord>,
    kept: Vec<Checkpoint>,
    seq: u64,
    now: i64,
}

impl World {
    /// Nodes that do not wait for each other.
    fn new(count: usize, on_failure: OnFailure) -> Self {
        let mut draft = graphs::draft(&vec![Vec::new(); count], &key("t"));
        draft.on_failure = on_failure;
        let graph = Arc::new(draft.build().unwrap());
        let plan = Plan::new(key("wf"), graph, Vec::new(), None, Limits::default());
        let row = record(serde_json::Value::Null);
        Self { plan, row, nodes: BTreeMap::new(), kept: Vec::new(), seq: 0, now: 0 }
    }

    /// A new owner, under a higher fence.
    fn owner(&mut self) -> State {
        self.row.state.epoch += 1;
        self.row.state.owner = Some(boot(self.row.state.epoch));
        let nodes = self.nodes.values().cloned().collect();
        State::restore(&self.plan, &self.row, self.seq, nodes, self.kept.clone()).unwrap()
    }

    fn put(&mut self, state: &mut State, event: Event) -> Effects {
        self.now += 1;
        let mut fx = Effects::default();
        state.step(&self.plan, Timestamp::from_micros(self.now), event, &mut fx).unwrap();
        self.seq = state.seq();
        for op in &fx.ops {
            match op {
                Op::SetNode(row) => drop(self.nodes.insert(row.node, row.clone())),
                Op::SetRun { state, .. } => self.row.state = (**state).clone(),
                Op::PutCheckpoint(kept) => self.kept.push(kept.clone()),
                _ => {}
            }
        }
        fx
    }

    /// One that has begun `slots` nodes.
    fn begun(&mut self, slots: u32) -> State {
        let mut state = self.owner();
        self.put(&mut state, Event::Started { slots });
        state
    }

    fn statuses(&self) -> Vec<NodeStatus> {
        self.nodes.values().map(|node| node.status).collect()
    }

    fn fault(&self) -> Option<&str> {
        self.row.state.fault.as_ref().map(|fault| fault.code.as_str())
    }
}

fn failed(node: u32, fault: Fault) -> Event {
    Event::Failed { node, attempt: 1, fault, chance: 0, slots: 0 }
}

fn resumed(deaths: u32, slots: u32) -> Event {
    Event::Resumed { unknown: UnknownNodes::Keep, deaths, slots }
}

#[test]
fn a_run_that_is_cancelled_instead_of_resumed_leaves_nothing_in_flight() {
    let mut world = World::new(2, OnFailure::FinishIndependent);
    world.begun(2);
    let mut next = world.owner();
    let fx = world.put(&mut next, Event::CancelRequested { reason: "enough".to_owned(), hard: false });
    assert_eq!(fx.ended, Some(RunStatus::Cancelled));
    assert_eq!(world.statuses(), [NodeStatus::Cancelled; 2]);
}

#[test]
fn no_word_ends_a_run_whose_tries_are_still_to_be_decided() {
    let words = [
        Event::Extended { deadline: Timestamp::from_micros(99) },
        Event::PauseRequested { reason: "lunch".to_owned() },
    ];
    for word in words {
        let mut world = World::new(1, OnFailure::FinishIndependent);
        world.begun(1);
        let mut next = world.owner();
        assert_eq!(world.put(&mut next, word).ended, None);
        assert_eq!(
            (world.row.state.status, world.statuses()),
            (RunStatus::Running, vec![NodeStatus::Running])
        );
    }
    // The pause comes into effect with whoever decides them.
    let mut world = World::new(1, OnFailure::FinishIndependent);
    world.begun(1);
    let mut next = world.owner();
    world.put(&mut next, Event::PauseRequested { reason: "lunch".to_owned() });
    let mut next = world.owner();
    assert_eq!(world.put(&mut next, resumed(0, 1)).ended, Some(RunStatus::Paused));
    assert_eq!((world.fault(), world.statuses()), (Some("paused"), vec![NodeStatus::Pending]));
}

#[test]
fn a_failure_in_the_words_of_a_pause_is_a_failure_after_a_restart_too() {
    let faults = [
        Fault::denied("paused", "the component is paused"),
        Fault::permanent("cancelled", "a person closed it"),
        Fault::permanent("run-timeout", "of another run"),
    ];
    for fault in faults {
        let mut world = World::new(2, OnFailure::FailFast);
        let mut first = world.begun(2);
        world.put(&mut first, failed(0, fault.clone()));
        assert_eq!(world.row.state.status, RunStatus::Running, "the other one is asked to stop");
        let mut next = world.owner();
        assert_eq!(world.put(&mut next, resumed(1, 2)).ended, Some(RunStatus::Failed));
        assert_eq!(world.row.state.fault, Some(fault));
    }
}

#[test]
fn the_first_failure_is_the_first_after_a_restart_too() {
    let mut world = World::new(3, OnFailure::FinishIndependent);
    let mut first = world.begun(3);
    world.put(&mut first, failed(2, Fault::permanent("first", "")));
    world.put(&mut first, failed(0, Fault::permanent("second", "")));
    let mut next = world.owner();
    world.put(&mut next, resumed(0, 1));
    let last = Event::Succeeded { node: 1, attempt: 2, output: Payload::NULL, slots: 0 };
    assert_eq!(world.put(&mut next, last).ended, Some(RunStatus::Failed));
    assert_eq!(world.fault(), Some("first"));
}

#[test]
fn a_paused_run_remembers_why_when_it_gets_another_deadline() {
    let mut world = World::new(1, OnFailure::FinishIndependent);
    let mut first = world.owner();
    world.put(&mut first, Event::PauseRequested { reason: "lunch".to_owned() });
    let why = world.row.state.fault.clone();
    let mut next = world.owner();
    world.put(&mut next, Event::Extended { deadline: Timestamp::from_micros(99) });
    assert_eq!((world.row.state.status, &world.row.state.fault), (RunStatus::Paused, &why));
    // Or what somebody else wrote there.
    world.row.state.fault = Some(Fault::permanent("cannot-resume", "the manifest is gone"));
    let mut next = world.owner();
    world.put(&mut next, Event::Extended { deadline: Timestamp::from_micros(100) });
    assert_eq!(world.fault(), Some("cannot-resume"));
    let mut next = world.owner();
    world.put(&mut next, resumed(0, 1));
    assert_eq!((world.row.state.status, world.fault()), (RunStatus::Running, None));
}

#[test]
fn a_place_that_the_plan_does_not_have_is_not_tried() {
    let mut world = World::new(2, OnFailure::FinishIndependent);
    let mut state = world.begun(2);
    let held = Event::Held { node: 0, attempt: 1, until: None, fault: Fault::denied("held", ""), slots: 0 };
    world.put(&mut state, held);
    let fx = world.put(&mut state, Event::Retried { nodes: vec![7, 0, u32::MAX, 0], slots: 2 });
    assert_eq!(fx.start.iter().map(|start| start.node).collect::<Vec<_>>(), [0]);
}

#[test]
fn deaths_before_the_beginning_are_not_the_nodes() {
    let mut world = World::new(1, OnFailure::FinishIndependent);
    world.row.state.deaths = 4;
    world.begun(1);
    assert_eq!(world.row.state.deaths, 0);
    let mut next = world.owner();
    world.put(&mut next, resumed(0, 1));
    assert_eq!(world.nodes[&0].deaths, 0);
}

/// Its batch is refused, so that what it makes of them does not matter; that it goes on does.
#[test]
fn rows_of_a_later_owner_do_not_stop_an_earlier_one() {
    let mut world = World::new(1, OnFailure::FinishIndependent);
    let mut draft = graphs::draft(&vec![Vec::new(), vec![0]], &key("t"));
    draft.nodes[0].when = Some("inputs != null".to_owned());
    let graph = Arc::new(draft.build().unwrap());
    world.plan = Plan::new(key("wf"), graph, Vec::new(), None, Limits::default());
    let claimed = world.row.clone();
    world.begun(1);
    world.row = claimed;
    let mut early = world.owner();
    world.put(&mut early, Event::Started { slots: 1 });
}
