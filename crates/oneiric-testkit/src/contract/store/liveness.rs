//! What is stuck is found, each kind of it, and nothing else is.

use std::sync::Arc;

use oneiric_core::roles::{Envelope, EventId, Priority};
use oneiric_core::{Fault, NodeId};
use oneiric_store::liveness::{Kind, Violation};
use oneiric_store::{
    Batch, BootRecord, ChainMode, Claim, Command, CommandRecord, DeliveryRecord, DeliveryState,
    DeliveryStatus, EnvelopeRecord, NodeRecord, NodeStatus, Op, RunRecord, RunState, RunStatus, Store,
};

use super::Site;
use super::sample::{at, boot, boot_id, insert, node, run, run_id, with_status};

async fn found(store: &Arc<dyn Store>) -> Vec<Violation> {
    store.violations().await.unwrap()
}

fn violation(kind: Kind, of: u64) -> Violation {
    Violation::of_run(kind, run_id(of))
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

fn event() -> EventId {
    EventId::new("event").unwrap()
}

/// A delivery of the one event; those behind it by their first letters.
fn delivery(handler: &str, status: DeliveryStatus, owner: Option<u8>, behind: &str) -> Op {
    Op::PutDelivery(Box::new(DeliveryRecord {
        event: event(),
        handler: handler.to_owned(),
        priority: Priority::Normal,
        chain: ChainMode::FirstSuccess,
        behind: behind.chars().map(String::from).collect(),
        state: DeliveryState { status, owner: owner.map(boot_id), ..DeliveryState::due(at(1)) },
    }))
}

/// The event with these deliveries, alone in the store.
async fn deliver(store: &Arc<dyn Store>, deliveries: impl IntoIterator<Item = Op>) {
    let envelope = Envelope::new("topic.a".parse().unwrap(), serde_json::json!({}));
    let put = Op::PutEnvelope(Box::new(EnvelopeRecord::new(event(), envelope, at(1))));
    store.commit(Batch::of([Op::DropEnvelope(event())])).await.unwrap();
    store.commit(Batch::of([put].into_iter().chain(deliveries))).await.unwrap();
}

/// Every status of a delivery as a sound process leaves it; what waits for whoever has room is not stuck.
pub async fn healthy_deliveries_are_not_stuck(site: Arc<dyn Site>) {
    use DeliveryStatus::{Dead, Done, Expired, Held, Pending, Running, Skipped};
    let store = site.open();
    store.enter(BootRecord { serves: true, ..boot(1) }).await.unwrap();
    let over = [("x", Done), ("y", Dead), ("z", Skipped), ("w", Expired)];
    let over = || over.iter().map(|(handler, status)| delivery(handler, *status, None, "b"));
    for (front, owner) in [(Pending, None), (Pending, Some(1)), (Running, Some(1))] {
        let chain = [
            delivery("a", front, owner, "bc"),
            delivery("b", Held, None, "c"),
            delivery("c", Held, None, ""),
        ];
        deliver(&store, over().chain(chain)).await;
        assert_eq!(found(&store).await, [], "{front}");
    }
    store.leave(boot_id(1)).await.unwrap();
}

/// Each kind is made on purpose, found alone, and gone once it was mended.
pub async fn every_kind_of_stuck_delivery_is_found(site: Arc<dyn Site>) {
    use DeliveryStatus::{Dead, Done, Held, Pending, Running};
    let store = site.open();
    let stuck = |kind, handler: &str| Violation::of_delivery(kind, event(), handler.to_owned());
    let owned = |kind, by| Violation { boot: Some(boot_id(by)), ..stuck(kind, "a") };

    // Its owner died, whether or not the handler is known to be at work.
    site.dies(boot(2)).await;
    for status in [Pending, Running] {
        deliver(&store, [delivery("a", status, Some(2), "")]).await;
        assert_eq!(found(&store).await, [owned(Kind::OwnerDead, 2)], "{status}");
    }
    let boots = store.boots().await.unwrap();
    let counted: Vec<_> = boots.iter().map(|seen| (seen.owns, seen.deliveries)).collect();
    assert_eq!(counted, [(1, 1)]);
    store.claim(Claim { dead: vec![boot_id(2)], ..Claim::any(boot_id(9), 0) }).await.unwrap();
    assert_eq!(found(&store).await, []);

    // Its owner has ended, or was never known.
    let ended = BootRecord { ended_at: Some(at(2)), ..boot(3) };
    store.commit(Batch::of([Op::SetBoot(ended)])).await.unwrap();
    for owner in [3, 4] {
        deliver(&store, [delivery("a", Running, Some(owner), "")]).await;
        assert_eq!(found(&store).await, [owned(Kind::OwnerEnded, owner)]);
        store.commit(Batch::of([Op::Disown(boot_id(owner))])).await.unwrap();
        assert_eq!(found(&store).await, []);
    }

    // It is over, or not its turn, and somebody has it still; alive or not.
    store.enter(boot(1)).await.unwrap();
    for (status, owner) in [(Done, 1), (Dead, 4), (Held, 1)] {
        let front = delivery("x", Pending, None, "a");
        deliver(&store, [front, delivery("a", status, Some(owner), "")]).await;
        assert_eq!(found(&store).await, [owned(Kind::Leaked, owner)], "{status}");
        store.commit(Batch::giving_back_delivery(event(), "a".to_owned(), 0)).await.unwrap();
        assert_eq!(found(&store).await, []);
    }

    // The handler counts as running, and nobody owns it: no claim takes it.
    deliver(&store, [delivery("a", Running, None, "")]).await;
    assert_eq!(found(&store).await, [stuck(Kind::InFlight, "a")]);
    store.commit(Batch::giving_back_delivery(event(), "a".to_owned(), 0)).await.unwrap();
    assert_eq!(found(&store).await, []);

    // Those in front of it are over, or held themselves.
    deliver(
        &store,
        [delivery("a", Done, None, "bc"), delivery("b", Held, None, "c"), delivery("c", Held, None, "")],
    )
    .await;
    assert_eq!(found(&store).await, [stuck(Kind::Stranded, "b"), stuck(Kind::Stranded, "c")]);
    let state = Box::new(DeliveryState::due(at(2)));
    let release = Op::SetHeldDelivery { event: event(), handler: "b".to_owned(), state };
    store.commit(Batch::of([release])).await.unwrap();
    assert_eq!(found(&store).await, [], "the one behind it has somebody in front of it again");
    store.leave(boot_id(1)).await.unwrap();
}
