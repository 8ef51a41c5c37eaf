//! What people ask for: commands to runs, and what they say of components.

use std::sync::Arc;

use oneiric_core::{Domain, Key};
use oneiric_store::{
    ActivityRecord, Batch, Claim, Command, CommandRecord, CommitError, Op, Refusal, Require, RunState,
    RunStatus, UnknownNodes, WhoseCommands,
};

use super::Site;
use super::sample::{at, boot_id, insert, run, run_id, with_status};

fn command(of: u64, id: u128, what: Command) -> CommandRecord {
    CommandRecord { run: run_id(of), id, at: at(id as i64), actor: None, command: what }
}

fn pause(of: u64, id: u128) -> CommandRecord {
    command(of, id, Command::Pause { reason: id.to_string() })
}

fn put(records: &[CommandRecord]) -> Batch {
    Batch::of(records.iter().cloned().map(Op::PutCommand))
}

/// Every verb is read as it was written.
pub async fn every_command_comes_back_with_every_field(site: Arc<dyn Site>) {
    let store = site.open();
    store.commit(insert(run(1))).await.unwrap();
    let verbs = [
        Command::Pause { reason: "lunch".to_owned() },
        Command::Resume { unknown: UnknownNodes::Keep },
        Command::Resume { unknown: UnknownNodes::Retry },
        Command::Resume { unknown: UnknownNodes::Fail },
        Command::Cancel { reason: "no longer needed".to_owned(), hard: true },
        Command::Cancel { reason: String::new(), hard: false },
        Command::RetryNow { nodes: vec![0, u32::MAX] },
        Command::RetryNow { nodes: Vec::new() },
        Command::Extend { deadline: at(i64::MAX) },
    ];
    let records: Vec<_> = (0..)
        .zip(verbs)
        .map(|(n, verb)| CommandRecord {
            actor: (n % 2 == 0).then(|| "les".to_owned()),
            ..command(1, u128::MAX - n, verb)
        })
        .collect();
    store.commit(put(&records)).await.unwrap();
    assert_eq!(store.commands(WhoseCommands::Run(run_id(1))).await.unwrap(), records);
}

/// In the order in which they were put, whatever their ids and times: those of a run, and those of
/// everything that a boot owns.
pub async fn commands_are_read_in_the_order_in_which_they_were_put(site: Arc<dyn Site>) {
    let store = site.open();
    for n in 1..=3 {
        store.commit(insert(run(n))).await.unwrap();
    }
    let records = [pause(2, 9), pause(1, 4), pause(2, 1), pause(3, 7), pause(1, 2)];
    for record in &records {
        store.commit(put(std::slice::from_ref(record))).await.unwrap();
    }
    let of = |wanted: &[u128]| -> Vec<CommandRecord> {
        records.iter().filter(|record| wanted.contains(&record.id)).cloned().collect()
    };
    assert_eq!(store.commands(WhoseCommands::Run(run_id(2))).await.unwrap(), of(&[9, 1]));
    assert_eq!(store.commands(WhoseCommands::Owner(boot_id(1))).await.unwrap(), []);
    assert_eq!(store.claim(Claim::any(boot_id(1), 2)).await.unwrap().len(), 2);
    assert_eq!(store.commands(WhoseCommands::Owner(boot_id(1))).await.unwrap(), of(&[9, 4, 1, 2]));
    assert_eq!(store.commands(WhoseCommands::Owner(boot_id(2))).await.unwrap(), []);
    assert_eq!(store.commands(WhoseCommands::Run(run_id(9))).await.unwrap(), []);
}

/// Twice is once, of whatever run; nobody's is dropped; what was obeyed is gone, and only that.
pub async fn a_command_is_there_until_it_was_obeyed(site: Arc<dyn Site>) {
    let store = site.open();
    store.commit(insert(run(1))).await.unwrap();
    store.commit(insert(run(2))).await.unwrap();
    let records = [pause(1, 1), pause(1, 2), pause(2, 3), pause(2, 4)];
    store.commit(put(&records)).await.unwrap();
    let again = CommandRecord { actor: Some("again".to_owned()), ..pause(1, 1) };
    store.commit(put(&[again, pause(2, 1), pause(9, 8)])).await.unwrap();
    let all = async || {
        let mut found = Vec::new();
        for n in [1, 2, 9] {
            found.extend(store.commands(WhoseCommands::Run(run_id(n))).await.unwrap());
        }
        found
    };
    assert_eq!(all().await, records);
    let drop = |of, id| Batch::of([Op::DropCommand { run: run_id(of), id }]);
    for (of, id) in [(2, 1), (1, 7), (9, 1)] {
        store.commit(drop(of, id)).await.unwrap();
    }
    assert_eq!(all().await, records, "none of them is that run's");
    store.commit(drop(1, 1)).await.unwrap();
    assert_eq!(all().await, records[1..]);
    store.commit(Batch::of([Op::DropCommands(run_id(2)), Op::DropCommands(run_id(9))])).await.unwrap();
    assert_eq!(all().await, records[1..2]);
    // Its id is free again once nobody has it.
    store.commit(put(&[pause(1, 1)])).await.unwrap();
    assert_eq!(all().await, [pause(1, 2), pause(1, 1)]);
}

/// Whoever asks something of a run is told where it has ended, or where there is none.
pub async fn a_run_is_open_until_it_has_ended(site: Arc<dyn Site>) {
    let store = site.open();
    let ask = |n| put(&[pause(n, n.into())]).require(Require::RunOpen(run_id(n)));
    match store.commit(ask(9)).await {
        Err(CommitError::Refused(Refusal::RunMissing(run))) => assert_eq!(run, run_id(9)),
        other => panic!("{other:?}"),
    }
    for (n, status) in (1..).zip(RunStatus::ALL) {
        store.commit(insert(with_status(n, status, None))).await.unwrap();
        match store.commit(ask(n)).await {
            Ok(()) => assert!(!status.is_terminal(), "{status}"),
            Err(CommitError::Refused(refusal)) => {
                assert_eq!(refusal, Refusal::RunOver { run: run_id(n), status });
                assert!(status.is_terminal(), "{status}");
            }
            Err(other) => panic!("{other}"),
        }
        let put = store.commands(WhoseCommands::Run(run_id(n))).await.unwrap();
        assert_eq!(put.is_empty(), status.is_terminal());
    }
    let end = RunState { status: RunStatus::Failed, ..RunState::PENDING };
    store.commit(Batch::of([Op::SetRun { run: run_id(1), state: Box::new(end) }])).await.unwrap();
    assert!(store.commit(ask(1)).await.is_err(), "it has ended meanwhile");
}

/// The latest word on a component counts, by domain and key; saying nothing of it removes it.
pub async fn the_last_word_on_a_component_counts_and_a_default_removes_it(site: Arc<dyn Site>) {
    let store = site.open();
    let word = |domain: Domain, key: &str, paused, draining, note: Option<&str>| ActivityRecord {
        domain,
        key: Key::new(key).unwrap(),
        paused,
        draining,
        note: note.map(str::to_owned),
        at: at(i64::from(u8::from(paused)) * 2 + 1),
    };
    let said = [
        word(Domain::ADAPTER, "queue", true, false, Some("maintenance")),
        word(Domain::TASK, "queue", false, true, None),
        word(Domain::TASK, "resize", false, false, Some("only a note")),
        word(Domain::WORKFLOW, "nightly", true, true, None),
    ];
    assert_eq!(store.activities().await.unwrap(), []);
    let set = |record: &ActivityRecord| Batch::of([Op::SetActivity(record.clone())]);
    for record in said.iter().rev() {
        store.commit(set(record)).await.unwrap();
    }
    assert_eq!(store.activities().await.unwrap(), said);

    let other = word(Domain::TASK, "queue", true, false, Some("other"));
    store.commit(set(&other)).await.unwrap();
    assert_eq!(store.activities().await.unwrap()[1], other);
    for record in &said {
        let nothing = ActivityRecord::accepting(record.domain.clone(), record.key.clone(), at(9));
        store.commit(set(&nothing)).await.unwrap();
        // And once more, where there is nothing to remove.
        store.commit(set(&nothing)).await.unwrap();
        let left = store.activities().await.unwrap();
        assert!(left.iter().all(|left| (&left.domain, &left.key) != (&record.domain, &record.key)));
    }
    assert_eq!(store.activities().await.unwrap(), []);
}
