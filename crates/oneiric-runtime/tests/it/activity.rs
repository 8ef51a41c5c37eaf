//! Components that are paused, drained and take work again.

mod process;
mod races;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use oneiric_core::gate::{Admission, Decision, Denial, Gate, No, Permit, Pipeline, Step, Wait};
use oneiric_core::lifecycle::Swap;
use oneiric_core::linked::{Linked, action_fn};
use oneiric_core::roles::Action;
use oneiric_core::{Domain, Fault, Payload};
use oneiric_runtime::activity::{Change, Drained, Wish};
use oneiric_runtime::{Ask, Command, Error, NodeStatus, Oneiric, RunRequest};
use oneiric_store::RunStatus;
use serde_json::json;

use crate::support::{key, status};
use process::{Place, Work, nap, within};

/// Nothing here takes this long unless it hangs.
const LONG: Duration = Duration::from_secs(30);

async fn begun(oneiric: &Oneiric) -> oneiric_runtime::RunHandle {
    oneiric.run(RunRequest::of("one", &()).unwrap()).await.unwrap()
}

fn node(run: &oneiric_runtime::RunHandle) -> NodeStatus {
    run.report().nodes[0].status
}

async fn until(what: &str, mut seen: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !seen().await {
            nap(Duration::from_millis(1)).await;
        }
    };
    within(LONG, waiting).await.unwrap_or_else(|| panic!("waited in vain: {what}"));
}

fn denied(error: &Error) -> &Denial {
    let Error::Denied(denial) = error else { panic!("{error}") };
    assert_eq!(denial.step, Step::Activity);
    denial
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_task_holds_its_node_until_it_takes_work_again() {
    let work = Arc::new(Work::default());
    let oneiric = work.builder().start().await.unwrap();
    oneiric.pause_component("task", "work", Some("the bank is closed")).await.unwrap();
    let run = begun(&oneiric).await;
    until("the node is held", async || node(&run) == NodeStatus::Held).await;
    assert_eq!(work.started.load(Ordering::SeqCst), 0);
    let known = oneiric.activity();
    assert_eq!((known[0].record.note.as_deref(), known[0].in_flight), (Some("the bank is closed"), 0));
    assert_eq!((known[1].record.key.as_str(), known[1].in_flight), ("one", 1), "its run is under way");
    let record = oneiric.resume_component("task", "work").await.unwrap();
    assert_eq!((record.accepts(), record.note.as_deref()), (true, Some("the bank is closed")));
    assert_eq!(status(&run).await, RunStatus::Completed);
    assert_eq!(run.report().nodes[0].attempts, 1, "to be held is no try");
    oneiric.shutdown(LONG).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_workflow_begins_no_run_and_finishes_those_it_has() {
    let work = Arc::new(Work::closed());
    let oneiric = work.builder().start().await.unwrap();
    let run = begun(&oneiric).await;
    oneiric.pause_component("workflow", "one", None).await.unwrap();
    let error = oneiric.run(RunRequest::of("one", &()).unwrap()).await.unwrap_err();
    assert_eq!(denied(&error).reason, "workflow:one is paused");
    assert!(error.help().unwrap().contains("oneiric resume"));
    work.open();
    assert_eq!(status(&run).await, RunStatus::Completed);
    oneiric.shutdown(LONG).await.unwrap();
}

#[test]
fn a_run_that_was_submitted_to_a_paused_workflow_waits_and_can_be_cancelled() {
    let (place, work) = (Place::new(), Arc::new(Work::default()));
    let process = place.process(&work);
    process.on(async |oneiric| {
        oneiric.pause_component("workflow", "one", None).await.unwrap();
        let submitted = async || oneiric.submit(RunRequest::of("one", &()).unwrap()).await.unwrap();
        let (run, other) = (submitted().await, submitted().await);
        let state = async |run| oneiric.store().run(run).await.unwrap().unwrap().state;
        until("somebody has it", async || state(run).await.owner.is_some()).await;
        until("somebody has it", async || state(other).await.owner.is_some()).await;
        assert_eq!(state(run).await.status, RunStatus::Pending);
        assert_eq!(oneiric.store().violations().await.unwrap(), [], "it is looked after");
        let enough = Command::Cancel { reason: "enough".to_owned(), hard: false };
        oneiric.tell(other, Ask::new(enough)).await.unwrap();
        assert_eq!(state(other).await.status, RunStatus::Cancelled);
        assert_eq!((state(run).await.status, work.started.load(Ordering::SeqCst)), (RunStatus::Pending, 0));
        let flight = oneiric.operator().flight(&Domain::WORKFLOW, &key("one")).await.unwrap();
        assert!(flight.is_landed(), "what waits is not in flight");
        oneiric.resume_component("workflow", "one").await.unwrap();
        until("it ends", async || state(run).await.status == RunStatus::Completed).await;
    });
    process.ends();
}

#[test]
fn a_held_node_survives_its_process_and_goes_on_when_work_is_taken_again() {
    let (place, work) = (Place::new(), Arc::new(Work::default()));
    let first = place.process(&work);
    let run = first.on(async |oneiric| {
        oneiric.pause_component("task", "work", None).await.unwrap();
        let run = begun(&oneiric).await;
        until("the node is held", async || node(&run) == NodeStatus::Held).await;
        run.id()
    });
    first.dies();
    let second = place.process(&work);
    second.on(async |oneiric| {
        let taken = async || oneiric.store().run(run).await.unwrap().unwrap().state.owner.is_some();
        until("somebody goes on with the run", taken).await;
        let held = async || oneiric.store().nodes(run).await.unwrap()[0].status == NodeStatus::Held;
        until("the node is held again", held).await;
        assert_eq!(work.started.load(Ordering::SeqCst), 0);
        oneiric.resume_component("task", "work").await.unwrap();
        let ended = async || oneiric.store().run(run).await.unwrap().unwrap().state.status;
        until("the run ends", async || ended().await.is_terminal()).await;
        assert_eq!(ended().await, RunStatus::Completed);
        assert_eq!(oneiric.store().violations().await.unwrap(), []);
    });
    second.ends();
}

#[test]
fn another_process_sees_a_pause_at_once_and_its_end() {
    let (place, work) = (Place::new(), Arc::new(Work::default()));
    let (here, there) = (place.process(&work), place.process(&work));
    for round in 0..5 {
        here.on(async |oneiric| oneiric.pause_component("workflow", "one", None).await.unwrap());
        // Without any waiting: who paused has heard that the other one knows.
        there.on(async |oneiric| {
            let error = oneiric.run(RunRequest::of("one", &()).unwrap()).await.unwrap_err();
            assert_eq!(denied(&error).reason, "workflow:one is paused", "round {round}");
        });
        here.on(async |oneiric| oneiric.resume_component("workflow", "one").await.unwrap());
        there.on(async |oneiric| assert_eq!(status(&begun(&oneiric).await).await, RunStatus::Completed));
    }
    here.ends();
    there.ends();
}

#[test]
fn a_drain_waits_for_what_is_in_flight_in_every_process() {
    let (place, work) = (Place::new(), Arc::new(Work::closed()));
    let (here, there) = (place.process(&work), place.process(&work));
    let mine = here.on(async |oneiric| begun(&oneiric).await);
    let theirs = there.on(async |oneiric| {
        let runs = [begun(&oneiric).await, begun(&oneiric).await];
        until("the nodes run", async || work.under_way.load(Ordering::SeqCst) == 3).await;
        runs
    });
    here.on(async |oneiric| {
        let late = oneiric.drain_component("task", "work", None, Duration::from_millis(100)).await.unwrap();
        assert_eq!((late.ended, late.flight.in_flight()), (Drained::Late, 3));
        let mut counts: Vec<_> = late.flight.processes.iter().map(|one| one.in_flight.unwrap()).collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 2]);
        let (domain, key) = (Domain::TASK, key("work"));
        let operator = oneiric.operator();
        let mut seen = Vec::new();
        let draining = operator.drained(&domain, &key, LONG, |flight| {
            seen.push(flight.in_flight());
            work.open();
        });
        let report = draining.await.unwrap();
        assert_eq!((report.ended, report.flight.is_landed()), (Drained::Landed, true));
        assert_eq!((seen.first(), seen.last()), (Some(&3), Some(&0)));
        assert!(seen.is_sorted_by(|a, b| a >= b), "{seen:?}");
    });
    for (process, runs) in [(&here, vec![mine]), (&there, theirs.into())] {
        process.on(async |_| {
            for run in &runs {
                assert_eq!(status(run).await, RunStatus::Completed, "what was in flight went on");
            }
        });
    }
    here.ends();
    there.ends();
}

#[test]
fn a_drain_ends_when_somebody_takes_work_again() {
    let (place, work) = (Place::new(), Arc::new(Work::closed()));
    let (here, there) = (place.process(&work), place.process(&work));
    let run = there.on(async |oneiric| {
        let run = begun(&oneiric).await;
        until("the node runs", async || work.under_way.load(Ordering::SeqCst) == 1).await;
        run
    });
    let draining =
        here.begin(async |oneiric| oneiric.drain_component("task", "work", None, LONG).await.unwrap());
    there.on(async |oneiric| {
        until("it drains", async || oneiric.activity().iter().any(|one| one.record.draining)).await;
        oneiric.resume_component("task", "work").await.unwrap();
        assert_eq!(draining.await.unwrap().ended, Drained::Cleared);
        work.open();
        assert_eq!(status(&run).await, RunStatus::Completed);
    });
    here.ends();
    there.ends();
}

#[test]
fn operators_who_speak_at_the_same_time_lose_nothing() {
    let (place, work) = (Place::new(), Arc::new(Work::default()));
    let (here, there) = (place.process(&work), place.process(&work));
    for round in 0..20 {
        let pausing =
            here.begin(async |oneiric| oneiric.pause_component("task", "work", None).await.unwrap());
        there.on(async |oneiric| {
            let change = Change::of(Wish::Drain);
            oneiric.operator().change(&Domain::TASK, &key("work"), &change).await.unwrap();
            pausing.await.unwrap();
            let said = oneiric.operator().said(&Domain::TASK, &key("work")).await.unwrap();
            assert!(said.paused && said.draining, "round {round}: {said:?}");
            oneiric.resume_component("task", "work").await.unwrap();
        });
    }
    here.ends();
    there.ends();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_of_a_draining_task_comes_when_nothing_is_in_flight() {
    let work = Arc::new(Work::closed());
    let oneiric = work.builder().start().await.unwrap();
    let run = begun(&oneiric).await;
    until("the node runs", async || work.under_way.load(Ordering::SeqCst) == 1).await;
    let late = oneiric.drain_component("task", "work", None, Duration::ZERO).await.unwrap();
    assert_eq!(late.ended, Drained::Late);
    let swapping = {
        let oneiric = oneiric.clone();
        tokio::spawn(async move { oneiric.swap_to("task", "work", "new").await.map(|done| done.old_stopped) })
    };
    nap(Duration::from_millis(20)).await;
    assert!(!swapping.is_finished(), "it waits");
    work.open();
    assert!(swapping.await.unwrap().unwrap(), "nobody used the old instance any more");
    assert_eq!(status(&run).await, RunStatus::Completed);
    oneiric.shutdown(LONG).await.unwrap();
}

#[tokio::test]
async fn a_swap_of_a_paused_task_needs_force() {
    let work = Arc::new(Work::default());
    let oneiric = work.builder().start().await.unwrap();
    oneiric.pause_component("task", "work", None).await.unwrap();
    let denial = oneiric.swap_to("task", "work", "new").await.unwrap_err();
    assert_eq!((denied(&denial).reason.as_str(), denied(&denial).wait), ("task:work is paused", Wait::Never));
    let new = "new".parse().unwrap();
    let forced = Swap { provider: Some(&new), force: true };
    assert_eq!(oneiric.swap(&Domain::TASK, &key("work"), forced).await.unwrap().provider, new);
    oneiric.shutdown(LONG).await.unwrap();
}

#[tokio::test]
async fn calls_are_counted_and_refused_as_nodes_are() {
    let double = action_fn(|n: u64| async move { Ok::<_, Fault>(2 * n) });
    let oneiric = Oneiric::builder().component(Linked::action("double", double)).start().await.unwrap();
    let three = || Payload::from(json!(3));
    assert_eq!(oneiric.invoke("double", three()).await.unwrap(), json!(6).into());
    let handle = oneiric.resolve::<dyn Action>("double").await.unwrap();
    let call = oneiric.call(&handle).await.unwrap();
    assert_eq!(oneiric.activity().iter().map(|one| one.in_flight).collect::<Vec<_>>(), [1]);
    let late = oneiric.drain_component("action", "double", None, Duration::from_millis(1)).await.unwrap();
    assert_eq!((late.ended, late.flight.in_flight()), (Drained::Late, 1));
    let error = oneiric.invoke("double", three()).await.unwrap_err();
    assert_eq!(denied(&error).reason, "action:double is draining");
    assert_eq!(call.apply(three()).await.unwrap(), json!(6).into(), "what was accepted goes on");
    drop(call);
    assert_eq!(oneiric.drain_component("action", "double", None, LONG).await.unwrap().ended, Drained::Landed);
    oneiric.resume_component("action", "double").await.unwrap();
    let wrong = oneiric.invoke("double", Payload::from(json!("three"))).await.unwrap_err();
    assert!(matches!(wrong, Error::Call { .. }), "{wrong}");
    assert_eq!(oneiric.activity(), [], "nothing was said, nothing is in flight");
    oneiric.shutdown(LONG).await.unwrap();
}

#[tokio::test]
async fn a_note_that_is_too_long_is_refused_and_nothing_changes() {
    let oneiric = Arc::new(Work::default()).builder().start().await.unwrap();
    let error = oneiric.pause_component("task", "work", Some(&"x".repeat(1001))).await.unwrap_err();
    assert_eq!(error.to_string(), "note: it has 1001 bytes, at most 1000 are kept");
    assert_eq!(oneiric.activity(), []);
}

/// A gate of the embedder's that takes its time, and then says no to every second question.
#[derive(Debug, Default)]
struct Slow(std::sync::atomic::AtomicU32);

impl Gate for Slow {
    fn admit<'a>(&'a self, admission: &'a Admission<'a>) -> Decision<'a> {
        Decision::Later(Box::pin(async move {
            tokio::task::yield_now().await;
            if self.0.fetch_add(1, Ordering::SeqCst) % 2 == 1 {
                let No { reason, wait } = No::never("not you");
                return Err(Denial { step: Step::Policy, reason, wait });
            }
            Pipeline::standard().decide(admission).map(|permit| permit.and(Permit::none()))
        }))
    }
}

#[tokio::test]
async fn a_gate_of_the_embedders_own_does_not_switch_pausing_off() {
    let work = Arc::new(Work::default());
    let oneiric = work.builder().gate(Arc::new(Slow::default())).start().await.unwrap();
    let denial = begun(&oneiric).await.ended().await;
    assert!(matches!(denial, oneiric_runtime::Ended::Reached(RunStatus::Failed)), "{denial:?}");
    assert_eq!(oneiric.activity(), [], "what the second gate denied is not in flight");
    oneiric.pause_component("workflow", "one", None).await.unwrap();
    let error = oneiric.run(RunRequest::of("one", &()).unwrap()).await.unwrap_err();
    assert_eq!(denied(&error).reason, "workflow:one is paused");
    oneiric.shutdown(LONG).await.unwrap();
}
