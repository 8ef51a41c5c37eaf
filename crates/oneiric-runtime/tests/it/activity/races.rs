//! Dispatch against pause, drain, resume, swap, an orderly end and a sudden one: trials made of seeds.
//!
//! Whatever was done before, a drain that has landed means that nothing is under way and that nothing begins
//! until work is taken again; and no run is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use oneiric_core::rng::SeededRng;
use oneiric_core::{Domain, Rng as _, RunId};
use oneiric_runtime::activity::{Change, Drained, Wish};
use oneiric_runtime::{NodeStatus, Oneiric, RunRequest};
use oneiric_store::sqlite::{Options, Synchronous};
use oneiric_store::{RunStatus, SqliteStore, Store};

use super::process::{Place, Process, Work, nap, within};
use super::{LONG, until};
use crate::support::key;

/// What somebody does, some hundred microseconds after the trial began.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Launch,
    Submit,
    PauseWorkflow,
    Pause,
    Drain,
    Undrain,
    Accept,
    Swap(&'static str),
}

/// How a process ends in the middle of a trial.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Lives,
    Ends,
    Dies,
}

/// A trial: who does what when, and what becomes of the last process.
#[derive(Debug)]
struct Plan {
    seed: u64,
    deeds: Vec<(usize, Duration, Deed)>,
    fate: Fate,
    fate_after: Duration,
}

impl Plan {
    fn of(seed: u64, processes: usize) -> Self {
        let rng = SeededRng::new(seed);
        let below = |bound: u64| rng.next_u64() % bound;
        let some = 4 + below(8);
        let deeds = (0..some).map(|n| {
            let deed = match below(12) {
                // There is always something to do.
                _ if n == 0 => Deed::Launch,
                0..5 => Deed::Launch,
                5 => Deed::Pause,
                6 => Deed::Drain,
                7 => Deed::Undrain,
                8 => Deed::Accept,
                9 => Deed::Submit,
                10 => Deed::PauseWorkflow,
                _ => Deed::Swap(if below(2) == 0 { "old" } else { "new" }),
            };
            (below(processes as u64) as usize, Duration::from_micros(below(4000)), deed)
        });
        let deeds = deeds.collect();
        let fate = match below(8) {
            0 | 1 => Fate::Ends,
            2 => Fate::Dies,
            _ => Fate::Lives,
        };
        Self { seed, deeds, fate, fate_after: Duration::from_micros(below(6000)) }
    }
}

/// Does it; the run, where it is one.
async fn done(oneiric: Oneiric, after: Duration, deed: Deed, run: RunId) -> Option<RunId> {
    nap(after).await;
    let operator = oneiric.operator();
    let change = async |wish| {
        // The process may be going down: then nothing was said.
        operator.change(&Domain::TASK, &key("work"), &Change::of(wish)).await.ok();
    };
    match deed {
        Deed::Launch => {
            let request = RunRequest { id: Some(run), ..RunRequest::new(key("many")) };
            return oneiric.run(request).await.ok().map(|run| run.id());
        }
        Deed::Submit => {
            let request = RunRequest { id: Some(run), ..RunRequest::new(key("many")) };
            return oneiric.submit(request).await.ok();
        }
        Deed::PauseWorkflow => {
            oneiric.pause_component("workflow", "many", None).await.ok();
        }
        Deed::Pause => change(Wish::Pause).await,
        Deed::Undrain => change(Wish::Undrain).await,
        Deed::Accept => change(Wish::Accept).await,
        Deed::Drain => {
            // Short, since others may hold it up for as long as they like.
            oneiric.drain_component("task", "work", None, Duration::from_millis(5)).await.ok();
        }
        Deed::Swap(to) => {
            // Refused where it is paused; given up where it would wait for too long.
            within(Duration::from_millis(20), oneiric.swap_to("task", "work", to)).await;
        }
    }
    None
}

/// A trial over some processes; `start` starts another one.
fn trial(plan: &Plan, processes: &mut Vec<Process>, work: &Arc<Work>, start: &dyn Fn() -> Process) {
    let id = |n: usize| RunId::from_bytes((u128::from(plan.seed) << 32 | n as u128).to_be_bytes());
    let deeds: Vec<_> = plan
        .deeds
        .iter()
        .enumerate()
        .map(|(n, (who, after, deed))| {
            let (after, deed, run) = (*after, *deed, id(n));
            processes[*who].begin(move |oneiric| done(oneiric, after, deed, run))
        })
        .collect();
    match plan.fate {
        Fate::Lives => {}
        Fate::Ends | Fate::Dies => {
            let last = processes.pop().unwrap();
            last.on(async |_| nap(plan.fate_after).await);
            match plan.fate {
                Fate::Ends => assert!(last.ends(), "{plan:?}: it did not end in time"),
                Fate::Dies | Fate::Lives => last.dies(),
            }
            processes.push(start());
        }
    }
    let here = &processes[0];
    let runs: BTreeSet<RunId> = here.on(async |oneiric| {
        let mut runs = BTreeSet::new();
        for deed in deeds {
            // What a dead process was about to do is an error.
            runs.extend(deed.await.ok().flatten());
        }
        // Those of which nobody heard that they were durable count as well.
        for n in 0..plan.deeds.len() {
            runs.extend(oneiric.store().run(id(n)).await.unwrap().map(|run| run.id));
        }
        runs
    });
    here.on(async |oneiric| oneiric.resume_component("workflow", "many").await.unwrap());
    let before = processes.iter().map(|process| {
        process.begin(|oneiric| async move {
            let request = RunRequest { id: None, ..RunRequest::new(key("many")) };
            oneiric.run(request).await.unwrap().id()
        })
    });
    let before: Vec<_> = before.collect();
    // While that begins:
    here.on(async |oneiric| {
        let (operator, domain, work_key) = (oneiric.operator(), Domain::TASK, key("work"));
        operator.change(&domain, &work_key, &Change::of(Wish::Drain)).await.unwrap();
        let mut looks = Vec::new();
        let draining = operator.drained(&domain, &work_key, LONG, |flight| looks.push(flight.clone()));
        let report = draining.await.unwrap();
        assert_eq!(report.ended, Drained::Landed, "{plan:?}: {report:?}");
        // Where every process said what it has, the count only falls from the mark on.
        let known = looks.iter().filter(|flight| flight.silent().next().is_none());
        let counts: Vec<_> = known.map(|flight| flight.in_flight()).collect();
        assert!(counts.is_sorted_by(|a, b| a >= b), "{plan:?}: accepted after the mark: {counts:?}");
        assert_eq!(work.under_way.load(Ordering::SeqCst), 0, "{plan:?}: in flight after the drain");
        let started = work.started.load(Ordering::SeqCst);
        let mut runs = runs;
        for run in before {
            runs.insert(run.await.unwrap());
        }
        let later = oneiric.run(RunRequest::new(key("one"))).await.unwrap();
        until("the node is held", async || later.report().nodes[0].status == NodeStatus::Held).await;
        runs.insert(later.id());
        assert_eq!(work.started.load(Ordering::SeqCst), started, "{plan:?}: accepted after the mark");
        let flight = oneiric.operator().flight(&Domain::TASK, &key("work")).await.unwrap();
        assert!(flight.is_landed(), "{plan:?}: {flight:?}");

        oneiric.resume_component("task", "work").await.unwrap();
        let store = oneiric.store();
        for run in &runs {
            let state = async || store.run(*run).await.unwrap().unwrap().state;
            until(&format!("{plan:?}: run {run} ends"), async || state().await.status.is_terminal()).await;
            assert_eq!(state().await.status, RunStatus::Completed, "{plan:?}: {run}");
        }
        assert_eq!(store.violations().await.unwrap(), [], "{plan:?}");
    });
}

#[test]
fn a_landed_drain_is_final_and_no_run_is_lost_in_one_process() {
    let (place, work) = (Place::new(), Arc::new(Work::default()));
    work.takes_time.store(true, Ordering::Relaxed);
    let start = || {
        // What counts here is who sees what when, and not what is on the disk.
        let options = Options { synchronous: Synchronous::Off, ..Options::default() };
        let store = SqliteStore::open(place.path().join("oneiric.sqlite"), options).unwrap();
        Process::of(work.builder().store(Arc::new(store) as Arc<dyn Store>))
    };
    let mut processes = vec![start()];
    for seed in 0..380 {
        trial(&Plan::of(seed, 1), &mut processes, &work, &start);
    }
    processes.into_iter().for_each(|process| assert!(process.ends()));
}

#[test]
fn a_landed_drain_is_final_and_no_run_is_lost_between_two_processes() {
    let (place, work) = (Place::new(), Arc::new(Work::default()));
    work.takes_time.store(true, Ordering::Relaxed);
    let start = || place.process(&work);
    let mut processes = vec![start(), start()];
    for seed in 1000..1100 {
        trial(&Plan::of(seed, 2), &mut processes, &work, &start);
    }
    processes.into_iter().for_each(|process| assert!(process.ends()));
}
