//! A process that lives and has lost something: a batch, an answer, its lease, its clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use oneiric_core::gate::Pipeline;
use oneiric_core::retry::RetryPolicy;
use oneiric_core::rng::SeededRng;
use oneiric_core::roles::Task;
use oneiric_core::{Clock, Digest, Fault, NodeId};
use oneiric_dag::custody::Custodian;
use oneiric_dag::{Ended, Executor, Limits, NoLog, Parts, Policy, Program};
use oneiric_store::{
    Batch, BootRecord, Claim, Event, Lease, MemoryStore, Op, Require, RunStatus, Silent, Store,
};
use oneiric_testkit::{FnTask, ManualClock, Through, graphs, virtual_time};
use serde_json::json;

use crate::support::{Always, RUN, boot, key, launch, program, record};

const LEASE: Duration = Duration::from_secs(2);
const SECOND: Duration = Duration::from_secs(1);

/// One process on a store that may refuse it something, and the nodes that it called.
struct Alone {
    store: MemoryStore,
    clock: ManualClock,
    calls: Arc<Mutex<Vec<NodeId>>>,
}

impl Alone {
    fn new() -> Self {
        Self { store: MemoryStore::new(), clock: ManualClock::new(), calls: Arc::default() }
    }

    async fn process(&self, number: u64, change: impl FnMut(Batch) -> Batch + Send + 'static) -> Executor {
        let record = BootRecord {
            lease_ms: LEASE.as_millis() as u64,
            serves: true,
            ..BootRecord::new(boot(number), "here", 1, self.clock.now())
        };
        self.store.enter(record.clone()).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        Executor::new(Parts {
            store: Arc::new(Through::new(Arc::new(self.store.clone()), change)),
            clock: Arc::clone(&clock),
            rng: Arc::new(SeededRng::new(number)),
            gate: Arc::new(Pipeline::standard()),
            log: Arc::new(NoLog),
            observer: None,
            lease: Lease::new(record, clock),
            max_parallel: 16,
        })
    }

    /// Three nodes in a row; the first call of all fails where there is a policy to try again.
    fn program(&self, retry: Option<RetryPolicy>) -> Program {
        let calls = Arc::clone(&self.calls);
        let task: Arc<dyn Task> = FnTask::new(move |cx| {
            calls.lock().unwrap().push(cx.node.clone());
            if retry.is_some() && cx.attempt == 1 {
                return Err(Fault::transient("flaky", "not yet"));
            }
            Ok(json!(1).into())
        });
        let draft = graphs::draft(&vec![vec![], vec![0], vec![1]], &key("work"));
        program(draft, task, Policy { retry, ..Policy::default() }, Limits::default())
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().iter().map(ToString::to_string).collect()
    }

    /// Beats and looks, as a serving process does, until the run has ended or a minute has passed.
    async fn serve(&self, executor: &Executor, program: &Program) -> Option<RunStatus> {
        let mut custodian = Custodian::new(executor.clone(), Arc::new(Always(program.clone())));
        for _ in 0..120 {
            let round = custodian.round().await.unwrap();
            let status = self.store.run(RUN).await.unwrap().map(|run| run.state.status);
            if status.is_some_and(RunStatus::is_terminal) {
                return status;
            }
            executor.parts().lease.beat(&*executor.parts().store).await.unwrap();
            self.clock.sleep(round.next.min(LEASE / 4)).await;
        }
        None
    }
}

/// Refuses the first batch that is `wanted`, as a disk does that has no space for a moment.
fn refusing(wanted: impl Fn(&Op) -> bool + Send + 'static) -> impl FnMut(Batch) -> Batch + Send + 'static {
    let mut refused = false;
    move |batch| {
        if refused || !batch.ops.iter().any(&wanted) {
            return batch;
        }
        refused = true;
        batch.require(Require::BlobPresent(Digest::of(b"no space")))
    }
}

fn is_event(op: &Op, is: impl Fn(&Event) -> bool) -> bool {
    matches!(op, Op::Append(entry) if is(&entry.event))
}

#[test]
fn a_run_whose_batch_was_refused_goes_on_in_the_same_process() {
    let alone = Alone::new();
    virtual_time(&alone.clock, async {
        let refuses = refusing(|op| is_event(op, |event| matches!(event, Event::Succeeded { node: 1, .. })));
        let executor = alone.process(1, refuses).await;
        let program = alone.program(None);
        let run = launch(&executor, program.clone(), json!(null)).await.unwrap();
        assert!(matches!(run.ended().await, Ended::Lost(_)));
        assert_eq!(alone.serve(&executor, &program).await, Some(RunStatus::Completed));
        assert_eq!(alone.store.violations().await.unwrap(), []);
    });
    // What nobody recorded is done again, under its key; what was recorded is not.
    assert_eq!(alone.calls(), ["n0", "n1", "n1", "n2"]);
}

#[test]
fn a_claim_whose_answer_was_lost_is_found_again() {
    for paused in [false, true] {
        let alone = Alone::new();
        virtual_time(&alone.clock, async {
            let executor = alone.process(1, |batch| batch).await;
            let program = alone.program(None);
            let bundle = oneiric_store::Blob::new(b"test".to_vec());
            let mut posted = record(json!(null));
            if paused {
                posted.state.status = RunStatus::Paused;
                posted.state.fault = Some(Fault::denied("paused", "a person"));
            }
            let ops = [Op::Blob(bundle), Op::InsertRun(Box::new(posted))];
            alone.store.commit(Batch::of(ops)).await.unwrap();
            let claim = Claim { run: Some(RUN), ..Claim::any(boot(1), 1) };
            assert_eq!(alone.store.claim(claim).await.unwrap().len(), 1);
            // Nobody heard of it.
            let expected = (!paused).then_some(RunStatus::Completed);
            assert_eq!(alone.serve(&executor, &program).await, expected);
            assert_eq!(alone.store.violations().await.unwrap(), []);
        });
    }
}

#[test]
fn a_cancel_that_did_not_become_durable_is_not_acknowledged() {
    let alone = Alone::new();
    virtual_time(&alone.clock, async {
        let refuses = refusing(|op| is_event(op, |event| matches!(event, Event::CancelRequested { .. })));
        let executor = alone.process(1, refuses).await;
        let run = launch(&executor, alone.program(None), json!(null)).await.unwrap();
        assert!(run.cancel("enough").await.is_err());
        // From here on it is not this process's any more.
        assert!(run.cancel("enough").await.is_err());
    });
}

#[test]
fn a_second_cancel_is_not_acknowledged_where_the_first_is_refused() {
    let alone = Alone::new();
    virtual_time(&alone.clock, async {
        let refuses = refusing(|op| is_event(op, |event| matches!(event, Event::CancelRequested { .. })));
        let executor = alone.process(1, refuses).await;
        let run = launch(&executor, alone.program(None), json!(null)).await.unwrap();
        let (first, second) = futures_util::join!(run.cancel("enough"), run.cancel("enough"));
        assert!(first.is_err() && second.is_err(), "{first:?} {second:?}");
    });
}

#[test]
fn a_wall_clock_that_is_set_back_delays_no_retry() {
    const YEARS: i64 = 315_576_000_000_000;
    let alone = Alone::new();
    let clock = alone.clock.clone();
    clock.set_wall(6 * YEARS);
    virtual_time(&alone.clock, async {
        // Between the decision to wait and the wait.
        let set_back = move |batch: Batch| {
            if batch.ops.iter().any(|op| is_event(op, |event| matches!(event, Event::Failed { node: 1, .. })))
            {
                clock.set_wall(-YEARS);
            }
            batch
        };
        let executor = alone.process(1, set_back).await;
        let retry = RetryPolicy { attempts: 2, base_delay: 0.25, ..RetryPolicy::ONCE };
        let run = launch(&executor, alone.program(Some(retry)), json!(null)).await.unwrap();
        assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Completed)));
    });
    assert_eq!(alone.clock.monotonic(), 3 * SECOND / 4);
}

#[test]
fn nothing_is_called_once_the_process_goes_down() {
    let alone = Alone::new();
    virtual_time(&alone.clock, async {
        let executor = alone.process(1, |batch| batch).await;
        let run = launch(&executor, alone.program(None), json!(null)).await.unwrap();
        // Its first node is on its way, and has not been polled.
        assert!(executor.shutdown(SECOND).await);
        assert!(matches!(run.ended().await, Ended::Suspended));
    });
    assert_eq!(alone.calls(), Vec::<String>::new());
}

#[test]
fn nothing_is_called_for_a_run_that_was_lost_with_its_lease() {
    let alone = Alone::new();
    virtual_time(&alone.clock, async {
        let executor = alone.process(1, |batch| batch).await;
        let run = launch(&executor, alone.program(None), json!(null)).await.unwrap();
        let beat = alone.store.boot(boot(1)).await.unwrap().unwrap().beat;
        let claim = Claim { silent: vec![Silent { boot: boot(1), beat }], ..Claim::any(boot(2), 1) };
        assert_eq!(alone.store.claim(claim).await.unwrap().len(), 1);
        // Its heart hears of it and gets up again before any task of the process runs.
        executor.parts().lease.beat(&alone.store).await.unwrap();
        assert!(executor.parts().lease.holds());
        assert!(!matches!(run.ended().await, Ended::Reached(_)));
    });
    assert_eq!(alone.calls(), Vec::<String>::new());
}
