//! What does a node cost beside its work?
//!
//! The limit is raw tokio: one task per node, the same dependencies honoured by atomic counters, the
//! last dependency to end spawns the node. Ours is the public path with everything in place: gate,
//! timeout, slots, tracing, journal, checkpoint, the store in memory. No-op nodes, two worker threads.
//!
//! `cargo bench -p oneiric-dag`; the figures are kept in `docs/benchmarks.md`.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use oneiric_core::gate::Pipeline;
use oneiric_core::rng::SeededRng;
use oneiric_core::{BootId, Clock, Key, NodeId, Payload, Rng, RunId, Timestamp};
use oneiric_dag::{
    Bound, Draft, DraftNode, Ended, Executor, Launch, Limits, NoLog, Parts, Plan, Policy, Program,
};
use oneiric_store::{Batch, Blob, BootRecord, Lease, MemoryStore, Op, RunRecord, RunStatus, Store as _};
use oneiric_testkit::FnTask;
use oneiric_testkit::bench::compare;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

/// A graph as lists of dependencies.
type Shape = Vec<Vec<u32>>;

fn chain(count: u32) -> Shape {
    (0..count).map(|n| if n == 0 { vec![] } else { vec![n - 1] }).collect()
}

fn fan(width: u32) -> Shape {
    let mut shape = vec![vec![]];
    shape.extend((0..width).map(|_| vec![0]));
    shape.push((1..=width).collect());
    shape
}

/// Layers of 100; each node waits for one to three of the layer before.
fn layered(count: u32) -> Shape {
    let rng = SeededRng::new(7);
    (0..count)
        .map(|n| {
            let layer = n / 100;
            let mut upstream: Vec<u32> = match layer {
                0 => vec![],
                _ => (0..1 + rng.next_u64() % 3)
                    .map(|_| (layer - 1) * 100 + (rng.next_u64() % 100) as u32)
                    .collect(),
            };
            upstream.sort_unstable();
            upstream.dedup();
            upstream
        })
        .collect()
}

struct Raw {
    successors: Vec<Vec<u32>>,
    remaining: Vec<AtomicU32>,
    left: AtomicU32,
    done: Notify,
}

fn spawn_raw(raw: Arc<Raw>, node: u32) {
    tokio::spawn(async move {
        for successor in &raw.successors[node as usize] {
            if raw.remaining[*successor as usize].fetch_sub(1, Ordering::AcqRel) == 1 {
                spawn_raw(Arc::clone(&raw), *successor);
            }
        }
        if raw.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            raw.done.notify_one();
        }
    });
}

fn raw(runtime: &Runtime, shape: &Shape) -> Duration {
    let mut successors = vec![vec![]; shape.len()];
    for (node, upstream) in shape.iter().enumerate() {
        for u in upstream {
            successors[*u as usize].push(node as u32);
        }
    }
    let raw = Arc::new(Raw {
        successors,
        remaining: shape.iter().map(|u| AtomicU32::new(u.len() as u32)).collect(),
        left: AtomicU32::new(shape.len() as u32),
        done: Notify::new(),
    });
    runtime.block_on(async {
        let begun = RealClock::default();
        for (node, upstream) in shape.iter().enumerate() {
            if upstream.is_empty() {
                spawn_raw(Arc::clone(&raw), node as u32);
            }
        }
        raw.done.notified().await;
        begun.monotonic()
    })
}

fn program(shape: &Shape) -> Program {
    let task = Key::new("noop").expect("a literal");
    let id = |n: u32| NodeId::new(format!("n{n}")).expect("well formed");
    let nodes = shape.iter().enumerate().map(|(n, upstream)| {
        DraftNode::new(id(n as u32), task.clone()).after(upstream.iter().map(|u| id(*u)))
    });
    let graph = Draft { nodes: nodes.collect(), ..Draft::default() }.build().expect("a valid shape");
    let policy = Policy { timeout: Some(Duration::from_secs(60)), ..Policy::default() };
    let plan = Plan::new(
        Key::new("bench").expect("a literal"),
        Arc::new(graph),
        vec![policy],
        None,
        Limits::default(),
    );
    let noop = FnTask::new(|_| Ok(Payload::NULL));
    Program::bind::<()>(Arc::new(plan), |key| Ok(Bound::linked(key, Arc::clone(&noop)))).expect("one task")
}

#[derive(Debug)]
struct RealClock(std::time::Instant);

impl Default for RealClock {
    #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
    fn default() -> Self {
        Self(std::time::Instant::now())
    }
}

impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(since.as_micros() as i64)
    }
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
    #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
    fn sleep(&self, delay: Duration) -> oneiric_core::clock::Sleep {
        Box::pin(tokio::time::sleep(delay))
    }
}

fn ours(runtime: &Runtime, program: &Program) -> Duration {
    let bundle = Blob::new(b"bench".to_vec());
    let record = RunRecord::new(
        RunId::from_bytes([1; 16]),
        program.plan().workflow().clone(),
        bundle.digest,
        Payload::NULL,
        Timestamp::default(),
    );
    let (store, clock) = (Arc::new(MemoryStore::new()), Arc::new(RealClock::default()));
    let boot = BootId::from_bytes([1; 16]);
    let enter = store.enter(BootRecord::new(boot, "here", 1, Timestamp::default()));
    runtime.block_on(enter).expect("memory takes everybody");
    let executor = Executor::new(Parts {
        store,
        clock: Arc::clone(&clock) as _,
        rng: Arc::new(SeededRng::new(1)),
        gate: Arc::new(Pipeline::standard()),
        log: Arc::new(NoLog),
        observer: None,
        lease: Lease::alone(boot, clock),
        max_parallel: 1_000_000,
    });
    runtime.block_on(async {
        let begun = RealClock::default();
        let launch = Launch {
            program: program.clone(),
            record,
            with: Batch::of([Op::Blob(bundle)]),
            carried: Vec::new(),
        };
        let run = executor.launch(launch).await.expect("a fresh store");
        let ended = run.ended().await;
        let took = begun.monotonic();
        assert!(matches!(ended, Ended::Reached(RunStatus::Completed)), "{ended:?}");
        took
    })
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("two threads");
    println!("overhead per node, in memory; limit: raw tokio tasks with atomic counters");
    for (name, shape) in [
        ("chain of 1,000", chain(1_000)),
        ("fan-out and fan-in of 1,000", fan(1_000)),
        ("layered random graph of 10,000", layered(10_000)),
        ("layered random graph of 100,000", layered(100_000)),
        ("layered random graph of 1,000,000", layered(1_000_000)),
    ] {
        let program = program(&shape);
        compare(name, shape.len() as u32, || raw(&runtime, &shape), || ours(&runtime, &program)).print();
    }
}
