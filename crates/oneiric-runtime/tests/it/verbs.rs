//! What is asked of runs, by processes that do not have them. Two orchestrators on one file are two processes
//! to each other.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use oneiric_core::linked::task_fn;
use oneiric_core::settings::{Seconds, Settings};
use oneiric_core::{BootId, Clock as _, Fault, Payload, RunId, Timestamp};
use oneiric_runtime::{
    Again, Ask, Builder, Command, Ended, Error, Kept, Obeyed, Oneiric, RunRequest, RunStatus, SystemClock,
    UnknownNodes,
};
use oneiric_store::sqlite::Options;
use oneiric_store::{
    Batch, BootRecord, Checkpoint, Event, MemoryStore, NodeRecord, Op, RunRecord, SqliteStore, Store,
    WhoseCommands,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::{key, status};

const LONG: Duration = Duration::from_secs(30);

/// What the tasks of every process of a test share with the test.
#[derive(Debug, Clone)]
struct Shop {
    /// A node takes one to finish.
    doors: Arc<Semaphore>,
    calls: Arc<AtomicU32>,
}

impl Shop {
    fn new() -> Self {
        Self { doors: Arc::new(Semaphore::new(0)), calls: Arc::default() }
    }

    /// `a`, `b` and `c`, one after the other, and `d` beside them. Each adds one to what came before.
    fn builder(&self) -> Builder {
        let Self { doors, calls } = self.clone();
        let task = task_fn(move |n: u64| {
            let (doors, calls) = (Arc::clone(&doors), Arc::clone(&calls));
            async move {
                calls.fetch_add(1, Ordering::SeqCst);
                let door =
                    doors.acquire().await.map_err(|_| Fault::permanent("closed", "the shop is closed"))?;
                door.forget();
                Ok::<_, Fault>(n + 1)
            }
        });
        let node = |id: &str, after: &[&str], payload: &str| json!({"id": id, "task": "add", "depends_on": after, "payload": payload});
        let nodes = json!([
            node("a", &[], "${{ inputs.first }}"),
            node("b", &["a"], "${{ nodes.a.output }}"),
            node("c", &["b"], "${{ nodes.b.output }}"),
            node("d", &[], "${{ inputs.second }}"),
        ]);
        let settings = Settings { execution: execution(), ..Settings::default() };
        Oneiric::builder().settings(settings).task("add", task).workflow("sums", &json!({"nodes": nodes}))
    }

    async fn open(&self, state: &Path, serves: bool) -> Oneiric {
        self.builder().serve(serves).state_dir(state).start().await.unwrap()
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }
}

fn execution() -> oneiric_core::settings::Execution {
    oneiric_core::settings::Execution { lease_seconds: Seconds::new(1.0), ..Default::default() }
}

fn request() -> RunRequest {
    RunRequest { input: json!({"first": 1, "second": 10}).into(), ..RunRequest::new(key("sums")) }
}

fn asking(command: Command) -> Ask {
    Ask { patience: LONG, ..Ask::new(command) }
}

fn resume() -> Command {
    Command::Resume { unknown: UnknownNodes::Keep }
}

async fn until(what: &str, mut seen: impl AsyncFnMut() -> bool) {
    let clock = SystemClock::default();
    while !seen().await {
        assert!(clock.monotonic() < LONG, "waited in vain: {what}");
        clock.sleep(Duration::from_millis(2)).await;
    }
}

async fn reached(oneiric: &Oneiric, run: RunId, status: RunStatus) {
    until(status.name(), async || {
        oneiric.store().run(run).await.unwrap().is_some_and(|run| run.state.status == status)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_another_process_is_paused_and_goes_on_here() {
    let (state, shop) = (tempfile::tempdir().unwrap(), Shop::new());
    let one = shop.open(state.path(), false).await;
    let two = shop.open(state.path(), false).await;
    let run = one.run(request()).await.unwrap();
    let pause = || Command::Pause { reason: "lunch".to_owned() };
    let told = two.tell(run.id(), asking(pause())).await.unwrap();
    assert_eq!((told.obeyed, told.record.state.status), (Obeyed::Done, RunStatus::Running));
    assert!(told.handle.is_none());
    assert_eq!(two.tell(run.id(), asking(pause())).await.unwrap().obeyed, Obeyed::Already);
    // Taken back before it has come into effect.
    assert_eq!(two.tell(run.id(), asking(resume())).await.unwrap().obeyed, Obeyed::Done);
    assert_eq!(two.tell(run.id(), asking(pause())).await.unwrap().obeyed, Obeyed::Done);
    shop.doors.add_permits(2);
    assert_eq!(status(&run).await, RunStatus::Paused);
    let here = two.tell(run.id(), asking(resume())).await.unwrap().handle.unwrap();
    shop.doors.add_permits(2);
    assert_eq!(status(&here).await, RunStatus::Completed);
    assert_eq!(shop.calls(), 4, "nothing was done twice");
    assert_eq!(two.store().violations().await.unwrap(), []);
    assert!(matches!(two.tell(run.id(), asking(resume())).await, Err(Error::Over { .. })));
    for oneiric in [one, two] {
        assert!(oneiric.shutdown(LONG).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_another_process_is_cancelled() {
    let (state, shop) = (tempfile::tempdir().unwrap(), Shop::new());
    let one = shop.open(state.path(), false).await;
    let two = shop.open(state.path(), false).await;
    let run = one.run(request()).await.unwrap();
    let soft = Command::Cancel { reason: "enough".to_owned(), hard: false };
    assert_eq!(two.tell(run.id(), asking(soft)).await.unwrap().obeyed, Obeyed::Done);
    // Its tasks do not hear of it.
    let hard = Command::Cancel { reason: "enough".to_owned(), hard: true };
    let obeyed = two.tell(run.id(), asking(hard)).await.unwrap().obeyed;
    assert_eq!(obeyed, Obeyed::Done);
    assert_eq!(status(&run).await, RunStatus::Cancelled);
    assert_eq!(two.store().commands(WhoseCommands::Run(run.id())).await.unwrap(), []);
    drop((one, two));
}

/// Without a control socket nobody rings: the owner looks by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bell_that_nobody_hears_delays_a_command_and_loses_nothing() {
    let (state, shop) = (tempfile::tempdir().unwrap(), Shop::new());
    let store = |()| -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(state.path().join("oneiric.sqlite"), Options::default()).unwrap())
    };
    let one = shop.builder().serve(false).store(store(())).start().await.unwrap();
    let two = shop.builder().serve(false).store(store(())).start().await.unwrap();
    let run = one.run(request()).await.unwrap();
    let far =
        Timestamp::from_micros(one.store().run(run.id()).await.unwrap().unwrap().created_at.as_micros())
            .after(Duration::from_secs(3600));
    let extend = asking(Command::Extend { deadline: far });
    let told = two.tell(run.id(), extend.clone()).await.unwrap();
    assert_eq!((told.obeyed, told.record.state.deadline), (Obeyed::Done, Some(far)));
    assert_eq!(two.tell(run.id(), extend).await.unwrap().obeyed, Obeyed::Already);
    let journal = two.store().journal(run.id(), 0, 100).await.unwrap();
    let extended = journal.iter().filter(|entry| matches!(entry.event, Event::Extended { .. }));
    assert_eq!(extended.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_does_not_obey_in_time_finds_the_command_later() {
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let one = Shop::new().builder().serve(false).store(memory).start().await.unwrap();
    // Somebody alive has it, and does not look.
    let store = one.store();
    let deaf = BootRecord::new(BootId::from_bytes([9; 16]), "here", 4711, Timestamp::default());
    let blobs = one.catalog().bundle().blobs();
    let id = RunId::from_bytes([7; 16]);
    let mut record = RunRecord::new(id, key("sums"), blobs.0, request().input, Timestamp::default());
    record.state.status = RunStatus::Running;
    record.state.owner = Some(deaf.id);
    let boot = deaf.id;
    let ops = blobs.1.into_iter().map(Op::Blob).chain([Op::SetBoot(deaf), Op::InsertRun(Box::new(record))]);
    store.commit(Batch::of(ops)).await.unwrap();
    let pause = Command::Pause { reason: "lunch".to_owned() };
    let hasty = Ask { patience: Duration::from_millis(20), ..Ask::new(pause) };
    let error = one.tell(id, hasty).await.unwrap_err();
    assert_eq!(error.to_string(), format!("process 4711, which has run {id}, did not pause it within 20ms"));
    assert!(error.help().unwrap().contains(&format!("run explain {id}")));
    assert_eq!(store.commands(WhoseCommands::Run(id)).await.unwrap().len(), 1);
    store.commit(Batch::of([Op::Disown(boot)])).await.unwrap();
    let far = Timestamp::default().after(Duration::from_secs(1 << 40));
    let told = one.tell(id, Ask::new(Command::Extend { deadline: far })).await.unwrap();
    assert_eq!(told.record.state.status, RunStatus::Paused, "what was asked first is done first");
    assert_eq!(store.commands(WhoseCommands::Run(id)).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_submitted_waits_for_somebody_who_serves() {
    let (state, shop) = (tempfile::tempdir().unwrap(), Shop::new());
    let one = shop.open(state.path(), false).await;
    let run = one.submit(request()).await.unwrap();
    let waiting = one.store().run(run).await.unwrap().unwrap();
    assert_eq!((waiting.state.status, waiting.state.owner), (RunStatus::Pending, None));
    shop.doors.add_permits(8);
    let two = shop.open(state.path(), true).await;
    reached(&one, run, RunStatus::Completed).await;
    let rung = one.submit(request()).await.unwrap();
    reached(&one, rung, RunStatus::Completed).await;
    let unknown = one.submit(RunRequest::new(key("smus"))).await.unwrap_err().to_string();
    assert!(unknown.contains("smus"), "{unknown}");
    assert!(two.shutdown(LONG).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_to_others_goes_on_where_somebody_serves() {
    let (state, shop) = (tempfile::tempdir().unwrap(), Shop::new());
    let one = shop.open(state.path(), false).await;
    let run = one.submit(request()).await.unwrap();
    one.pause(run, "not yet").await.unwrap();
    let two = shop.open(state.path(), true).await;
    shop.doors.add_permits(4);
    let left = Ask { go_on: false, ..asking(resume()) };
    assert_eq!(one.tell(run, left).await.unwrap().obeyed, Obeyed::Done);
    reached(&one, run, RunStatus::Completed).await;
    assert_eq!(one.store().violations().await.unwrap(), []);
    assert!(two.shutdown(LONG).await.unwrap());
}

/// What each node of a run gave, and how often it was tried.
async fn outputs(oneiric: &Oneiric, run: RunId) -> Value {
    let nodes = oneiric.store().nodes(run).await.unwrap();
    let checkpoints = oneiric.store().checkpoints(run).await.unwrap();
    let output = |node: &NodeRecord| {
        let of = |c: &&Checkpoint| c.node == node.node && Some(c.input_hash) == node.input_hash;
        checkpoints.iter().find(of).map(|c| c.output.value().clone())
    };
    nodes.iter().map(|node| (node.name.to_string(), json!([output(node), node.attempt]))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_run_does_only_what_is_asked_for() {
    let (state, shop) = (tempfile::tempdir().unwrap(), Shop::new());
    let one = shop.open(state.path(), false).await;
    let run = one.run(request()).await.unwrap();
    assert!(matches!(
        one.again(run.id(), Again::new(Kept::Nothing)).await,
        Err(Error::UnderWay { status: RunStatus::Running, .. })
    ));
    shop.doors.add_permits(1000);
    assert_eq!(status(&run).await, RunStatus::Completed);
    let (old, first) = (run.id(), outputs(&one, run.id()).await);
    assert_eq!(first, json!({"a": [2, 1], "b": [3, 1], "c": [4, 1], "d": [11, 1]}));
    let check = async |kept: Kept, input: Option<Value>, expected: Value| {
        let again = Again { input: input.map(Payload::from), ..Again::new(kept.clone()) };
        let new = one.again(old, again).await.unwrap();
        assert_eq!(status(&new).await, RunStatus::Completed, "{kept:?}");
        assert_eq!(outputs(&one, new.id()).await, expected, "{kept:?}");
        assert_eq!(one.store().run(new.id()).await.unwrap().unwrap().parent, Some(old));
    };
    check(Kept::Nothing, None, first.clone()).await;
    let from_b = Kept::Before(vec!["b".parse().unwrap()]);
    check(from_b, None, json!({"a": [2, 0], "b": [3, 1], "c": [4, 1], "d": [11, 0]})).await;
    check(Kept::Completed, None, json!({"a": [2, 0], "b": [3, 0], "c": [4, 0], "d": [11, 0]})).await;
    let other = json!({"first": 1, "second": 20});
    check(Kept::SameInput, Some(other), json!({"a": [2, 0], "b": [3, 0], "c": [4, 0], "d": [21, 1]})).await;
    let misspelt = Again::new(Kept::Before(vec!["e".parse().unwrap()]));
    let error = one.again(old, misspelt).await.unwrap_err().to_string();
    assert!(error.contains("has no node `e`"), "{error}");
    assert_eq!(one.store().check().await.unwrap().problems, Vec::<String>::new());
    assert_eq!(outputs(&one, old).await, first, "what ended does not change");

    let two = shop.open(state.path(), true).await;
    let left = one.submit_again(old, Again::new(Kept::Completed)).await.unwrap();
    reached(&one, left, RunStatus::Completed).await;
    assert_eq!(outputs(&one, left).await["a"], json!([2, 0]), "whoever takes it up finds what is kept");
    assert!(two.shutdown(LONG).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_is_done_again_and_what_went_well_is_not() {
    let (state, shop) = (tempfile::tempdir().unwrap(), Shop::new());
    let one = shop.open(state.path(), false).await;
    let run = one.run(request()).await.unwrap();
    shop.doors.add_permits(2);
    until("two are through", async || shop.calls() == 3).await;
    shop.doors.close();
    assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Failed)));
    assert!(one.shutdown(LONG).await.unwrap());
    let reopened = Shop::new();
    reopened.doors.add_permits(1000);
    let two = reopened.open(state.path(), false).await;
    let again = two.again(run.id(), Again::new(Kept::Completed)).await.unwrap();
    assert_eq!(status(&again).await, RunStatus::Completed);
    let went_well = run.report().nodes.iter().filter(|node| !node.output.is_null()).count() as u32;
    assert_eq!(reopened.calls(), 4 - went_well);
    let tries: u32 = again.report().nodes.iter().map(|node| node.attempts).sum();
    assert_eq!(tries, reopened.calls());
}
