//! What do leases and fences cost a durable run?
//!
//! Both arms are the engine on the same file system, synchronous FULL, in turn. The limit has neither: its
//! lease never runs out and beats for nobody, and preconditions are taken out of every batch on its way.
//! Ours beats from its own thread, a hundred times as often as it would by default, and checks fence and
//! boot in every batch.
//!
//! `cargo bench -p oneiric-runtime --bench lease`; the figures are kept in `docs/benchmarks.md`.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use oneiric_core::gate::Pipeline;
use oneiric_core::{BootId, Clock, Key, Payload, RunId, Timestamp};
use oneiric_dag::{
    Bound, Draft, DraftNode, Ended, Executor, Launch, Limits, NoLog, Parts, Plan, Policy, Program,
};
use oneiric_runtime::{SystemClock, SystemRng};
use oneiric_store::sqlite::Options;
use oneiric_store::{Batch, Blob, BootRecord, Lease, Op, RunRecord, RunStatus, SqliteStore, Store};
use oneiric_testkit::bench::{compare, timed};
use oneiric_testkit::{FnTask, Through};
use tokio::runtime::Runtime;

const BOOT: BootId = BootId::from_bytes([1; 16]);

fn key(text: &str) -> Key {
    Key::new(text).expect("a literal is well formed")
}

fn program(count: usize, upstream: impl Fn(usize) -> Vec<usize>) -> Program {
    let id = |node: usize| format!("n{node}").parse().expect("letters and digits");
    let nodes = (0..count).map(|node| DraftNode {
        depends_on: upstream(node).into_iter().map(id).collect(),
        ..DraftNode::new(id(node), key("noop"))
    });
    let draft = Draft { nodes: nodes.collect(), ..Draft::default() };
    let graph = Arc::new(draft.build().expect("it has no cycle"));
    let policies = vec![Policy::default(); graph.tasks().len()];
    let plan = Plan::new(key("wf"), graph, policies, None, Limits::default());
    let task = FnTask::new(|_| Ok(Payload::NULL));
    Program::bind::<()>(Arc::new(plan), |key| Ok(Bound::linked(key, task.clone()))).expect("it binds all")
}

/// Neither lease nor fence, or both.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Arm {
    Without,
    With,
}

fn run(runtime: &Runtime, arm: Arm, folder: &Path, program: &Program) -> Duration {
    let file = SqliteStore::open(folder.join("oneiric.sqlite"), Options::default()).expect("a fresh folder");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let boot = BootRecord { lease_ms: 100, ..BootRecord::new(BOOT, "here", 1, clock.now()) };
    runtime.block_on(file.enter(boot.clone())).expect("nobody else is there");
    let file: Arc<dyn Store> = Arc::new(file);
    let (store, lease): (Arc<dyn Store>, _) = match arm {
        Arm::With => {
            let lease = Lease::new(boot, Arc::clone(&clock));
            lease.start(Arc::clone(&file)).expect("a thread");
            (file, lease)
        }
        Arm::Without => {
            let free = |batch: Batch| Batch { require: Vec::new(), ..batch };
            (Arc::new(Through::new(file, free)), Lease::alone(BOOT, Arc::clone(&clock)))
        }
    };
    let executor = Executor::new(Parts {
        store: Arc::clone(&store),
        clock,
        rng: Arc::new(SystemRng),
        gate: Arc::new(Pipeline::standard()),
        log: Arc::new(NoLog),
        observer: None,
        lease,
        max_parallel: 100_000,
    });
    let bundle = Blob::new(b"bench".to_vec());
    let record = RunRecord::new(
        RunId::from_bytes([1; 16]),
        key("wf"),
        bundle.digest,
        Payload::NULL,
        Timestamp::default(),
    );
    let launch =
        Launch { program: program.clone(), record, with: Batch::of([Op::Blob(bundle)]), carried: Vec::new() };
    timed(|| {
        runtime.block_on(async {
            let ended = executor.launch(launch).await.expect("a fresh store").ended().await;
            assert!(matches!(ended, Ended::Reached(RunStatus::Completed)), "{ended:?}");
        });
    })
    .0
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("two threads");
    println!("leases and fences; limit: the same runs without them");
    let chain = program(400, |n| if n == 0 { vec![] } else { vec![n - 1] });
    let fan = program(2_001, |n| if n == 0 { vec![] } else { vec![0] });
    for (name, units, program) in [("chain of 400", 400, chain), ("fan-out of 2,000", 2_001, fan)] {
        let arm = |arm| {
            // Beside the code rather than in /tmp, which may be memory: the disk is what is measured.
            let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("the folder can be written");
            run(&runtime, arm, folder.path(), &program)
        };
        compare(name, units, || arm(Arm::Without), || arm(Arm::With)).print();
    }
}
