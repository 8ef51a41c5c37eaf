//! Each change, and how it is read back.

use std::sync::Arc;

use oneiric_core::{Digest, Domain, Fault, Key, Payload, RunId};
use oneiric_store::{
    ActivityRecord, Batch, Blob, Claim, CommitError, Event, Found, JournalEntry, NodeRecord, NodeStatus, Op,
    Refusal, Require, RunRecord, RunState, RunStatus, SkipReason, UnknownNodes,
};
use serde_json::json;

use super::Site;
use super::sample::{append, at, boot_id, bundle, checkpoint, extension, insert, node, run, run_id};

/// What was asked for and where it stands.
pub async fn a_run_comes_back_with_every_field(site: Arc<dyn Site>) {
    let store = site.open();
    let full = RunRecord {
        id: RunId::from_bytes([0xAB; 16]),
        tenant: "acme".to_owned(),
        workflow: Key::new("fastblocks.nightly").unwrap(),
        bundle: bundle().digest,
        input: Payload::from(json!({"day": "2026-01-31", "n": [1, 2.5, null]})),
        options: json!({"timeout": 30}),
        priority: -3,
        deadline: Some(at(99)),
        actor: Some("les".to_owned()),
        trigger: "http".to_owned(),
        correlation: Some("c-1".to_owned()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        parent: Some(run_id(1)),
        created_at: at(-5),
        state: RunState {
            status: RunStatus::Paused,
            owner: Some(boot_id(3)),
            epoch: 4,
            wake_at: Some(at(i64::MAX)),
            deadline: Some(at(100)),
            deaths: 2,
            started_at: Some(at(6)),
            ended_at: Some(at(7)),
            fault: Some(
                Fault::unknown_outcome("lost", "nobody knows").retry_after(std::time::Duration::from_secs(1)),
            ),
        },
        schema: 1,
    };
    store.commit(insert(full.clone())).await.unwrap();
    store.commit(insert(run(2))).await.unwrap();
    assert_eq!(store.run(full.id).await.unwrap(), Some(full));
    assert_eq!(store.run(run_id(2)).await.unwrap(), Some(run(2)));
    assert_eq!(store.run(run_id(3)).await.unwrap(), None);
}

/// Every status is set and read; only a claim raises the fence.
pub async fn a_runs_state_is_set_but_its_fence_is_not(site: Arc<dyn Site>) {
    let store = site.open();
    store.commit(insert(run(1))).await.unwrap();
    let claim = Claim::any(boot_id(1), 1);
    assert_eq!(store.claim(claim).await.unwrap().len(), 1);
    for status in RunStatus::ALL {
        let state = RunState { status, epoch: 77, wake_at: Some(at(1)), ..RunState::PENDING };
        store
            .commit(Batch::of([Op::SetRun { run: run_id(1), state: Box::new(state.clone()) }]))
            .await
            .unwrap();
        let found = store.run(run_id(1)).await.unwrap().unwrap().state;
        assert_eq!(found, RunState { epoch: 1, ..state });
    }
    let nobody = Op::SetRun { run: run_id(2), state: Box::new(RunState::PENDING) };
    store.commit(Batch::of([nobody])).await.unwrap();
    assert_eq!(store.run(run_id(2)).await.unwrap(), None);
}

/// Every status and reason, in any order of writing.
pub async fn nodes_are_replaced_and_come_back_by_place(site: Arc<dyn Site>) {
    let store = site.open();
    store.commit(insert(run(1))).await.unwrap();
    let places = [6, 0, 3, 9, 1, 7, 2, 5, 8, 4];
    let rows = places.map(|n| node(1, n, NodeStatus::ALL[n as usize]));
    store.commit(Batch::of(rows.into_iter().map(Op::SetNode))).await.unwrap();
    let found = store.nodes(run_id(1)).await.unwrap();
    assert_eq!(found, (0..10).map(|n| node(1, n, NodeStatus::ALL[n as usize])).collect::<Vec<_>>());
    for skip in SkipReason::ALL {
        let row = NodeRecord {
            attempt: u32::MAX,
            input_hash: Some(Digest::of(b"in")),
            ended_at: Some(at(3)),
            wake_at: Some(at(4)),
            skip: Some(skip),
            fault: Some(Box::new(Fault::transient("exit-code", "`sh` exited with 3"))),
            ..node(1, 4, NodeStatus::Skipped)
        };
        store.commit(Batch::of([Op::SetNode(row.clone())])).await.unwrap();
        assert_eq!(store.nodes(run_id(1)).await.unwrap()[4], row);
    }
    assert_eq!(store.nodes(run_id(2)).await.unwrap(), []);
}

/// The first output of a node on an input stays; another input has another one.
pub async fn a_checkpoint_is_written_once(site: Arc<dyn Site>) {
    let store = site.open();
    store.commit(insert(run(1))).await.unwrap();
    let put = |input: &str, output: i32| Op::PutCheckpoint(checkpoint(1, 0, input, json!(output).into()));
    for op in [put("a", 1), put("a", 2), put("b", 3)] {
        store.commit(Batch::of([op])).await.unwrap();
    }
    let mut found: Vec<_> =
        store.checkpoints(run_id(1)).await.unwrap().into_iter().map(|c| c.output.value().as_i64()).collect();
    found.sort_unstable();
    assert_eq!(found, [Some(1), Some(3)]);
}

/// Every event is read as it was written, outputs aside; a gap and a repetition are refused.
pub async fn the_journal_takes_the_next_entry_only(site: Arc<dyn Site>) {
    let store = site.open();
    store.commit(insert(run(1))).await.unwrap();
    let fault = Fault::denied("paused", "the component is paused");
    let held = fault.clone();
    let events = [
        Event::Started { slots: 4 },
        Event::Resumed { unknown: UnknownNodes::Retry, deaths: 3, slots: u32::MAX },
        Event::Succeeded { node: 0, attempt: 1, output: json!("kept elsewhere").into(), slots: 1 },
        Event::Failed { node: 1, attempt: 2, fault, chance: u64::MAX, slots: 0 },
        Event::Due { node: 1, attempt: Some(2), slots: 0 },
        Event::Held { node: 2, attempt: 1, until: Some(at(9)), fault: held, slots: 1 },
        Event::Released { nodes: vec![2], slots: 1 },
        Event::Retried { nodes: vec![1, 2], slots: 1 },
        Event::Reconciled { node: 3, found: Found::Done, output: json!("kept").into(), slots: 0 },
        Event::PauseRequested { reason: "lunch".to_owned() },
        Event::PauseWithdrawn { slots: 1 },
        Event::Extended { deadline: at(77) },
        Event::Granted { slots: 2 },
        Event::CancelRequested { reason: "no longer needed".to_owned(), hard: true },
        Event::TimedOut,
    ];
    let entries: Vec<_> = (1..)
        .zip(events)
        .map(|(seq, event)| JournalEntry { run: run_id(1), seq, at: at(seq as i64), epoch: seq / 4, event })
        .collect();
    store.commit(Batch::of(entries.iter().cloned().map(Op::Append))).await.unwrap();
    let expected: Vec<_> = entries.iter().map(JournalEntry::without_output).collect();
    assert_eq!(store.journal(run_id(1), 0, 100).await.unwrap(), expected);
    assert_eq!(store.journal(run_id(1), 3, 2).await.unwrap(), expected[3..5]);
    assert_eq!(store.journal(run_id(1), 15, 2).await.unwrap(), []);
    assert_eq!(store.last_seq(run_id(1)).await.unwrap(), 15);
    assert_eq!(store.last_seq(run_id(2)).await.unwrap(), 0);
    for seq in [1, 15, 17] {
        match store.commit(Batch::of([append(1, seq)])).await {
            Err(CommitError::Refused(refusal)) => {
                assert_eq!(refusal, Refusal::OutOfSequence { run: run_id(1), seq, next: 16 });
            }
            other => panic!("{other:?}"),
        }
    }
    store.commit(Batch::of([append(1, 16), append(1, 17)])).await.unwrap();
}

/// They have nowhere to be; the batch they are in is none the worse.
pub async fn rows_of_a_run_that_is_not_there_are_dropped(site: Arc<dyn Site>) {
    let store = site.open();
    let batch = Batch::of([
        Op::SetNode(node(9, 0, NodeStatus::Running)),
        Op::PutCheckpoint(checkpoint(9, 0, "in", Payload::NULL)),
        append(9, 1),
    ]);
    store.commit(batch.and(insert(run(1)))).await.unwrap();
    assert_eq!(store.run(run_id(1)).await.unwrap(), Some(run(1)));
    assert_eq!(store.nodes(run_id(9)).await.unwrap(), []);
    assert_eq!(store.checkpoints(run_id(9)).await.unwrap(), []);
    assert_eq!(store.last_seq(run_id(9)).await.unwrap(), 0);
    store.commit(insert(run(9))).await.unwrap();
    assert_eq!(store.nodes(run_id(9)).await.unwrap(), []);
}

/// The same bytes are kept once, however often and in whatever batch they are put.
pub async fn equal_blobs_are_one(site: Arc<dyn Site>) {
    let store = site.open();
    let blob = Blob::new(vec![7; 50_000]);
    let empty = Blob::new(Vec::new());
    let put = Batch::of([Op::Blob(blob.clone()), Op::Blob(empty.clone()), Op::Blob(blob.clone())]);
    store.commit(put.clone()).await.unwrap();
    store.commit(put).await.unwrap();
    assert_eq!(store.blob(blob.digest).await.unwrap(), Some(blob.bytes));
    assert_eq!(store.blob(empty.digest).await.unwrap(), Some(empty.bytes));
    assert_eq!(store.blob(Digest::of(b"other")).await.unwrap(), None);
    let report = store.check().await.unwrap();
    assert!(report.checked.contains(&("blobs".to_owned(), 2)), "{report:?}");
}

/// A version is never given twice, so that who saw one knows what it stood for.
pub async fn an_extension_counts_its_versions_across_removal(site: Arc<dyn Site>) {
    let store = site.open();
    let values: [Option<&[u8]>; 4] = [Some(b"one"), Some(b""), None, Some(&[0, 255])];
    for (version, value) in (1..).zip(values) {
        store.commit(Batch::of([Op::Extension(extension("key", value))])).await.unwrap();
        let found = store.extension("contract", "key").await.unwrap();
        assert_eq!(found, value.map(|value| (version, value.to_vec())));
    }
    assert_eq!(store.extension("contract", "other").await.unwrap(), None);
    assert_eq!(store.extension("other", "key").await.unwrap(), None);
}

/// A family is read as a whole, by key; what was removed and what is of others is not in it.
pub async fn a_family_of_extensions_comes_back_by_key(site: Arc<dyn Site>) {
    let store = site.open();
    assert_eq!(store.extensions("contract").await.unwrap(), []);
    let foreign = oneiric_store::Extension { family: "other".to_owned(), ..extension("b", Some(b"theirs")) };
    let ops = [
        extension("c", Some(b"1")),
        extension("a", Some(b"")),
        extension("b", Some(b"gone")),
        extension("b", None),
        extension("c", Some(b"2")),
        foreign,
    ];
    store.commit(Batch::of(ops.map(Op::Extension))).await.unwrap();
    let expected = [("a".to_owned(), 1, Vec::new()), ("c".to_owned(), 2, b"2".to_vec())];
    assert_eq!(store.extensions("contract").await.unwrap(), expected);
    assert_eq!(store.extensions("other").await.unwrap(), [("b".to_owned(), 1, b"theirs".to_vec())]);
    assert_eq!(store.extensions("contrac").await.unwrap(), []);
}

/// A record is replaced as a whole, the default removes it, and who says so has seen what it replaces.
pub async fn what_operators_said_is_changed_by_who_has_seen_it(site: Arc<dyn Site>) {
    let store = site.open();
    let key = |text: &str| Key::new(text).unwrap();
    let none = |domain, text| ActivityRecord::accepting(domain, key(text), at(0));
    let (task, adapter) = (none(Domain::TASK, "charge"), none(Domain::ADAPTER, "charge"));
    let say = |from: &ActivityRecord, to: &ActivityRecord| {
        let batch = Batch::of([Op::SetActivity(to.clone())]);
        store.commit(batch.require(Require::Activity(from.clone())))
    };
    let paused = ActivityRecord { paused: true, note: Some("Ωmega".to_owned()), at: at(3), ..task.clone() };
    let draining = ActivityRecord { draining: true, at: at(4), ..adapter.clone() };
    let noted = ActivityRecord { paused: false, at: at(5), ..paused.clone() };
    say(&task, &paused).await.unwrap();
    say(&adapter, &draining).await.unwrap();
    assert_eq!(store.activities().await.unwrap(), [draining.clone(), paused.clone()]);
    for stale in [&task, &noted] {
        let changed = Refusal::ActivityChanged { domain: Domain::TASK, key: key("charge") };
        match say(stale, &task).await {
            Err(CommitError::Refused(refusal)) => assert_eq!(refusal, changed),
            other => panic!("{other:?} to {stale:?}"),
        }
    }
    say(&paused, &noted).await.unwrap();
    say(&draining, &adapter).await.unwrap();
    let kept = store.activities().await.unwrap();
    assert_eq!(kept, std::slice::from_ref(&noted), "a note alone is kept");
    say(&noted, &ActivityRecord { note: None, ..noted.clone() }).await.unwrap();
    assert_eq!(store.activities().await.unwrap(), []);
    say(&ActivityRecord { at: at(77), ..task.clone() }, &task).await.unwrap();
}
