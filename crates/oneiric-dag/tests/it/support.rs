//! What the tests of this crate share: a world of memory, virtual time and seeded chance.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt as _;
use oneiric_core::gate::Pipeline;
use oneiric_core::rng::SeededRng;
use oneiric_core::roles::Task;
use oneiric_core::{BootId, Fault, Key, Payload, RunId, Timestamp};
use oneiric_dag::custody::Programs;
use oneiric_dag::{
    Bound, Draft, Executor, Launch, Limits, NoLog, Parts, Plan, Policy, Program, RunError, RunHandle,
};
use oneiric_store::{Batch, Blob, BootRecord, Lease, MemoryStore, Op, RunRecord, Store};
use oneiric_testkit::ManualClock;

pub fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

/// Everything that outlives a process, and the clock.
pub struct World {
    pub store: MemoryStore,
    pub clock: ManualClock,
    pub boots: AtomicU64,
}

impl World {
    pub fn new() -> Self {
        Self { store: MemoryStore::new(), clock: ManualClock::new(), boots: AtomicU64::new(0) }
    }

    /// A new process on a store that stands in front of the world's.
    pub fn process(&self, store: Arc<dyn Store>, max_parallel: u32) -> Executor {
        let number = self.boots.fetch_add(1, Ordering::SeqCst) + 1;
        let record = BootRecord::new(boot(number), "here", 1, Timestamp::default());
        // Memory answers at once.
        let entered = self.store.commit(Batch::of([Op::SetBoot(record)])).now_or_never();
        assert!(matches!(entered, Some(Ok(()))), "{entered:?}");
        Executor::new(Parts {
            store,
            clock: Arc::new(self.clock.clone()),
            rng: Arc::new(SeededRng::new(number)),
            gate: Arc::new(Pipeline::standard()),
            log: Arc::new(NoLog),
            observer: None,
            lease: Lease::alone(boot(number), Arc::new(self.clock.clone())),
            max_parallel,
        })
    }

    pub fn plain(&self) -> Executor {
        self.process(Arc::new(self.store.clone()), 1024)
    }

    /// The boot of the latest process is declared dead.
    pub fn bury(&self) {
        self.store.bury(boot(self.boots.load(Ordering::SeqCst)));
    }
}

pub fn boot(number: u64) -> BootId {
    BootId::from_bytes(u128::from(number).to_be_bytes())
}

pub const RUN: RunId = RunId::from_bytes([7; 16]);

pub fn program(draft: Draft, task: Arc<dyn Task>, policy: Policy, limits: Limits) -> Program {
    let graph = Arc::new(draft.build().unwrap());
    let policies = vec![policy; graph.tasks().len()];
    let plan = Plan::new(key("wf"), graph, policies, None, limits);
    Program::bind::<()>(Arc::new(plan), |key| Ok(Bound::linked(key, Arc::clone(&task)))).unwrap()
}

pub fn record(input: serde_json::Value) -> RunRecord {
    let bundle = Blob::new(b"test".to_vec());
    RunRecord::new(RUN, key("wf"), bundle.digest, Payload::from(input), Timestamp::default())
}

pub async fn launch(
    executor: &Executor,
    program: Program,
    input: serde_json::Value,
) -> Result<RunHandle, RunError> {
    let bundle = Blob::new(b"test".to_vec());
    executor
        .launch(Launch {
            program,
            record: record(input),
            with: Batch::of([Op::Blob(bundle)]),
            carried: Vec::new(),
        })
        .await
}

/// Every stored run has this program.
#[derive(Debug)]
pub struct Always(pub Program);

impl Programs for Always {
    fn program<'a>(
        &'a self,
        _: &'a RunRecord,
    ) -> Pin<Box<dyn Future<Output = Result<Program, Fault>> + Send + 'a>> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}
