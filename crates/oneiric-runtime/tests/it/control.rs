//! Other processes ask a live one.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oneiric_core::linked::{Linked, action_fn};
use oneiric_core::roles::Action;
use oneiric_core::{Domain, Fault};
use oneiric_runtime::control::{Answer, ControlError, Request, live};
use oneiric_runtime::{InstanceState, Kind, Oneiric};
use serde_json::Value;

use crate::support::{builder, key};

const SOON: Duration = Duration::from_secs(20);

fn same(provider: &str) -> Linked {
    let action = action_fn(|input: Value| async move { Ok::<_, Fault>(input) });
    Linked::action(key("same"), action).provider(provider)
}

async fn started(state: &Path) -> Oneiric {
    builder().component(same("a")).component(same("b")).state_dir(state).start().await.unwrap()
}

/// Asks as another process would: from a thread that may block.
async fn ask(state: &Path, request: Request) -> Vec<Result<Answer, ControlError>> {
    let state = state.to_owned();
    let asking = move || live(&state).into_iter().map(|client| client.ask(&request, SOON)).collect();
    tokio::task::spawn_blocking(asking).await.unwrap()
}

fn status() -> Request {
    Request::Status { domain: Some(Domain::ACTION), key: Some(key("same")) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_process_tells_its_components_and_swaps_them() {
    let state = tempfile::tempdir().unwrap();
    let oneiric = started(state.path()).await;
    let one = |mut answers: Vec<Result<Answer, ControlError>>| {
        assert_eq!(answers.len(), 1);
        answers.remove(0).unwrap()
    };
    let Answer::Status(before) = one(ask(state.path(), status()).await) else { panic!("no status") };
    assert_eq!((before.pid, before.components.len()), (std::process::id(), 1));
    assert_eq!(before.components[0].instance_state, InstanceState::Absent, "nothing was asked for yet");

    let same = oneiric.resolve::<dyn Action>("same").await.unwrap();
    let first = same.current().unwrap().descriptor().provider.clone();
    let other = if first.as_str() == "a" { "b" } else { "a" };
    let swap = |provider: &str| Request::Swap {
        domain: Domain::ACTION,
        key: key("same"),
        provider: Some(provider.parse().unwrap()),
        force: false,
    };
    let Answer::Swapped(done) = one(ask(state.path(), swap(other)).await) else { panic!("no swap") };
    assert_eq!((done.provider.as_str(), done.previous, done.old_stopped), (other, Some(first), true));
    assert_eq!(same.current().unwrap().descriptor().provider.as_str(), other);
    let Answer::Refused { kind, message, .. } = one(ask(state.path(), swap("c")).await) else { panic!() };
    assert_eq!(kind, Kind::Resolution);
    assert!(message.contains("has no provider `c`"), "{message}");

    let health = Request::Health { domain: None, key: None, probe: true };
    let Answer::Health(health) = one(ask(state.path(), health).await) else { panic!("no health") };
    assert_eq!(health.lifecycle.iter().map(|one| one.probe_result).collect::<Vec<_>>(), [Some(true)]);
    let Answer::Status(after) = one(ask(state.path(), status()).await) else { panic!("no status") };
    assert_eq!(after.components[0].instance_state, InstanceState::Ready);
    assert!(after.components[0].selection_applied);
    assert_eq!(after.swap.samples, 2);

    oneiric.shutdown(SOON).await.unwrap();
    assert!(ask(state.path(), status()).await.is_empty(), "nobody listens any more");
    assert_eq!(sockets(state.path()), Vec::<PathBuf>::new());
}

fn sockets(state: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(state.join("control")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_process_left_is_cleared_and_its_folder_is_private() {
    let state = tempfile::tempdir().unwrap();
    let oneiric = started(state.path()).await;
    oneiric.shutdown(SOON).await.unwrap();
    let stale = state.path().join("control/dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    assert!(ask(state.path(), status()).await.is_empty(), "a dead socket is no process");
    let oneiric = started(state.path()).await;
    assert!(!stale.exists());
    assert_eq!(sockets(state.path()).len(), 1);
    let mode = std::fs::metadata(state.path().join("control")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    drop(oneiric);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_folder_may_have_a_long_name() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("x".repeat(180));
    std::fs::create_dir(&state).unwrap();
    let oneiric = started(&state).await;
    assert_eq!(ask(&state, status()).await.len(), 1);
    oneiric.shutdown(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_answered_and_silence_is_not_waited_for() {
    let state = tempfile::tempdir().unwrap();
    let oneiric = started(state.path()).await;
    let socket = sockets(state.path()).remove(0);
    // More than are served at a time, and none of them says anything.
    let silent: Vec<_> = (0..12).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let told = tokio::task::spawn_blocking(move || {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(b"{\"verb\":\"dance\"}\n").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    });
    let told = told.await.unwrap();
    assert!(matches!(
        serde_json::from_str(&told).unwrap(),
        Answer::Refused { kind: Kind::Configuration, .. }
    ));
    drop(silent);
    oneiric.shutdown(SOON).await.unwrap();
}
