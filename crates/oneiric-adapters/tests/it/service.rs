//! `process:` how a service runs: what it writes, when it is ready, what its end means.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use oneiric_adapters::{Limits, Parts};
use oneiric_core::roles::{Service, ServiceContext, ServiceWatcher, Stream};
use oneiric_core::{Blueprint, Class, ComponentRuntime, Domain, Fault, Instance, Key, Source};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::process::{alive, children, pid_in};
use crate::support::{LONG, descriptor, eventually, parts, within};

/// How many lines are kept; the others are counted.
const KEPT: usize = 100;

/// Whoever runs the service, as a test.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    ready: AtomicUsize,
    kept: Mutex<Vec<(Stream, String)>>,
    bytes: AtomicUsize,
    flooded: AtomicBool,
}

impl ServiceWatcher for Watch {
    fn ready(&self) {
        self.ready.fetch_add(1, Ordering::SeqCst);
    }

    fn line(&self, stream: Stream, line: &str) {
        self.bytes.fetch_add(line.len() + 1, Ordering::SeqCst);
        let mut kept = self.kept.lock().unwrap();
        if kept.len() < KEPT {
            kept.push((stream, line.to_owned()));
        } else {
            self.flooded.store(true, Ordering::SeqCst);
        }
    }
}

impl Watch {
    pub(crate) fn lines(&self, stream: Stream) -> Vec<String> {
        let kept = self.kept.lock().unwrap();
        kept.iter().filter(|(of, _)| *of == stream).map(|(_, line)| line.clone()).collect()
    }

    pub(crate) fn readies(&self) -> usize {
        self.ready.load(Ordering::SeqCst)
    }
}

/// A service, and one start of it.
#[derive(Clone)]
pub(crate) struct Stand {
    pub(crate) instance: Instance,
    pub(crate) service: Arc<dyn Service>,
    pub(crate) stop: CancellationToken,
    pub(crate) watch: Arc<Watch>,
}

impl Stand {
    pub(crate) async fn run(&self) -> Result<(), Fault> {
        within(LONG, self.service.run(self.cx())).await.expect("the service ends")
    }

    pub(crate) fn cx(&self) -> ServiceContext {
        ServiceContext::new(Key::new("gateway").unwrap(), 3, self.stop.clone(), self.watch.clone())
    }

    /// Runs it, and asks it to stop once `ready` comes true.
    pub(crate) async fn run_until<T>(&self, ready: impl Future<Output = T>) -> (Result<(), Fault>, T) {
        tokio::join!(self.run(), async {
            let found = ready.await;
            self.stop.cancel();
            found
        })
    }

    /// Runs it until `ready` comes true, then drops it, as is done to one that does not stop in time.
    pub(crate) async fn drop_when<T>(&self, ready: impl Future<Output = T>) -> T {
        tokio::select! {
            end = self.run() => panic!("it ended: {end:?}"),
            found = ready => found,
        }
    }

    /// Nothing of it is left, not even a zombie.
    pub(crate) async fn leaves_nothing(&self) {
        self.instance.component().stop().await.unwrap();
        assert_eq!(children(), [], "a child is left");
    }
}

pub(crate) fn blueprint(factory: &str, process: Value, settings: Value) -> Blueprint {
    let mut descriptor = descriptor(factory, Value::Null);
    descriptor.domain = Domain::SERVICE;
    descriptor.metadata.insert("process".to_owned(), process);
    Blueprint::from(descriptor).with_settings(settings.as_object().unwrap().clone())
}

pub(crate) async fn build_with(parts: &Parts, blueprint: &Blueprint) -> Result<Stand, Fault> {
    let runtimes = oneiric_adapters::enabled(parts);
    let runtime: Arc<dyn ComponentRuntime> =
        runtimes.into_iter().find(|runtime| runtime.recognises(&blueprint.descriptor)).unwrap();
    runtime.check(blueprint)?;
    let instance = runtime.build(blueprint).await?;
    let service = instance.role::<dyn Service>().expect("it plays Service");
    Ok(Stand { instance, service, stop: CancellationToken::new(), watch: Arc::default() })
}

pub(crate) async fn build(factory: &str, process: Value) -> Result<Stand, Fault> {
    build_with(&parts(Limits::STANDARD), &blueprint(factory, process, json!({}))).await
}

/// A shell script as a service, in its folder; `more` is merged into `metadata.process`.
pub(crate) async fn script(folder: &Path, text: &str, more: Value) -> Stand {
    let mut process = json!({"args": ["-c", text, "script"], "cwd": folder.to_str().unwrap()});
    for (key, value) in more.as_object().into_iter().flatten() {
        process[key] = value.clone();
    }
    build("process:sh", process).await.expect("the script is a service")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn a_flood_on_both_streams_is_read_to_its_end() {
    let folder = folder();
    let flood = "line=$(head -c 999 /dev/zero | tr '\\0' x)
        yes \"$line\" | head -c 50000000 & yes \"$line\" | head -c 50000000 >&2 & wait";
    let stand = script(folder.path(), flood, json!({})).await;
    assert_eq!(stand.run().await, Ok(()));
    assert_eq!(stand.watch.bytes.load(Ordering::SeqCst), 100_000_000);
    stand.leaves_nothing().await;
}

#[tokio::test]
async fn a_flood_without_end_keeps_nobody_from_stopping_it() {
    let folder = folder();
    let stand = script(folder.path(), "yes & yes >&2 & wait", json!({})).await;
    let flooded = eventually("lines come", || stand.watch.flooded.load(Ordering::SeqCst).then_some(()));
    assert_eq!(stand.run_until(flooded).await.0, Ok(()));
    stand.leaves_nothing().await;
}

#[tokio::test]
async fn lines_keep_their_stream_whatever_bytes_they_have() {
    let folder = folder();
    let text = "printf 'a\\377b\\n'; echo why >&2; printf end; exit 3";
    let stand = script(folder.path(), text, json!({})).await;
    stand.run().await.unwrap_err();
    assert_eq!(stand.watch.lines(Stream::Stdout), ["a\u{fffd}b", "end"]);
    assert_eq!(stand.watch.lines(Stream::Stderr), ["why"]);
}

#[tokio::test]
async fn its_end_is_a_success_or_says_why_not() {
    let folder = folder();
    let end = async |text: &str, more: Value| {
        let stand = script(folder.path(), text, more).await;
        let end = stand.run().await;
        stand.leaves_nothing().await;
        end.map_err(|fault| (fault.class, fault.message))
    };
    let fails = |class, message: &str| Err((class, message.to_owned()));
    assert_eq!(end("exit 0", json!({})).await, Ok(()));
    assert_eq!(
        end("echo boom >&2; exit 3", json!({})).await,
        fails(Class::Transient, "`sh` exited with 3: boom")
    );
    assert_eq!(end("exit 78", json!({})).await, fails(Class::Permanent, "`sh` exited with 78"));
    assert_eq!(end("kill -9 $$", json!({})).await, fails(Class::Transient, "`sh` was killed by SIGKILL"));
    assert_eq!(end("exit 3", json!({"success_codes": [0, 3]})).await, Ok(()));
    assert_eq!(
        end("exit 0", json!({"success_codes": [3]})).await,
        fails(Class::Transient, "`sh` exited with 0, which is not among `success_codes`")
    );
    let closes = "exec <&- >&- 2>&-; i=0; while [ $i -lt 1000 ]; do i=$((i + 1)); done; touch on; exit 7";
    assert_eq!(end(closes, json!({})).await, fails(Class::Transient, "`sh` exited with 7"));
    assert!(folder.path().join("on").exists(), "it went on without its streams");
}

#[tokio::test]
async fn a_line_says_that_it_is_ready_and_once_is_enough() {
    let folder = folder();
    let check = async |ready_line: &str, text: &str, expected: usize| {
        let stand = script(folder.path(), text, json!({"ready_line": ready_line})).await;
        assert!(stand.service.says_ready());
        stand.run().await.unwrap();
        assert_eq!(stand.watch.readies(), expected, "{ready_line}");
    };
    check("up on", "echo coming; echo up on 1; echo up on 2", 1).await;
    check("up on", "echo up on 1 >&2", 1).await;
    check("/^up on [0-9]+$/", "echo not up on 1; echo up on 17", 1).await;
    check("/^up on [0-9]+$/", "echo up on x", 0).await;
    let silent = script(folder.path(), "exit 0", json!({})).await;
    assert!(!silent.service.says_ready());
}

#[tokio::test]
async fn its_environment_is_scrubbed_and_says_which_start_it_is() {
    let folder = folder();
    let text = "env; echo '{}' | cat - >/dev/null; cat; echo eof";
    let process = json!({"args": ["-c", text], "env": {"LEDGER": "main"}, "cwd": folder.path()});
    let settings = json!({"region": "eu", "process": {"env": {"LEDGER": "test"}}});
    let parts = parts(Limits::STANDARD);
    let stand = build_with(&parts, &blueprint("process:sh", process, settings)).await.unwrap();
    stand.run().await.unwrap();
    let lines = stand.watch.lines(Stream::Stdout);
    assert_eq!(lines.last().unwrap(), "eof", "there is nothing to read");
    let variables: BTreeMap<_, _> = lines.iter().filter_map(|line| line.split_once('=')).collect();
    assert_eq!(variables["LEDGER"], "test");
    assert_eq!(variables["ONEIRIC_SERVICE"], "gateway");
    assert_eq!(variables["ONEIRIC_ATTEMPT"], "3");
    assert_eq!(variables["ONEIRIC_SETTINGS"], r#"{"region":"eu"}"#);
    assert!(variables["ONEIRIC_SERVICE_ID"].ends_with(".gateway"));
    assert!(!variables.contains_key("CANARY") && !variables.contains_key("NOTIFY_SOCKET"), "{variables:?}");
}

#[tokio::test]
async fn what_is_wrong_with_it_is_said_when_it_is_loaded() {
    let code =
        async |factory: &str, process: Value| build(factory, process).await.err().map(|fault| fault.code);
    let bad = |code: &str| Some(code.to_owned());
    assert_eq!(code("process:sh", json!({})).await, None);
    assert_eq!(code("process:", json!({})).await, bad("bad-factory"));
    assert_eq!(code("process:no-such-program", json!({})).await, bad("program-missing"));
    assert_eq!(code("process:/etc/passwd", json!({})).await, bad("program-not-executable"));
    assert_eq!(code("process:sh", json!({"cwd": "/no/such"})).await, bad("cwd-missing"));
    for wrong in [
        json!({"stop_signal": "STOP"}),
        json!({"kill_after": -1}),
        json!({"success_codes": [256]}),
        json!({"success_codes": 0}),
        json!({"ready_line": "/(/"}),
        json!({"ready_line": ""}),
        json!({"notify": "yes"}),
        json!({"stdout": "json"}),
        json!({"env": {"ONEIRIC_SERVICE_ID": "x"}}),
        json!({"env": {"NOTIFY_SOCKET": "x"}}),
    ] {
        assert_eq!(code("process:sh", wrong.clone()).await, bad("bad-metadata"), "{wrong}");
    }
    let mut task = blueprint("process:sh", json!({}), json!({}));
    let mut descriptor = task.descriptor.as_ref().clone();
    descriptor.domain = Domain::TASK;
    task.descriptor = descriptor.into();
    let parts = parts(Limits::STANDARD);
    let fault = build_with(&parts, &task).await.err().unwrap();
    assert_eq!(
        fault.message,
        "`process:sh` is a service and plays nothing in domain `task`; a program that is called is `exec:` or `worker:`"
    );
}

#[tokio::test]
async fn a_fetched_manifest_may_not_say_where_and_with_what_it_runs() {
    for key in ["cwd", "env"] {
        let mut fetched = blueprint("process:sh", json!({key: {}}), json!({}));
        let mut descriptor = fetched.descriptor.as_ref().clone();
        descriptor.source = Source::RemoteManifest("https://m.example".to_owned());
        fetched.descriptor = descriptor.into();
        let fault = build_with(&parts(Limits::STANDARD), &fetched).await.err().unwrap();
        assert_eq!((fault.class, fault.code.as_str()), (Class::Denied, "remote-metadata"));
    }
}

#[tokio::test]
async fn its_figures_are_those_of_its_whole_group_for_as_long_as_it_runs() {
    let folder = folder();
    let text = "sleep 1000 & sleep 1000 & echo $$ >pid; wait";
    let stand = script(folder.path(), text, json!({})).await;
    assert_eq!(stand.service.figures(), None);
    let seen = async {
        let pid = pid_in(&folder.path().join("pid")).await;
        let figures = eventually("all of them run", || {
            stand.service.figures().filter(|figures| figures.processes == 3)
        });
        (pid, figures.await)
    };
    let (end, (pid, figures)) = stand.run_until(seen).await;
    assert_eq!(end, Ok(()));
    assert!(figures.pid == pid && figures.threads == 3 && figures.rss_bytes > 0, "{figures:?}");
    assert!(figures.open_files.is_some_and(|files| files >= 3), "{figures:?}");
    assert_eq!(stand.service.figures(), None);
    assert!(!alive(pid));
}
