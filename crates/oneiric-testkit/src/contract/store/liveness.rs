//! What is stuck is found, each kind of it, and nothing else is.

use std::sync::Arc;

use oneiric_core::{Fault, NodeId};
use oneiric_store::liveness::{Kind, Violation};
use oneiric_store::{
    Batch, BootRecord, Claim, Command, CommandRecord, NodeRecord, NodeStatus, Op, RunRecord, RunState,
    RunStatus, Store,
};

use super::Site;
use super::sample::{at, boot, boot_id, insert, node, run, run_id, with_status};

async fn found(store: &Arc<dyn Store>) -> Vec<Violation> {
    store.violations().await.unwrap()
}

fn violation(kind: Kind, of: u64) -> Violation {
    Violation { kind, run: run_id(of), node: None, boot: None }
}

fn because(record: RunRecord, code: &str) -> RunRecord {
    let fault = Some(Fault::transient(code, "for the record"));
    RunRecord { state: RunState { fault, ..record.state.clone() }, ..record }
}

/// Every status of runs and nodes as a sound engine leaves it, owned by somebody alive.
pub async fn healthy_rows_are_not_stuck(site: Arc<dyn Site>) {
    let store = site.open();
    store.enter(BootRecord { serves: true, ..boot(1) }).await.unwrap();
    store.enter(boot(2)).await.unwrap();
    for (n, status) in (1..).zip(RunStatus::ALL) {
        let active = matches!(status, RunStatus::Pending | RunStatus::Running);
        let run = with_status(n, status, active.then(|| boot_id(1 + n as u8 % 2)));
        store.commit(insert(because(run, "told"))).await.unwrap();
        let rows = NodeStatus::ALL.into_iter().filter(|status| active || *status != NodeStatus::Running);
        let rows = (0..).zip(rows).map(|(place, status)| {
            let wake_at = (status == NodeStatus::Waiting).then(|| at(9));
            Op::SetNode(NodeRecord { wake_at, ..node(n, place, status) })
        });
        store.commit(Batch::of(rows)).await.unwrap();
        if !status.is_terminal() {
            let command = Command::Pause { reason: "lunch".to_owned() };
            let record = CommandRecord { run: run_id(n), id: n.into(), at: at(1), actor: None, command };
            store.commit(Batch::of([Op::PutCommand(record)])).await.unwrap();
        }
    }
    assert_eq!(found(&store).await, []);
    for n in [1, 2] {
        store.leave(boot_id(n)).await.unwrap();
    }
}

/// Each kind is made on purpose, found alone, and gone once it was mended.
pub async fn every_kind_of_being_stuck_is_found(site: Arc<dyn Site>) {
    let store = site.open();
    let commit = async |batch: Batch| store.commit(batch).await.unwrap();
    let set = |n, state: RunState| Batch::of([Op::SetRun { run: run_id(n), state: Box::new(state) }]);
    let over = || RunState { status: RunStatus::Completed, ..RunState::PENDING };
    let name = |of: &NodeRecord| -> Option<NodeId> { Some(of.name.clone()) };

    // Its owner died.
    site.dies(boot(2)).await;
    commit(insert(with_status(1, RunStatus::Running, Some(boot_id(2))))).await;
    let owner_dead = Violation { boot: Some(boot_id(2)), ..violation(Kind::OwnerDead, 1) };
    assert_eq!(found(&store).await, [owner_dead]);
    store.claim(Claim { dead: vec![boot_id(2)], ..Claim::any(boot_id(9), 0) }).await.unwrap();
    assert_eq!(found(&store).await, [], "nobody serves, so that nobody is missing");

    // Somebody serves, and it has no owner.
    store.enter(BootRecord { serves: true, ..boot(1) }).await.unwrap();
    commit(insert(run(2))).await;
    assert_eq!(found(&store).await, [violation(Kind::Unowned, 1), violation(Kind::Unowned, 2)]);
    assert_eq!(store.claim(Claim::any(boot_id(1), 10)).await.unwrap().len(), 2);
    assert_eq!(found(&store).await, []);

    // Its owner has ended, or was never known.
    let ended = BootRecord { ended_at: Some(at(2)), ..boot(3) };
    commit(Batch::of([Op::SetBoot(ended)])).await;
    for owner in [3, 4] {
        commit(set(1, RunState { owner: Some(boot_id(owner)), ..RunState::PENDING })).await;
        let expected = Violation { boot: Some(boot_id(owner)), ..violation(Kind::OwnerEnded, 1) };
        assert_eq!(found(&store).await, [expected]);
    }
    commit(set(1, over())).await;
    assert_eq!(found(&store).await, []);

    // It ended or pauses, and somebody has it still, alive or not.
    for (status, owner) in [(RunStatus::Completed, 1), (RunStatus::Paused, 1), (RunStatus::Failed, 4)] {
        let fault = Some(Fault::denied("paused", "lunch"));
        commit(set(1, RunState { status, owner: Some(boot_id(owner)), fault, ..RunState::PENDING })).await;
        let expected = Violation { boot: Some(boot_id(owner)), ..violation(Kind::Leaked, 1) };
        assert_eq!(found(&store).await, [expected], "{status}");
    }
    commit(set(1, over())).await;

    // It ended, and a node of it counts as running.
    let running = node(1, 3, NodeStatus::Running);
    commit(Batch::of([Op::SetNode(running.clone())])).await;
    assert_eq!(found(&store).await, [Violation { node: name(&running), ..violation(Kind::InFlight, 1) }]);
    commit(Batch::of([Op::SetNode(node(1, 3, NodeStatus::Cancelled))])).await;
    assert_eq!(found(&store).await, []);

    // It waits for a time that is not there.
    let waiting = node(2, 5, NodeStatus::Waiting);
    commit(Batch::of([Op::SetNode(waiting.clone())])).await;
    assert_eq!(found(&store).await, [Violation { node: name(&waiting), ..violation(Kind::NoWake, 2) }]);
    commit(Batch::of([Op::SetNode(NodeRecord { wake_at: Some(at(8)), ..waiting })])).await;
    assert_eq!(found(&store).await, []);

    // It pauses, and nothing says why.
    commit(set(1, RunState { status: RunStatus::Paused, ..RunState::PENDING })).await;
    assert_eq!(found(&store).await, [violation(Kind::NoReason, 1)]);
    commit(set(1, over())).await;

    // It ended, and people ask things of it still: one line for each.
    for id in [1, 2] {
        let command = Command::Resume { unknown: Default::default() };
        let record = CommandRecord { run: run_id(1), id, at: at(1), actor: None, command };
        commit(Batch::of([Op::PutCommand(record)])).await;
    }
    assert_eq!(found(&store).await, vec![violation(Kind::StaleCommand, 1); 2]);
    commit(Batch::of([Op::DropCommands(run_id(1))])).await;
    assert_eq!(found(&store).await, []);
    store.leave(boot_id(1)).await.unwrap();
}
