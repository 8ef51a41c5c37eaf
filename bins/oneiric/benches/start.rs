//! How long does it take until a new process answers, and what does it cost to let it stand by?
//!
//! From the start of the process to the first 200 of a request over a new connection, the limit and ours in turn.
//! The limit is an axum program that answers one route and keeps nothing: this bench, started by itself. Ours opens
//! a store, takes over what is left in it, and answers `/v1/health/ready`.
//!
//! `cargo bench -p oneiric --bench start`; the figures are kept in `docs/benchmarks.md`. `ONEIRIC_BENCH_RUNS` is how
//! many finished runs the large store has (1,000,000 unless said, 0 leaves it out), `ONEIRIC_BENCH_IDLE` for how many
//! seconds an idle process is watched (60 unless said). System calls are counted where there is a `strace`.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use oneiric_core::{Payload, RunId, Timestamp};
use oneiric_runtime::{Bundle, DATABASE, ManifestFile};
use oneiric_store::sqlite::Options;
use oneiric_store::{Batch, Op, RunRecord, RunStatus, SqliteStore, Store as _};
use oneiric_testkit::bench::{median, timed};
use serde_json::json;

const ONEIRIC: &str = env!("CARGO_BIN_EXE_oneiric");

/// Starts of each arm.
const STARTS: usize = 30;

/// Runs that are to go on when the process starts on the large store: each sleeps for an hour.
const IN_FLIGHT: u64 = 10_000;

/// Runs of one transaction while the large store is made.
const PAGE: u64 = 5_000;

/// How often a port is tried that nobody listens on yet.
const GLANCE: Duration = Duration::from_micros(100);

fn main() {
    let mut args = std::env::args().skip(1);
    if let (Some("--hello"), Some(port)) = (args.next().as_deref(), args.next()) {
        return hello(&port);
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let state = folder.path().join("state");
    // Its first start makes the store.
    started(ours(&state));
    let mut fresh = 0;
    let mut new_store = || {
        fresh += 1;
        started(ours(&folder.path().join(format!("fresh-{fresh}"))))
    };
    println!("from the start of a process to its first answer; limit: axum, one route");
    told("a store that is there", || started(limit()), || started(ours(&state)));
    told("a new store", || started(limit()), &mut new_store);
    syncs(folder.path());
    idle(&state);
    let runs = number("ONEIRIC_BENCH_RUNS", 1_000_000);
    if runs > 0 {
        let large = folder.path().join("large");
        println!("a store of {runs} finished runs, {IN_FLIGHT} that are to go on");
        fill(&large, runs);
        told("a large store", || started(limit()), || started(ours(&large)));
    }
}

/// The limit: a server that says hello.
fn hello(port: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let router = axum::Router::new().route("/v1/health/ready", axum::routing::get(|| async { "ok" }));
        let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.expect("a free port");
        axum::serve(listener, router).await.expect("it serves until it is killed");
    });
}

/// A command that answers on this port once it has started.
struct Arm {
    command: Command,
    port: u16,
}

fn limit() -> Arm {
    let port = free_port();
    let mut command = Command::new(std::env::current_exe().expect("this bench is a file"));
    command.args(["--hello", &port.to_string()]);
    Arm { command, port }
}

fn ours(state: &Path) -> Arm {
    let port = free_port();
    let mut command = Command::new(ONEIRIC);
    command.arg("--state-dir").arg(state).args(["--log-level", "off", "orchestrate", "--http-port"]);
    command.arg(port.to_string());
    Arm { command, port }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it has an address").port()
}

/// Starts it and ends it; how long it took until it answered.
fn started(arm: Arm) -> Duration {
    let (took, child) = timed(|| until_ready(arm));
    end(child);
    took
}

fn until_ready(Arm { mut command, port }: Arm) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it was just built");
    while !is_ready(port) {
        assert!(child.try_wait().expect("a child can be asked").is_none(), "it ended: {command:?}");
        std::thread::sleep(GLANCE);
    }
    child
}

fn is_ready(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let request = b"GET /v1/health/ready HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n";
    let mut answer = [0; 12];
    stream.write_all(request).is_ok() && stream.read_exact(&mut answer).is_ok() && answer.ends_with(b" 200")
}

fn end(mut child: Child) {
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).expect("it lives");
    child.wait().expect("it ends");
}

fn told(name: &str, mut limit: impl FnMut() -> Duration, mut ours: impl FnMut() -> Duration) {
    let pairs: Vec<_> = (0..STARTS).map(|_| (limit(), ours())).collect();
    let (limit, ours) = (median(pairs.iter().map(|pair| pair.0)), median(pairs.iter().map(|pair| pair.1)));
    let ratio = ours.as_secs_f64() / limit.as_secs_f64();
    println!("{name:<32} limit {limit:>9.2?}  ours {ours:>9.2?}  time x{ratio:.2}");
}

/// Counts what a start waits for: the calls that reach the disk.
fn syncs(folder: &Path) {
    for (name, state) in [("a new store", "counted"), ("a store that is there", "counted")] {
        let Arm { command, port } = ours(&folder.join(state));
        let trace = folder.join("trace");
        let mut traced = Command::new("strace");
        traced.args(["-f", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range", "-o"]).arg(&trace);
        traced.arg(command.get_program()).args(command.get_args());
        if Command::new("strace").arg("-V").output().is_err() {
            println!("no strace: system calls are not counted");
            return;
        }
        let child = until_ready(Arm { command: traced, port });
        let text = std::fs::read_to_string(&trace).expect("strace writes it");
        let count = text.lines().filter(|line| line.contains("sync(")).count();
        println!("{name:<32} {count} fsync until ready");
        // strace passes the signal on to nobody: the process itself is asked.
        let children = format!("/proc/{0}/task/{0}/children", child.id());
        let process = std::fs::read_to_string(children).expect("it has a child");
        let process = process.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("a number");
        kill(Pid::from_raw(process), Signal::SIGTERM).expect("it lives");
        let mut child = child;
        child.wait().expect("it ends");
    }
}

/// What it costs to do nothing.
fn idle(state: &Path) {
    let seconds = number("ONEIRIC_BENCH_IDLE", 60);
    let child = until_ready(ours(state));
    std::thread::sleep(Duration::from_secs(2));
    let proc =
        |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", child.id())).unwrap_or_default();
    let field = |text: &str, name: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    // Behind the name in parentheses: fields 14 and 15, in hundredths of a second.
    let ticks = || -> u64 {
        let stat = proc("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        fields[11..13].iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
    };
    let memory = field(&proc("status"), "VmRSS:") as f64 / 1024.0;
    let before = (ticks(), proc("io"));
    std::thread::sleep(Duration::from_secs(seconds));
    let after = (ticks(), proc("io"));
    let cpu = (after.0 - before.0) as f64 / seconds as f64;
    let calls = |name: &str| field(&after.1, name) - field(&before.1, name);
    println!(
        "idle for {seconds} s: {memory:.1} MiB resident, {cpu:.3} % of a core, {} reads, {} writes, {} bytes to the disk",
        calls("syscr:"),
        calls("syscw:"),
        calls("write_bytes:"),
    );
    end(child);
}

/// A store of many runs that are over, and some that are to go on.
fn fill(state: &Path, runs: u64) {
    let manifest = json!({"source": "bench", "entries": [
        {"domain": "task", "key": "sleep", "provider": "bench", "factory": "builtin:sleep"},
        {"domain": "workflow", "key": "bench", "provider": "bench", "factory": "builtin:noop",
         "dag": {"nodes": [{"id": "a", "task": "sleep", "payload": {"seconds": 3600}}]}},
    ]});
    let file = ManifestFile::new("bench.json", manifest.to_string().as_bytes());
    let (bundle, blobs) = Bundle { files: vec![file] }.blobs();
    std::fs::create_dir_all(state).expect("a fresh folder");
    let store = SqliteStore::open(state.join(DATABASE), Options::default()).expect("a fresh store");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let insert = |number: u64, status| {
        let id = RunId::from_bytes((u128::from(number) + 1).to_be_bytes());
        let key = "bench".parse().expect("a key");
        let mut record = RunRecord::new(id, key, bundle, Payload::NULL, Timestamp::from_micros(1));
        record.state.status = status;
        Op::InsertRun(Box::new(record))
    };
    runtime.block_on(store.commit(Batch::of(blobs.into_iter().map(Op::Blob)))).expect("there is room");
    for page in 0..(runs + IN_FLIGHT).div_ceil(PAGE) {
        let numbers = page * PAGE..((page + 1) * PAGE).min(runs + IN_FLIGHT);
        let status = |number| if number < runs { RunStatus::Completed } else { RunStatus::Pending };
        let batch = numbers.map(|number| insert(number, status(number)));
        runtime.block_on(store.commit(Batch::of(batch))).expect("there is room");
    }
    runtime.block_on(store.close()).expect("it closes");
}

#[expect(clippy::disallowed_methods, reason = "whoever measures says so in the environment")]
fn number(variable: &str, unless_said: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(unless_said)
}
