//! Crackerjack's thirteen phases.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oneiric_core::Fault;
use oneiric_core::linked::{fail_on_false, task_fn};
use oneiric_core::roles::Task;
use oneiric_dag::{Incomplete, RunHandle, RunReport};
use oneiric_runtime::{Builder, Error, Kind, Oneiric, RunRequest};
use oneiric_store::{NodeStatus, RunStatus, SkipReason};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Barrier;

const PHASES: [(&str, &[&str]); 13] = [
    ("config_cleanup", &[]),
    ("configuration", &["config_cleanup"]),
    ("cleaning", &["configuration"]),
    ("documentation_cleanup", &["cleaning"]),
    ("fast_hooks", &["documentation_cleanup"]),
    ("snob_tests", &["fast_hooks"]),
    ("tests", &["snob_tests"]),
    ("comprehensive_hooks", &["snob_tests"]),
    ("coverage_ratchet", &["tests", "comprehensive_hooks"]),
    ("git_cleanup", &["coverage_ratchet"]),
    ("doc_updates", &["git_cleanup"]),
    ("publishing", &["doc_updates"]),
    ("commit", &["publishing"]),
];

#[derive(Serialize, Deserialize)]
struct Context {
    pkg_path: String,
}

/// What the phases of one process share.
struct Session {
    ran: Mutex<Vec<&'static str>>,
    tests_pass: AtomicBool,
    /// Whether the slow hooks never end by themselves.
    hooks_hang: bool,
    /// Lets nobody pass before both are there.
    both: Barrier,
}

impl Session {
    fn new(hooks_hang: bool) -> Arc<Self> {
        let (ran, tests_pass) = (Mutex::default(), AtomicBool::new(false));
        Arc::new(Self { ran, tests_pass, hooks_hang, both: Barrier::new(2) })
    }

    async fn phase(self: Arc<Self>, name: &'static str, context: Context) -> Result<bool, Fault> {
        assert_eq!(context.pkg_path, "/src/shop");
        self.ran.lock().unwrap().push(name);
        if matches!(name, "tests" | "comprehensive_hooks") {
            self.both.wait().await;
        }
        if self.hooks_hang && name == "comprehensive_hooks" {
            std::future::pending::<()>().await;
        }
        Ok(name != "tests" || self.tests_pass.load(Ordering::Relaxed))
    }

    fn task(self: &Arc<Self>, name: &'static str) -> impl Task + 'static {
        let session = Arc::clone(self);
        task_fn(move |context| Arc::clone(&session).phase(name, context))
    }

    /// What ran since the last time that this was asked.
    fn ran(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.ran.lock().unwrap())
    }
}

fn builder(session: &Arc<Session>, on_failure: &str) -> Builder {
    let nodes = PHASES.map(|(name, after)| json!({"id": name, "task": name, "depends_on": after}));
    let builder =
        Oneiric::builder().workflow("crackerjack", &json!({"nodes": nodes, "on_failure": on_failure}));
    PHASES
        .into_iter()
        .fold(builder, |builder, (name, _)| builder.task(name, fail_on_false(session.task(name))))
}

async fn start(oneiric: &Oneiric) -> RunHandle {
    let context = Context { pkg_path: "/src/shop".to_owned() };
    oneiric.run(RunRequest::of("crackerjack", &context).unwrap()).await.unwrap()
}

async fn run(oneiric: &Oneiric) -> Result<RunReport, Incomplete> {
    start(oneiric).await.completed().await
}

/// The phases that ended so, in the order of the graph.
fn phases(report: &RunReport, status: NodeStatus) -> Vec<&str> {
    report.nodes.iter().filter(|node| node.status == status).map(|node| node.id.as_str()).collect()
}

fn names() -> Vec<&'static str> {
    PHASES.iter().map(|(name, _)| *name).collect()
}

/// In the order of the graph, whichever of the two at once came first.
fn sorted(mut names: Vec<&'static str>) -> Vec<&'static str> {
    names.sort_by_key(|name| PHASES.iter().position(|(known, _)| known == name));
    names
}

#[tokio::test]
async fn a_phase_that_answers_false_fails_its_run_and_the_next_run_begins_anew() {
    let session = Session::new(false);
    let oneiric = builder(&session, "finish_independent").start().await.unwrap();

    let failed = run(&oneiric).await.unwrap_err();
    assert!(failed.to_string().ends_with("is failed: node `tests`: the task returned false"), "{failed}");
    let Incomplete::Reached(report) = &failed else { panic!("{failed:?}") };
    assert_eq!(report.status, RunStatus::Failed);
    assert_eq!(sorted(session.ran()), names()[..8], "the other of the two was under way and ended");
    assert_eq!(phases(report, NodeStatus::Failed), ["tests"]);
    assert_eq!(phases(report, NodeStatus::Skipped), names()[8..]);
    assert!(report.nodes[8..].iter().all(|node| node.skip == Some(SkipReason::Upstream)));
    assert_eq!(Error::from(failed).kind(), Kind::Execution, "exit status 1");

    session.tests_pass.store(true, Ordering::Relaxed);
    let report = run(&oneiric).await.unwrap();
    assert_eq!(sorted(session.ran()), names(), "no checkpoint of the first run is seen by the second");
    assert_eq!(phases(&report, NodeStatus::Completed), names());
    assert!(oneiric.shutdown(Duration::from_secs(5)).await.unwrap());
}

#[tokio::test]
async fn failing_fast_cancels_the_phase_that_is_under_way() {
    let session = Session::new(true);
    let clock = oneiric_testkit::ManualClock::new();
    let oneiric = builder(&session, "fail_fast").clock(Arc::new(clock.clone())).start().await.unwrap();
    // Started before time moves, which would also end the activation of a phase.
    let run = start(&oneiric).await;
    let running = tokio::spawn(async move { run.completed().await });
    // The hooks do not listen; they are given the grace of a run, and then dropped.
    while !running.is_finished() {
        tokio::task::yield_now().await;
        clock.advance_to_next();
    }
    let Incomplete::Reached(report) = running.await.unwrap().unwrap_err() else { panic!("not reached") };
    assert_eq!(report.status, RunStatus::Failed);
    assert_eq!(phases(&report, NodeStatus::Failed), ["tests"]);
    assert_eq!(phases(&report, NodeStatus::Cancelled)[0], "comprehensive_hooks");
    assert_eq!(sorted(session.ran()), names()[..8]);
    assert!(report.nodes[8..].iter().all(|node| node.attempts == 0), "nothing after it was tried");
}

#[tokio::test]
async fn only_false_is_a_failure_and_only_where_somebody_says_so() {
    let answering = |answer: serde_json::Value| {
        task_fn(move |(): ()| {
            let answer = answer.clone();
            async move { Ok::<_, Fault>(answer) }
        })
    };
    let builder = ["null", "zero"]
        .into_iter()
        .zip([json!(null), json!(0)])
        .fold(Oneiric::builder(), |builder, (key, answer)| {
            builder.task(key, fail_on_false(answering(answer)))
        });
    let nodes = ["null", "zero", "no"].map(|name| json!({"id": name, "task": name}));
    let oneiric = builder
        .task("no", answering(json!(false)))
        .workflow("three", &json!({"nodes": nodes}))
        .start()
        .await
        .unwrap();
    let run = oneiric.run(RunRequest::of("three", &()).unwrap()).await.unwrap();
    assert!(!run.completed().await.unwrap().output::<bool>("no").unwrap());
}
