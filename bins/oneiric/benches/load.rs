//! How much does one port bear?
//!
//! The limit is a whole process of axum: a route that says that it lives, and one that reads a body of JSON and
//! inserts it into SQLite, many requests to a transaction, synchronous FULL. Ours is `oneiric orchestrate` with a
//! workflow of one node, which it carries out beside accepting. Clients keep their connections; at a given rate each
//! request has its moment, and its time counts from there, so that a server that stalls is not asked less.
//!
//! `cargo bench -p oneiric --bench load`; the figures are kept in `docs/benchmarks.md`. `ONEIRIC_BENCH_SECONDS` is how
//! long the steady load lasts (120 unless said).
#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use oneiric_testkit::bench::{compare, timed};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::Instant;

const ONEIRIC: &str = env!("CARGO_BIN_EXE_oneiric");

/// Connections of a load without a rate.
const CLIENTS: usize = 64;

/// Requests of one round of it, over all connections.
const HEALTH_REQUESTS: u64 = 60_000;
const SUBMITS: u64 = 6_000;

/// Requests a second of the steady load.
const RATE: u64 = 500;

/// Connections of a load that is too much.
const FLOOD: usize = 2_000;

const LIVE: &str = "/v1/health/live";
const RUNS: &str = "/v1/runs";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [arm, port, place] = args.as_slice()
        && arm == "--limit"
    {
        return limit(port, Path::new(place));
    }
    // Beside the code rather than in /tmp, which may be memory: the disk is measured, too.
    let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("the crate's folder can be written");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let arms = [Server::limit(folder.path()), Server::ours(folder.path())];
    let [limit, ours] = &arms;
    println!("one port, {CLIENTS} connections without a rate");
    let health =
        |server: &Server| runtime.block_on(server.closed(CLIENTS, HEALTH_REQUESTS, Request::get(LIVE))).took;
    compare("health", HEALTH_REQUESTS as u32, || health(limit), || health(ours)).print();
    let submit = |server: &Server| {
        let done = runtime.block_on(server.closed(CLIENTS, SUBMITS, Request::submit()));
        assert_eq!(done.refused, 0, "{} refused", server.name);
        done.took
    };
    compare("submit, durable", SUBMITS as u32, || submit(limit), || submit(ours)).print();
    let seconds = number("ONEIRIC_BENCH_SECONDS", 120);
    println!("{RATE} submits a second for {seconds} s, and what health takes beside them");
    for server in &arms {
        steady(&runtime, server, seconds);
    }
    println!("{FLOOD} connections that submit without a rate");
    flood(&runtime, ours);
}

/// The limit.
fn limit(port: &str, place: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let conn = rusqlite::Connection::open(place).expect("a fresh folder");
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE accepted (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;",
    )
    .expect("a fresh file");
    let (sender, receiver) = mpsc::channel::<(String, oneshot::Sender<i64>)>();
    let writer = std::thread::spawn(move || {
        while let Ok(first) = receiver.recv() {
            let waiting: Vec<_> = std::iter::once(first).chain(receiver.try_iter()).collect();
            let tx = conn.unchecked_transaction().expect("nobody else writes");
            let mut ids = Vec::with_capacity(waiting.len());
            for (body, _) in &waiting {
                tx.prepare_cached("INSERT INTO accepted (body) VALUES (?1)")
                    .and_then(|mut insert| insert.insert([body]))
                    .map(|id| ids.push(id))
                    .expect("there is room");
            }
            tx.commit().expect("there is room");
            for ((_, answer), id) in waiting.into_iter().zip(ids) {
                // Whoever asked may have left.
                let _ = answer.send(id);
            }
        }
    });
    let accept = |State(sender): State<mpsc::Sender<(String, oneshot::Sender<i64>)>>,
                  Json(body): Json<Value>| async move {
        let (answer, done) = oneshot::channel();
        let sent = sender.send((body.to_string(), answer));
        match (sent, done.await) {
            (Ok(()), Ok(id)) => (StatusCode::CREATED, Json(json!({ "run_id": id }))),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, Json(Value::Null)),
        }
    };
    let router = Router::new()
        .route(LIVE, get(|| async { Json(json!({ "status": "ok" })) }))
        .route(RUNS, post(accept))
        .with_state(sender);
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.expect("a free port");
        axum::serve(listener, router).await.expect("it serves until it is killed");
    });
    writer.join().expect("it does not panic");
}

/// A server under load. Ended when it is dropped.
struct Server {
    name: &'static str,
    child: Child,
    address: String,
}

impl Server {
    fn limit(folder: &Path) -> Self {
        let port = free_port();
        let mut command = Command::new(std::env::current_exe().expect("this bench is a file"));
        command.args(["--limit", &port.to_string()]).arg(folder.join("limit.sqlite"));
        Self::spawn("limit", command, port)
    }

    fn ours(folder: &Path) -> Self {
        let manifest: PathBuf = folder.join("bench.json");
        let entries = json!({"source": "bench", "entries": [
            {"domain": "task", "key": "noop", "provider": "bench", "factory": "builtin:noop"},
            {"domain": "workflow", "key": "bench", "provider": "bench", "factory": "builtin:noop",
             "dag": {"nodes": [{"id": "a", "task": "noop"}]}},
        ]});
        std::fs::write(&manifest, entries.to_string()).expect("a fresh folder");
        let port = free_port();
        let mut command = Command::new(ONEIRIC);
        command.arg("--manifest").arg(manifest).arg("--state-dir").arg(folder.join("state"));
        command.args(["--log-level", "warn", "orchestrate", "--http-port", &port.to_string()]);
        Self::spawn("ours", command, port)
    }

    fn spawn(name: &'static str, mut command: Command, port: u16) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it was just built");
        let address = format!("127.0.0.1:{port}");
        while std::net::TcpStream::connect(&address).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { name, child, address }
    }

    /// So many requests over so many connections, each as soon as the one before is answered.
    async fn closed(&self, connections: usize, requests: u64, request: Request) -> Done {
        let left = Arc::new(AtomicU64::new(requests));
        let (start, mut clients) = (Instant::now(), Vec::new());
        for _ in 0..connections {
            let (address, left, request) = (self.address.clone(), Arc::clone(&left), request.clone());
            clients.push(tokio::spawn(async move {
                let mut answers = Answers::default();
                let mut connection = Connection::default();
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                    .is_ok()
                {
                    let asked = Instant::now();
                    let status = connection.ask(&address, &request).await;
                    answers.count(status, asked);
                }
                answers
            }));
        }
        let mut all = Answers::default();
        for client in clients {
            all.add(client.await.expect("it does not panic"));
        }
        Done { took: start.elapsed(), refused: all.refused, all }
    }

    /// Requests at a rate for so long.
    async fn paced(&self, rate: u64, seconds: u64, request: Request) -> Answers {
        let connections = CLIENTS as u64;
        let (start, mut clients) = (Instant::now(), Vec::new());
        for client in 0..connections {
            let (address, request) = (self.address.clone(), request.clone());
            clients.push(tokio::spawn(async move {
                let mut answers = Answers::default();
                let mut connection = Connection::default();
                for place in (client..rate * seconds).step_by(connections as usize) {
                    let moment = start + Duration::from_micros(place * 1_000_000 / rate);
                    tokio::time::sleep_until(moment).await;
                    let status = connection.ask(&address, &request).await;
                    answers.count(status, moment);
                }
                answers
            }));
        }
        let mut all = Answers::default();
        for client in clients {
            all.add(client.await.expect("it does not panic"));
        }
        all
    }

    fn resident_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it has an address").port()
}

/// A request as it goes over the wire.
#[derive(Debug, Clone)]
struct Request(Arc<str>);

impl Request {
    fn get(path: &str) -> Self {
        Self(format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n").into())
    }

    fn submit() -> Self {
        let body = json!({"workflow": "bench", "context": {"tenant": "shop", "order": 4711, "total": 12.5}})
            .to_string();
        let length = body.len();
        Self(format!("POST {RUNS} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into())
    }
}

/// A connection that is kept for as long as the server keeps it.
#[derive(Default)]
struct Connection {
    stream: Option<TcpStream>,
    read: Vec<u8>,
}

impl Connection {
    /// The status of the answer; 0 where there was none.
    async fn ask(&mut self, address: &str, request: &Request) -> u16 {
        match self.exchange(address, request).await {
            Ok(status) => status,
            Err(_) => {
                self.stream = None;
                0
            }
        }
    }

    async fn exchange(&mut self, address: &str, request: &Request) -> std::io::Result<u16> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                none.insert(stream)
            }
        };
        stream.write_all(request.0.as_bytes()).await?;
        self.read.clear();
        let head = loop {
            if stream.read_buf(&mut self.read).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let text = String::from_utf8_lossy(&self.read[..head]).to_lowercase();
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next());
        let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        while self.read.len() < head + length {
            if stream.read_buf(&mut self.read).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        if text.contains("connection: close") {
            self.stream = None;
        }
        Ok(text[9..12].parse().unwrap_or(0))
    }
}

struct Done {
    took: Duration,
    refused: u64,
    all: Answers,
}

/// What came back.
#[derive(Default)]
struct Answers {
    taken: u64,
    /// 429 and 503.
    refused: u64,
    /// Anything else, or nothing.
    errors: u64,
    times: Vec<Duration>,
}

impl Answers {
    fn count(&mut self, status: u16, asked: Instant) {
        match status {
            200..=299 => self.taken += 1,
            429 | 503 => self.refused += 1,
            _ => self.errors += 1,
        }
        self.times.push(asked.elapsed());
    }

    fn add(&mut self, other: Answers) {
        self.taken += other.taken;
        self.refused += other.refused;
        self.errors += other.errors;
        self.times.extend(other.times);
    }

    fn told(&mut self) -> String {
        self.times.sort_unstable();
        let part = |share: f64| {
            self.times.get((self.times.len() as f64 * share) as usize).copied().unwrap_or_default()
        };
        let (Self { taken, refused, errors, .. }, half, most) = (&*self, part(0.5), part(0.99));
        format!("{taken} taken, {refused} refused, {errors} errors, p50 {half:.2?}, p99 {most:.2?}")
    }
}

fn steady(runtime: &Runtime, server: &Server, seconds: u64) {
    let before = server.resident_mib();
    let (mut submits, mut health) = runtime.block_on(async {
        tokio::join!(
            server.paced(RATE, seconds, Request::submit()),
            server.paced(20, seconds, Request::get("/v1/health/live")),
        )
    });
    let name = server.name;
    println!("{name:<8} {}; health {}", submits.told(), health.told());
    println!("{:<8} memory {before:.1} -> {:.1} MiB", "", server.resident_mib());
}

fn flood(runtime: &Runtime, server: &Server) {
    let before = server.resident_mib();
    let (took, (mut submits, mut health)) = timed(|| {
        runtime.block_on(async {
            let request = Request::submit();
            let flood = server.closed(FLOOD, 20 * SUBMITS, request);
            let beside = server.paced(20, 15, Request::get("/v1/health/live"));
            let (flood, beside) = tokio::join!(flood, beside);
            (flood.all, beside)
        })
    });
    println!("{:<8} {}; health {} ({took:.1?})", server.name, submits.told(), health.told());
    println!("{:<8} memory {before:.1} -> {:.1} MiB", "", server.resident_mib());
}

#[expect(clippy::disallowed_methods, reason = "whoever measures says so in the environment")]
fn number(variable: &str, unless_said: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(unless_said)
}
