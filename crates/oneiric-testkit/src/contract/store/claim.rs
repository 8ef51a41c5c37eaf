//! Ownership: who may take a run, what the fence does, and what happens to the dead.

use std::sync::Arc;

use oneiric_store::{
    Batch, Claim, CommitError, NodeStatus, Op, Refusal, Require, RunRecord, RunState, RunStatus, Silent,
};

use super::Site;
use super::sample::{at, boot, boot_id, insert, node, run, run_id, with_status};

fn claim(by: u8, limit: usize) -> Claim {
    Claim::any(boot_id(by), limit)
}

/// Ids sort by age, and so do claims; each claim of a run raises its fence by one.
pub async fn claims_take_the_oldest_first_and_raise_the_fence(site: Arc<dyn Site>) {
    let store = site.open();
    for n in [5, 2, 9, 7] {
        store.commit(insert(run(n))).await.unwrap();
    }
    let taken = store.claim(claim(1, 2)).await.unwrap();
    assert_eq!(taken.iter().map(|run| run.id).collect::<Vec<_>>(), [run_id(2), run_id(5)]);
    for run in &taken {
        assert_eq!((run.state.owner, run.state.epoch), (Some(boot_id(1)), 1));
        assert_eq!(store.run(run.id).await.unwrap().as_ref(), Some(run));
    }
    let taken = store.claim(claim(2, 10)).await.unwrap();
    assert_eq!(taken.iter().map(|run| run.id).collect::<Vec<_>>(), [run_id(7), run_id(9)]);
    assert_eq!(store.claim(claim(3, 10)).await.unwrap(), []);
    // What a boot owns is under way; taking it again would raise the fence against itself.
    assert_eq!(store.claim(Claim { run: Some(run_id(7)), ..claim(2, 1) }).await.unwrap(), []);
    let again = Claim { run: Some(run_id(7)), dead: vec![boot_id(2)], ..claim(3, 1) };
    let again = store.claim(again).await.unwrap();
    // Once for the burial of its owner, so that what that one has on its way is refused from then on.
    assert_eq!(again.iter().map(|run| (run.state.epoch, run.state.deaths)).collect::<Vec<_>>(), [(3, 1)]);
}

/// Every status, owner and way to ask, against the pure selection.
pub async fn a_claim_takes_what_the_selection_takes_and_nothing_else(site: Arc<dyn Site>) {
    let owners = [None, Some(boot_id(1)), Some(boot_id(2)), Some(boot_id(3))];
    let mut runs = Vec::new();
    for (n, status) in RunStatus::ALL.into_iter().enumerate() {
        runs.extend((0..4).map(|o| with_status((n * 4 + o) as u64, status, owners[o])));
    }
    let store = site.open();
    for run in &runs {
        store.commit(insert(run.clone())).await.unwrap();
    }
    for only in runs.iter().map(|run| run.id).chain([run_id(999)]) {
        // Boot 3 is the one that asks; every run is put back.
        let claim = Claim { run: Some(only), ..Claim::any(boot_id(3), 1) };
        let expected: Vec<_> = runs.iter().filter(|run| claim.selects(run)).map(|run| run.id).collect();
        let taken = store.claim(claim).await.unwrap();
        assert_eq!(taken.iter().map(|run| run.id).collect::<Vec<_>>(), expected, "{only}");
        for mut run in taken {
            run.state.owner = runs.iter().find(|known| known.id == run.id).unwrap().state.owner;
            store.commit(Batch::of([Op::SetRun { run: run.id, state: Box::new(run.state) }])).await.unwrap();
        }
    }
    let claim = Claim { dead: vec![boot_id(2)], ..claim(3, 100) };
    let freed = |run: &RunRecord| {
        let owner = run.state.owner.filter(|owner| *owner != boot_id(2));
        RunRecord { state: RunState { owner, ..run.state.clone() }, ..run.clone() }
    };
    let expected: Vec<_> = runs.iter().filter(|run| claim.selects(&freed(run))).map(|run| run.id).collect();
    let taken = store.claim(claim).await.unwrap();
    assert_eq!(taken.iter().map(|run| run.id).collect::<Vec<_>>(), expected);
}

/// A lease that somebody watched run out is taken over only where it has not beaten since; whoever was
/// buried takes nothing until it gets up.
pub async fn a_beat_in_time_keeps_everything(site: Arc<dyn Site>) {
    let store = site.open();
    store.enter(boot(1)).await.unwrap();
    store.commit(insert(run(1))).await.unwrap();
    assert_eq!(store.claim(claim(1, 1)).await.unwrap().len(), 1);
    let seen = store.boots().await.unwrap().remove(0);
    assert_eq!((seen.boot.beat, seen.owns, seen.dead), (1, 1, false));
    let beat = Batch::of([Op::Beat { boot: boot_id(1), at: at(5) }]).require(Require::BootOpen(boot_id(1)));
    store.commit(beat.clone()).await.unwrap();
    let silent = Silent { boot: boot_id(1), beat: seen.boot.beat };
    let take = Claim { silent: vec![silent], ..claim(2, 1) };
    assert_eq!(store.claim(take).await.unwrap(), []);
    let take = Claim { silent: vec![Silent { beat: 2, ..silent }], ..claim(2, 1) };
    let taken = store.claim(take).await.unwrap();
    assert_eq!(taken.iter().map(|run| (run.state.epoch, run.state.deaths)).collect::<Vec<_>>(), [(3, 1)]);
    let ended = |answer| matches!(answer, Err(CommitError::Refused(Refusal::BootEnded(_))));
    assert!(ended(store.commit(beat.clone()).await));
    assert!(ended(store.claim(claim(1, 1)).await.map(|_| ())));
    store.commit(Batch::of([Op::SetBoot(boot(1))])).await.unwrap();
    store.commit(beat).await.unwrap();
    store.leave(boot_id(1)).await.unwrap();
}

/// An owner that was taken over can do nothing more to the run.
pub async fn a_fence_that_was_passed_refuses_its_owner(site: Arc<dyn Site>) {
    let store = site.open();
    store.commit(insert(run(1))).await.unwrap();
    let first = store.claim(claim(1, 1)).await.unwrap().remove(0);
    let second = store.claim(Claim { dead: vec![boot_id(1)], ..claim(2, 1) }).await.unwrap().remove(0);
    let write = |epoch, status| {
        Batch::of([Op::SetNode(node(1, 0, status))]).require(Require::RunEpoch { run: run_id(1), epoch })
    };
    match store.commit(write(first.state.epoch, NodeStatus::Failed)).await {
        Err(CommitError::Refused(Refusal::StaleEpoch { held: 1, found: 3, .. })) => {}
        other => panic!("{other:?}"),
    }
    store.commit(write(second.state.epoch, NodeStatus::Running)).await.unwrap();
    assert_eq!(store.nodes(run_id(1)).await.unwrap(), [node(1, 0, NodeStatus::Running)]);
}

/// A dead boot is found, and its runs go to whoever claims from it, some now and the rest later.
pub async fn what_the_dead_owned_is_free_and_they_are_found_once(site: Arc<dyn Site>) {
    let store = site.open();
    store.enter(boot(1)).await.unwrap();
    assert_eq!(store.dead().await.unwrap(), []);
    site.dies(boot(2)).await;
    for n in 1..=3 {
        store.commit(insert(with_status(n, RunStatus::Running, Some(boot_id(2))))).await.unwrap();
    }
    assert_eq!(store.dead().await.unwrap(), [boot_id(2)]);
    let dead = store.dead().await.unwrap();
    let taken = store.claim(Claim { dead, ..claim(1, 1) }).await.unwrap();
    assert_eq!(taken.iter().map(|run| run.id).collect::<Vec<_>>(), [run_id(1)]);
    // Whether the store still names the dead or has already freed all of it: the rest is to be had.
    let dead = store.dead().await.unwrap();
    let rest = store.claim(Claim { dead, ..claim(4, 10) }).await.unwrap();
    assert_eq!(rest.iter().map(|run| run.id).collect::<Vec<_>>(), [run_id(2), run_id(3)]);
    store.leave(boot_id(1)).await.unwrap();
}

/// A boot that leaves owns nothing and is not among the dead.
pub async fn leaving_frees_everything(site: Arc<dyn Site>) {
    let store = site.open();
    store.enter(boot(1)).await.unwrap();
    store.commit(insert(run(1))).await.unwrap();
    let taken = store.claim(claim(1, 1)).await.unwrap();
    assert_eq!(taken.len(), 1);
    store.leave(boot_id(1)).await.unwrap();
    let left = store.run(run_id(1)).await.unwrap().unwrap();
    // Nobody died, and what the boot still had on its way is refused.
    assert_eq!((left.state.owner, left.state.epoch, left.state.deaths), (None, 2, 0));
    assert_eq!(store.dead().await.unwrap(), []);
    store.commit(Batch::of([Op::SetBoot(boot(7)), Op::Disown(boot_id(7))])).await.unwrap();
}

/// Giving a run back changes nothing but its owner, and shuts its owner out. One that ended meanwhile stays
/// as it ended.
pub async fn a_run_is_given_back_as_it_is(site: Arc<dyn Site>) {
    let store = site.open();
    for n in 1..=2 {
        store.commit(insert(run(n))).await.unwrap();
    }
    let taken = store.claim(claim(1, 2)).await.unwrap();
    let end = |n: u64| {
        let state = RunState { status: RunStatus::Failed, ..RunState::PENDING };
        let batch = Batch::of([Op::SetRun { run: run_id(n), state: Box::new(state) }]);
        batch.require(Require::RunEpoch { run: run_id(n), epoch: 1 })
    };
    store.commit(Batch::giving_back(run_id(1), 1)).await.unwrap();
    let back = store.run(run_id(1)).await.unwrap().unwrap();
    assert_eq!((back.state.owner, back.state.epoch, back.state.deaths), (None, 2, 0));
    assert_eq!(back.state.status, taken[0].state.status);
    match store.commit(end(1)).await {
        Err(CommitError::Refused(Refusal::StaleEpoch { held: 1, found: 2, .. })) => {}
        other => panic!("{other:?}"),
    }
    store.commit(end(2)).await.unwrap();
    match store.commit(Batch::giving_back(run_id(2), 1)).await {
        Err(CommitError::Refused(Refusal::RunOver { status: RunStatus::Failed, .. })) => {}
        other => panic!("{other:?}"),
    }
}
