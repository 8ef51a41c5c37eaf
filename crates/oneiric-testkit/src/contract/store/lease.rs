//! Boots and their leases: beats, ends, and what is counted where a boot dies.

use std::sync::Arc;

use oneiric_store::{
    Batch, BootRecord, Claim, CommitError, Op, Refusal, Require, RunState, RunStatus, Silent,
};

use super::Site;
use super::sample::{at, boot, boot_id, insert, run, run_id};

fn is_ended(answer: Result<(), CommitError>, boot: u8) -> bool {
    matches!(answer, Err(CommitError::Refused(Refusal::BootEnded(ended))) if ended == boot_id(boot))
}

/// A beat raises the number by one and says when; whoever requires an open boot gets no other.
pub async fn a_beat_is_counted_and_an_ended_boot_is_not_open(site: Arc<dyn Site>) {
    let store = site.open();
    let beat = |n: u8, micros| Op::Beat { boot: boot_id(n), at: at(micros) };
    let open = |n: u8| Batch::default().require(Require::BootOpen(boot_id(n)));
    assert!(is_ended(store.commit(open(1)).await, 1), "it was never there");
    store.enter(boot(1)).await.unwrap();
    store.commit(open(1)).await.unwrap();
    store.commit(Batch::of([beat(1, 7), beat(1, 9)])).await.unwrap();
    let expected = BootRecord { beat: 2, beat_at: at(9), ..boot(1) };
    assert_eq!(store.boot(boot_id(1)).await.unwrap(), Some(expected.clone()));
    // Nobody's beat is nobody's affair.
    store.commit(Batch::of([beat(2, 1)])).await.unwrap();
    assert_eq!(store.boot(boot_id(2)).await.unwrap(), None);

    store.leave(boot_id(1)).await.unwrap();
    let left = store.boot(boot_id(1)).await.unwrap();
    assert_eq!(left, Some(BootRecord { ended_at: Some(at(9)), ..expected }), "it left at its last beat");
    assert!(is_ended(store.commit(open(1)).await, 1));
}

/// Every field of a boot is read as it was written.
pub async fn a_boot_comes_back_with_every_field(site: Arc<dyn Site>) {
    let store = site.open();
    let full = BootRecord {
        beat: 41,
        beat_at: at(-3),
        lease_ms: 1_234,
        serves: true,
        ended_at: Some(at(77)),
        ..boot(1)
    };
    for record in [full.clone(), BootRecord { serves: false, ended_at: None, ..full }] {
        store.commit(Batch::of([Op::SetBoot(record.clone())])).await.unwrap();
        assert_eq!(store.boot(boot_id(1)).await.unwrap(), Some(record));
    }
}

/// Oldest first, with what they own; who has left or was buried is not among them.
pub async fn boots_are_listed_with_what_they_own_until_they_end(site: Arc<dyn Site>) {
    let store = site.open();
    let early = BootRecord { started_at: at(5), serves: true, ..boot(3) };
    for record in [boot(2), boot(1), early.clone()] {
        store.enter(record).await.unwrap();
    }
    site.dies(boot(4)).await;
    for n in 1..=3 {
        store.commit(insert(run(n))).await.unwrap();
    }
    store.claim(Claim::any(boot_id(2), 2)).await.unwrap();
    let seen = |seen: Vec<oneiric_store::BootSeen>| -> Vec<_> {
        seen.into_iter().map(|seen| (seen.boot.id, seen.owns, seen.dead)).collect()
    };
    let expected = [(3, 0, false), (1, 0, false), (2, 2, false), (4, 0, true)];
    let expected = expected.map(|(n, owns, dead)| (boot_id(n), owns, dead));
    assert_eq!(seen(store.boots().await.unwrap()), expected);
    assert_eq!(store.boots().await.unwrap()[0].boot, early);

    store.claim(Claim { dead: vec![boot_id(4)], ..Claim::any(boot_id(1), 0) }).await.unwrap();
    store.leave(boot_id(2)).await.unwrap();
    assert_eq!(seen(store.boots().await.unwrap()), [(boot_id(3), 0, false), (boot_id(1), 0, false)]);
    assert_eq!(store.dead().await.unwrap(), []);
    for n in [1, 3] {
        store.leave(boot_id(n)).await.unwrap();
    }
    assert_eq!(store.boots().await.unwrap(), []);
}

/// Whoever was buried cannot bury others: such a claim leaves everything as it is.
pub async fn a_claim_that_is_refused_buries_nobody(site: Arc<dyn Site>) {
    let store = site.open();
    for n in 1..=3 {
        store.enter(boot(n)).await.unwrap();
    }
    store.commit(insert(run(1))).await.unwrap();
    assert_eq!(store.claim(Claim::any(boot_id(1), 1)).await.unwrap().len(), 1);
    let silent = |n, beat| Silent { boot: boot_id(n), beat };
    store.claim(Claim { silent: vec![silent(2, 0)], ..Claim::any(boot_id(3), 0) }).await.unwrap();
    let before = (store.run(run_id(1)).await.unwrap(), store.boots().await.unwrap());
    let wishes = [
        Claim { dead: vec![boot_id(1)], ..Claim::any(boot_id(2), 1) },
        Claim { silent: vec![silent(1, 1)], ..Claim::any(boot_id(2), 1) },
        // Nor can somebody bury itself on the way.
        Claim { dead: vec![boot_id(3)], ..Claim::any(boot_id(3), 1) },
        Claim { silent: vec![silent(1, 1), silent(3, 0)], ..Claim::any(boot_id(3), 1) },
    ];
    for wish in wishes {
        let claimant = wish.boot;
        match store.claim(wish.clone()).await {
            Err(CommitError::Refused(Refusal::BootEnded(boot))) => assert_eq!(boot, claimant),
            other => panic!("{other:?} to {wish:?}"),
        }
        assert_eq!((store.run(run_id(1)).await.unwrap(), store.boots().await.unwrap()), before, "{wish:?}");
    }
    for n in [1, 3] {
        store.leave(boot_id(n)).await.unwrap();
    }
}

/// A death is counted at what it left behind, once each time; leaving is none, and the count is the
/// owner's to forget.
pub async fn deaths_are_counted_where_they_were_and_leaving_is_none(site: Arc<dyn Site>) {
    let store = site.open();
    for n in 1..=3 {
        store.commit(insert(run(n))).await.unwrap();
    }
    let standing = async |n| {
        let state = store.run(run_id(n)).await.unwrap().unwrap().state;
        (state.owner, state.epoch, state.deaths)
    };
    let only = |by, n| Claim { run: Some(run_id(n)), ..Claim::any(boot_id(by), 1) };
    for round in 1..=3 {
        site.dies(boot(round)).await;
        assert_eq!(store.claim(only(round, 1)).await.unwrap().len(), 1);
        let dead = store.dead().await.unwrap();
        assert_eq!(dead, [boot_id(round)]);
        store.claim(Claim { dead, ..Claim::any(boot_id(9), 0) }).await.unwrap();
        assert_eq!(standing(1).await, (None, 2 * u64::from(round), u32::from(round)));
    }
    assert_eq!(standing(2).await, (None, 0, 0), "nobody owned it");

    store.enter(boot(5)).await.unwrap();
    store.claim(only(5, 1)).await.unwrap();
    store.leave(boot_id(5)).await.unwrap();
    assert_eq!(standing(1).await, (None, 8, 3));
    // Taking a boot's things away from it is no death either.
    store.claim(only(6, 2)).await.unwrap();
    store.commit(Batch::of([Op::Disown(boot_id(6))])).await.unwrap();
    assert_eq!(standing(2).await, (None, 2, 0));

    let state = RunState { status: RunStatus::Running, ..RunState::PENDING };
    store.commit(Batch::of([Op::SetRun { run: run_id(1), state: Box::new(state) }])).await.unwrap();
    assert_eq!(standing(1).await, (None, 8, 0));
}
