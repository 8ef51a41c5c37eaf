//! Who owns a run: leases that run out, owners that come back, nodes that ended too many processes.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oneiric_core::gate::Pipeline;
use oneiric_core::rng::SeededRng;
use oneiric_core::roles::Task;
use oneiric_core::{Clock, Fault, Payload};
use oneiric_dag::custody::{Custodian, Programs};
use oneiric_dag::{Ended, Executor, Limits, NoLog, Parts, Policy, Program};
use oneiric_store::liveness::CANNOT_RESUME;
use oneiric_store::{
    Batch, BootRecord, Claim, Lease, MemoryStore, NodeStatus, Op, Pulse, RunRecord, RunStatus, Store,
    UnknownNodes,
};
use oneiric_testkit::graphs::{self, Shape};
use oneiric_testkit::{FnTask, ManualClock, virtual_time};
use serde_json::json;

use crate::support::{Always, RUN, boot, key, launch, program, record};

const LEASE: Duration = Duration::from_secs(2);
const SECOND: Duration = Duration::from_secs(1);

/// Two processes and what they did: the process, the idempotency key.
struct Pair {
    store: MemoryStore,
    clock: ManualClock,
    calls: Arc<Mutex<Vec<(u64, String)>>>,
}

impl Pair {
    fn new() -> Self {
        Self { store: MemoryStore::new(), clock: ManualClock::new(), calls: Arc::default() }
    }

    /// A process with a lease that only beats when it is told to.
    async fn process(&self, number: u64) -> Executor {
        let record = BootRecord {
            lease_ms: LEASE.as_millis() as u64,
            serves: true,
            ..BootRecord::new(boot(number), "here", 1, self.clock.now())
        };
        self.store.enter(record.clone()).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        Executor::new(Parts {
            store: Arc::new(self.store.clone()),
            clock: Arc::clone(&clock),
            rng: Arc::new(SeededRng::new(number)),
            gate: Arc::new(Pipeline::standard()),
            log: Arc::new(NoLog),
            observer: None,
            lease: Lease::new(record, clock),
            max_parallel: 16,
        })
    }

    /// A program whose calls take `long` and are noted with the process that made them.
    fn program(&self, number: u64, shape: &Shape, long: Duration) -> Program {
        let (calls, clock) = (Arc::clone(&self.calls), self.clock.clone());
        let task: Arc<dyn Task> = Arc::new(Slow { number, long, calls, clock });
        program(graphs::draft(shape, &key("work")), task, Policy::default(), Limits::default())
    }

    async fn sleep(&self, delay: Duration) {
        self.clock.sleep(delay).await;
    }
}

struct Slow {
    number: u64,
    long: Duration,
    calls: Arc<Mutex<Vec<(u64, String)>>>,
    clock: ManualClock,
}

#[async_trait::async_trait]
impl Task for Slow {
    async fn run(&self, cx: oneiric_core::roles::TaskContext<'_>) -> Result<Payload, Fault> {
        self.calls.lock().unwrap().push((self.number, cx.idempotency_key()));
        self.clock.sleep(self.long).await;
        Ok(json!(1).into())
    }
}

/// Looks, as a serving process does, until the run is taken over or `limit` has passed.
async fn watch(pair: &Pair, custodian: &mut Custodian, limit: Duration) -> bool {
    let until = pair.clock.monotonic() + limit;
    while pair.clock.monotonic() < until {
        let round = custodian.round().await.unwrap();
        if !round.taken.is_empty() {
            return true;
        }
        pair.sleep(round.next.min(SECOND)).await;
    }
    false
}

#[test]
fn a_silent_owner_is_taken_over_and_its_late_outcome_is_refused() {
    let pair = Pair::new();
    virtual_time(&pair.clock, async {
        let (first, second) = (pair.process(1).await, pair.process(2).await);
        let shape = vec![vec![]];
        let run = launch(&first, pair.program(1, &shape, 10 * SECOND), json!(null)).await.unwrap();
        let late = Always(pair.program(2, &shape, SECOND));
        let mut custodian = Custodian::new(second.clone(), Arc::new(late));
        assert!(watch(&pair, &mut custodian, 10 * SECOND).await);
        // Seen for the first time at zero; a look every eighth of the lease.
        assert!(pair.clock.monotonic() <= LEASE + LEASE / 8, "{:?}", pair.clock.monotonic());
        let taken = second.find(RUN).unwrap();
        assert!(matches!(taken.ended().await, Ended::Reached(RunStatus::Completed)));
        // The first one answers after ten seconds, and is refused.
        let Ended::Lost(fault) = run.ended().await else { panic!("it was not lost") };
        assert_eq!(fault.code, "fenced");
        let calls = pair.calls.lock().unwrap().clone();
        assert_eq!(calls.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(calls[0].1, calls[1].1, "one effect, one key");
        let row = pair.store.run(RUN).await.unwrap().unwrap();
        assert_eq!((row.state.status, row.state.owner), (RunStatus::Completed, None));
        assert_eq!(pair.store.violations().await.unwrap(), []);
    });
}

#[test]
fn an_owner_that_beats_keeps_its_run() {
    let pair = Pair::new();
    virtual_time(&pair.clock, async {
        let (first, second) = (pair.process(1).await, pair.process(2).await);
        let shape = vec![vec![]];
        let run = launch(&first, pair.program(1, &shape, 30 * SECOND), json!(null)).await.unwrap();
        let mut custodian = Custodian::new(second, Arc::new(Always(pair.program(2, &shape, SECOND))));
        let beating = async {
            loop {
                pair.sleep(first.parts().lease.interval()).await;
                assert_eq!(first.parts().lease.beat(&pair.store).await.unwrap(), Pulse::Held);
            }
        };
        tokio::select! {
            () = beating => {}
            taken = watch(&pair, &mut custodian, 29 * SECOND) => assert!(!taken),
        }
        assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Completed)));
        assert_eq!(pair.calls.lock().unwrap().len(), 1);
    });
}

#[test]
fn who_was_taken_for_dead_drops_what_runs_and_gets_up() {
    let pair = Pair::new();
    virtual_time(&pair.clock, async {
        let (first, second) = (pair.process(1).await, pair.process(2).await);
        let shape = vec![vec![]];
        let run = launch(&first, pair.program(1, &shape, 3600 * SECOND), json!(null)).await.unwrap();
        let mut custodian = Custodian::new(second.clone(), Arc::new(Always(pair.program(2, &shape, SECOND))));
        assert!(watch(&pair, &mut custodian, 10 * SECOND).await);
        assert_eq!(first.parts().lease.beat(&pair.store).await.unwrap(), Pulse::Lost);
        // It does not wait for the hour that its try would take.
        assert!(matches!(run.ended().await, Ended::Lost(_)));
        assert!(pair.clock.monotonic() < 60 * SECOND, "{:?}", pair.clock.monotonic());
        assert_eq!(first.runs_under_way(), 0);
        assert!(matches!(second.find(RUN).unwrap().ended().await, Ended::Reached(RunStatus::Completed)));

        // A new run is owned by the same boot, which is alive again.
        let other = oneiric_core::RunId::from_bytes([9; 16]);
        let record = RunRecord { id: other, ..record(json!(null)) };
        let program = pair.program(1, &shape, SECOND);
        let run = first
            .launch(oneiric_dag::Launch { program, record, with: Batch::default(), carried: Vec::new() })
            .await
            .unwrap();
        assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Completed)));
        assert_eq!(pair.store.violations().await.unwrap(), []);
    });
}

#[test]
fn a_node_does_not_begin_under_a_lease_that_has_run_out() {
    let pair = Pair::new();
    virtual_time(&pair.clock, async {
        let first = pair.process(1).await;
        let program = pair.program(1, &vec![vec![], vec![0]], 5 * SECOND);
        let run = launch(&first, program, json!(null)).await.unwrap();
        pair.sleep(20 * SECOND).await;
        // Nobody watched, so that nobody has taken over; but somebody might have.
        assert_eq!(pair.calls.lock().unwrap().len(), 1);
        assert_eq!(first.parts().lease.beat(&pair.store).await.unwrap(), Pulse::Held);
        let beating = async {
            loop {
                pair.sleep(SECOND / 2).await;
                first.parts().lease.beat(&pair.store).await.unwrap();
            }
        };
        tokio::select! {
            () = beating => {}
            ended = run.ended() => assert!(matches!(ended, Ended::Reached(RunStatus::Completed))),
        }
        assert_eq!(pair.calls.lock().unwrap().len(), 2);
    });
}

/// Takes the run over from its dead owner and dies again once `lives` has passed.
async fn live_and_die(pair: &Pair, number: u64, program: &Program, lives: Duration) -> Option<RunStatus> {
    let executor = pair.process(number).await;
    let claim =
        Claim { dead: pair.store.dead().await.unwrap(), run: Some(RUN), ..Claim::any(boot(number), 1) };
    let record = executor.parts().lease.claim(&pair.store, claim).await.unwrap().pop()?;
    let run = executor.resume(program.clone(), &record, UnknownNodes::Keep).await.unwrap();
    let beating = async {
        loop {
            pair.sleep(SECOND / 2).await;
            executor.parts().lease.beat(&pair.store).await.unwrap();
        }
    };
    let ended = tokio::select! {
        ended = run.ended() => Some(ended),
        () = pair.sleep(lives) => None,
        () = beating => None,
    };
    pair.store.bury(boot(number));
    match ended {
        Some(Ended::Reached(status)) => Some(status),
        _ => None,
    }
}

#[test]
fn a_node_that_takes_its_process_with_it_is_parked_and_comes_back_at_a_word() {
    let pair = Pair::new();
    virtual_time(&pair.clock, async {
        let first = pair.process(1).await;
        let shape = vec![vec![]];
        let (calls, clock) = (Arc::clone(&pair.calls), pair.clock.clone());
        let poison: Arc<dyn Task> = Arc::new(Slow { number: 1, long: 3600 * SECOND, calls, clock });
        let limits = Limits { max_deliveries: 3, ..Limits::default() };
        let poison = program(graphs::draft(&shape, &key("work")), poison, Policy::default(), limits);
        launch(&first, poison.clone(), json!(null)).await.unwrap();
        pair.sleep(SECOND).await;
        pair.store.bury(boot(1));
        assert_eq!(live_and_die(&pair, 2, &poison, SECOND).await, None);
        assert_eq!(live_and_die(&pair, 3, &poison, SECOND).await, None);
        assert_eq!(live_and_die(&pair, 4, &poison, SECOND).await, Some(RunStatus::Paused));
        let nodes = pair.store.nodes(RUN).await.unwrap();
        assert_eq!((nodes[0].status, nodes[0].deaths), (NodeStatus::Parked, 3));
        let fault = nodes[0].fault.as_ref().unwrap();
        assert_eq!(
            (fault.code.as_str(), fault.message.as_str()),
            ("process-died", "its process ended 3 times while it ran")
        );
        assert_eq!(pair.store.violations().await.unwrap(), []);

        let healed = pair.program(5, &shape, SECOND);
        let last = pair.process(5).await;
        let claim = Claim { run: Some(RUN), ..Claim::any(boot(5), 1) };
        let record = last.parts().lease.claim(&pair.store, claim).await.unwrap().remove(0);
        let run = last.resume(healed, &record, UnknownNodes::Retry).await.unwrap();
        assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Completed)));
    });
}

#[test]
fn an_owner_that_leaves_is_no_death() {
    let pair = Pair::new();
    virtual_time(&pair.clock, async {
        let shape = vec![vec![]];
        let program = pair.program(1, &shape, 10 * SECOND);
        for number in 1..=20 {
            let executor = pair.process(number).await;
            if number == 1 {
                launch(&executor, program.clone(), json!(null)).await.unwrap();
            } else {
                let claim = Claim { run: Some(RUN), ..Claim::any(boot(number), 1) };
                let record = pair.store.claim(claim).await.unwrap().remove(0);
                executor.resume(program.clone(), &record, UnknownNodes::Keep).await.unwrap();
            }
            executor.shutdown(Duration::ZERO).await;
            pair.store.leave(boot(number)).await.unwrap();
        }
        let row = pair.store.run(RUN).await.unwrap().unwrap();
        assert_eq!((row.state.status, row.state.owner, row.state.deaths), (RunStatus::Running, None, 0));
        assert_eq!(pair.store.nodes(RUN).await.unwrap()[0].deaths, 0);
    });
}

#[test]
fn a_clock_that_was_set_back_ten_years_delays_no_retry_beyond_what_was_meant() {
    let pair = Pair::new();
    virtual_time(&pair.clock, async {
        let ten_years = 10 * 365 * 24 * 3600;
        pair.clock.set_wall((ten_years + 1000) * 1_000_000);
        let tries: Arc<Mutex<HashMap<String, u32>>> = Arc::default();
        let counting = Arc::clone(&tries);
        let flaky = FnTask::new(move |cx| {
            let mut tries = counting.lock().unwrap();
            let tries = tries.entry(cx.node.to_string()).or_default();
            *tries += 1;
            if *tries == 1 { Err(Fault::transient("busy", "busy")) } else { Ok(json!(1).into()) }
        });
        let retry = oneiric_core::retry::RetryPolicy {
            attempts: 2,
            base_delay: 60.0,
            ..oneiric_core::retry::RetryPolicy::ONCE
        };
        let policy = Policy { retry: Some(retry), ..Policy::default() };
        let flaky = program(graphs::draft(&vec![vec![]], &key("work")), flaky, policy, Limits::default());
        let first = pair.process(1).await;
        launch(&first, flaky.clone(), json!(null)).await.unwrap();
        pair.sleep(SECOND).await;
        assert_eq!(pair.store.nodes(RUN).await.unwrap()[0].status, NodeStatus::Waiting);
        pair.store.bury(boot(1));
        pair.clock.set_wall(-ten_years * 1_000_000);
        let before = pair.clock.monotonic();
        assert_eq!(live_and_die(&pair, 2, &flaky, 3600 * SECOND).await, Some(RunStatus::Completed));
        assert_eq!(pair.clock.monotonic() - before, 60 * SECOND);
        assert_eq!(tries.lock().unwrap()["n0"], 2);
    });
}

#[test]
fn a_pending_run_that_was_submitted_is_taken_up() {
    let pair = Pair::new();
    virtual_time(&pair.clock, async {
        let first = pair.process(1).await;
        let submitted = record(json!(null));
        let blob = oneiric_store::Blob::new(b"test".to_vec());
        pair.store.commit(Batch::of([Op::Blob(blob), Op::InsertRun(Box::new(submitted))])).await.unwrap();
        let program = pair.program(1, &vec![vec![]], SECOND);
        let mut custodian = Custodian::new(first.clone(), Arc::new(Always(program)));
        assert_eq!(custodian.round().await.unwrap().taken, [RUN]);
        assert!(matches!(first.find(RUN).unwrap().ended().await, Ended::Reached(RunStatus::Completed)));
    });
}

#[derive(Debug)]
struct Missing;

impl Programs for Missing {
    fn program<'a>(
        &'a self,
        _: &'a RunRecord,
    ) -> Pin<Box<dyn Future<Output = Result<Program, Fault>> + Send + 'a>> {
        Box::pin(std::future::ready(Err(Fault::permanent(CANNOT_RESUME, "task `work` is unknown"))))
    }
}

#[test]
fn a_run_that_cannot_go_on_waits_for_a_person_as_it_was_left() {
    let pair = Pair::new();
    virtual_time(&pair.clock, async {
        let (first, second) = (pair.process(1).await, pair.process(2).await);
        let shape = vec![vec![]];
        launch(&first, pair.program(1, &shape, 10 * SECOND), json!(null)).await.unwrap();
        pair.store.bury(boot(1));
        let mut custodian = Custodian::new(second.clone(), Arc::new(Missing));
        let round = custodian.round().await.unwrap();
        assert_eq!(round.refused.len(), 1);
        let row = pair.store.run(RUN).await.unwrap().unwrap();
        assert_eq!((row.state.status, row.state.owner), (RunStatus::Paused, None));
        assert_eq!(row.state.fault.unwrap().message, "task `work` is unknown");
        assert_eq!(pair.store.violations().await.unwrap(), []);

        // Its component is there again, and somebody says so. The death of its owner was not forgotten.
        let claim = Claim { run: Some(RUN), ..Claim::any(boot(2), 1) };
        let record = second.parts().lease.claim(&pair.store, claim).await.unwrap().remove(0);
        assert_eq!(record.state.deaths, 1);
        let healed = pair.program(2, &shape, SECOND);
        let run = second.resume(healed, &record, UnknownNodes::Keep).await.unwrap();
        assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Completed)));
    });
}
