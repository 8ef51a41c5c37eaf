//! A random history against the store in memory, which is the model of all others.

use std::sync::Arc;

use oneiric_core::rng::SeededRng;
use oneiric_core::{BootId, Digest, Domain, Fault, Key, Rng};
use oneiric_store::liveness::Kind;
use oneiric_store::{
    ActivityRecord, Batch, Blob, BootRecord, BootSeen, Claim, Command, CommandRecord, CommitError,
    IntegrityReport, MemoryStore, NodeRecord, NodeStatus, Op, Require, RunFilter, RunRecord, RunState,
    RunStatus, Silent, Store, WhoseCommands,
};
use serde_json::json;

use super::Site;
use super::sample::{append, at, boot, boot_id, bundle, checkpoint, extension, node, run, run_id};

const SEEDS: u64 = 4;
const BATCHES: u64 = 350;
const RUNS: u64 = 6;

/// The same batches get the same answers and leave the same rows, and the check finds nothing.
pub async fn a_random_history_reads_as_in_the_model(site: Arc<dyn Site>) {
    let store = site.open();
    let model = MemoryStore::new();
    let setup = Batch::of([Op::Blob(bundle())]);
    store.commit(setup.clone()).await.unwrap();
    model.commit(setup).await.unwrap();
    for seed in 0..SEEDS {
        let rng = SeededRng::new(seed);
        for step in 0..BATCHES {
            let place = format!("seed {seed}, step {step}");
            if pick(&rng, 20) == 0 {
                let claim = random_claim(&rng);
                let (taken, expected) = (store.claim(claim.clone()).await, model.claim(claim.clone()).await);
                let text = |answer: Result<_, CommitError>| answer.map_err(|refusal| refusal.to_string());
                assert_eq!(text(taken), text(expected), "{place}: {claim:?}");
                continue;
            }
            let batch = random_batch(&rng, &model).await;
            let (answer, expected) = (store.commit(batch.clone()).await, model.commit(batch.clone()).await);
            assert_eq!(text(&answer), text(&expected), "{place}: {batch:?}");
        }
        same(&*store, &model, seed).await;
    }
    let report = store.check().await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    let rows = |report: IntegrityReport| report.checked.into_iter().filter(|(family, _)| family != "blobs");
    // A store may keep large values among its blobs.
    assert!(rows(report).eq(rows(model.check().await.unwrap())));
}

fn text(answer: &Result<(), CommitError>) -> String {
    answer.as_ref().map_or_else(ToString::to_string, |()| "done".to_owned())
}

fn pick(rng: &SeededRng, n: u64) -> u64 {
    rng.next_u64() % n
}

fn random_boot(rng: &SeededRng) -> BootId {
    boot_id(pick(rng, 3) as u8)
}

fn random_claim(rng: &SeededRng) -> Claim {
    let silent = (pick(rng, 2) == 0).then(|| Silent { boot: random_boot(rng), beat: pick(rng, 3) });
    Claim {
        boot: random_boot(rng),
        dead: (pick(rng, 4) == 0).then(|| random_boot(rng)).into_iter().collect(),
        silent: silent.into_iter().collect(),
        run: (pick(rng, 2) == 0).then(|| run_id(pick(rng, RUNS))),
        limit: pick(rng, 3) as usize,
    }
}

async fn random_batch(rng: &SeededRng, model: &MemoryStore) -> Batch {
    let mut batch = Batch::default();
    if pick(rng, 3) == 0 {
        batch = batch.require(random_require(rng));
    }
    for _ in 0..=pick(rng, 4) {
        let n = pick(rng, RUNS);
        batch.ops.extend(random_ops(rng, n, model.last_seq(run_id(n)).await.unwrap()));
    }
    batch
}

fn random_require(rng: &SeededRng) -> Require {
    let run = run_id(pick(rng, RUNS));
    match pick(rng, 6) {
        0 => Require::RunAbsent(run),
        1 => Require::RunEpoch { run, epoch: pick(rng, 4) },
        2 => Require::RunOpen(run),
        3 => Require::BootOpen(random_boot(rng)),
        4 => Require::BlobPresent(Digest::of(&[pick(rng, 4) as u8])),
        _ => Require::ExtensionVersion {
            family: "contract".to_owned(),
            key: pick(rng, 2).to_string(),
            version: (pick(rng, 2) == 0).then(|| pick(rng, 5)),
        },
    }
}

/// Changes of which a sound engine would make each one, in an order that it would not.
fn random_ops(rng: &SeededRng, n: u64, last: u64) -> Vec<Op> {
    let place = pick(rng, 5) as u32;
    match pick(rng, 15) {
        0 => vec![Op::InsertRun(Box::new(RunRecord { priority: place as i32, ..run(n) }))],
        1 => {
            let owner = (pick(rng, 2) == 0).then(|| random_boot(rng));
            let status = RunStatus::ALL[pick(rng, 6) as usize];
            let fault = (pick(rng, 2) == 0).then(|| Fault::transient("told", "for the record"));
            let deaths = pick(rng, 3) as u32;
            let wake_at = Some(at(i64::from(place)));
            let state = RunState { status, owner, wake_at, deaths, fault, ..RunState::PENDING };
            vec![Op::SetRun { run: run_id(n), state: Box::new(state) }]
        }
        2 => {
            // Completed ones come with their checkpoint, below.
            let status = NodeStatus::ALL[pick(rng, 10) as usize];
            let status = if status == NodeStatus::Completed { NodeStatus::Running } else { status };
            let wake_at = (pick(rng, 2) == 0).then(|| at(7));
            vec![Op::SetNode(NodeRecord { wake_at, ..node(n, place, status) })]
        }
        3 => {
            let length = if pick(rng, 4) == 0 { 20_000 } else { pick(rng, 40) as usize };
            let output = json!({ "text": "z".repeat(length), "n": pick(rng, 3) });
            let kept = checkpoint(n, place, &pick(rng, 2).to_string(), output.into());
            let row =
                NodeRecord { input_hash: Some(kept.input_hash), ..node(n, place, NodeStatus::Completed) };
            vec![Op::SetNode(row), Op::PutCheckpoint(kept)]
        }
        // Now and then one that was written already, or not yet.
        4 | 5 => vec![append(n, if pick(rng, 6) == 0 { pick(rng, 9) + 1 } else { last + 1 })],
        6 => vec![if pick(rng, 2) == 0 { Op::Disown(random_boot(rng)) } else { Op::Release(run_id(n)) }],
        7 | 8 => {
            let number = pick(rng, 3) as u8;
            let ended_at = (pick(rng, 4) == 0).then(|| at(8));
            vec![Op::SetBoot(BootRecord { ended_at, serves: pick(rng, 2) == 0, ..boot(number) })]
        }
        9 => vec![Op::Beat { boot: random_boot(rng), at: at(i64::from(place)) }],
        10 => {
            let (id, reason) = (u128::from(pick(rng, 8)), place.to_string());
            let command = Command::Pause { reason };
            let record = CommandRecord { run: run_id(n), id, at: at(2), actor: None, command };
            vec![Op::PutCommand(record)]
        }
        11 if pick(rng, 4) == 0 => vec![Op::DropCommands(run_id(n))],
        11 => vec![Op::DropCommand { run: run_id(n), id: u128::from(pick(rng, 8)) }],
        12 => {
            let key = Key::new(format!("key-{place}")).unwrap();
            let record = ActivityRecord::accepting(Domain::TASK, key, at(1));
            vec![Op::SetActivity(ActivityRecord { paused: pick(rng, 2) == 0, ..record })]
        }
        13 => vec![Op::Blob(Blob::new(vec![pick(rng, 4) as u8]))],
        _ => {
            let value = pick(rng, 3).to_string();
            let value = (pick(rng, 3) != 0).then_some(value.as_bytes());
            vec![Op::Extension(extension(&pick(rng, 2).to_string(), value))]
        }
    }
}

async fn same(store: &dyn Store, model: &MemoryStore, seed: u64) {
    let all = RunFilter::newest(100);
    assert_eq!(store.runs(all.clone()).await.unwrap(), model.runs(all).await.unwrap(), "seed {seed}");
    for run in (0..RUNS).map(run_id) {
        assert_eq!(store.nodes(run).await.unwrap(), model.nodes(run).await.unwrap(), "seed {seed}");
        let journal = store.journal(run, 0, 10_000).await.unwrap();
        assert_eq!(journal, model.journal(run, 0, 10_000).await.unwrap(), "seed {seed}");
        let (mut found, mut expected) =
            (store.checkpoints(run).await.unwrap(), model.checkpoints(run).await.unwrap());
        // By place; between the inputs of one node there is no order.
        found.sort_by_key(|kept| (kept.node, kept.input_hash));
        expected.sort_by_key(|kept| (kept.node, kept.input_hash));
        assert_eq!(found, expected, "seed {seed}");
    }
    // Whether a boot is dead is not in its row: these were never alive.
    let alive = |seen: BootSeen| BootSeen { dead: false, ..seen };
    let boots = store.boots().await.unwrap().into_iter().map(alive);
    assert!(boots.eq(model.boots().await.unwrap()), "seed {seed}");
    let mut stuck = store.violations().await.unwrap();
    stuck.retain(|violation| violation.kind != Kind::OwnerDead);
    assert_eq!(stuck, model.violations().await.unwrap(), "seed {seed}");
    let whose = (0..RUNS).map(|n| WhoseCommands::Run(run_id(n)));
    for whose in whose.chain((0..3).map(|n| WhoseCommands::Owner(boot_id(n)))) {
        let expected = model.commands(whose).await.unwrap();
        assert_eq!(store.commands(whose).await.unwrap(), expected, "seed {seed}, {whose:?}");
    }
    assert_eq!(store.activities().await.unwrap(), model.activities().await.unwrap(), "seed {seed}");
    let family = store.extensions("contract").await.unwrap();
    assert_eq!(family, model.extensions("contract").await.unwrap(), "seed {seed}");
    for key in ["0", "1"] {
        let found = store.extension("contract", key).await.unwrap();
        assert_eq!(found, model.extension("contract", key).await.unwrap(), "seed {seed}");
    }
    for byte in 0..4 {
        let digest = Digest::of(&[byte]);
        assert_eq!(store.blob(digest).await.unwrap(), model.blob(digest).await.unwrap(), "seed {seed}");
    }
}
