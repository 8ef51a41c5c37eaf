//! Attacks on a process of its own, whose memory is watched. Nothing is told by a clock: what has to be refused or
//! cut is waited for.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream as Socket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use futures_util::stream;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use oneiric_core::settings::{HttpScope, Seconds, Settings};
use oneiric_runtime::SystemClock;

use super::*;
use crate::access::Access;
use crate::route::RouteInfo;

/// What an attack may cost.
const MOST_GROWTH: u64 = 32 << 20;

/// How many connections the process under attack has, at most.
const CONNECTIONS: u32 = 512;

/// How many come in.
const CROWD: usize = 1000;

fn row<H, T>(method: Method, path: &'static str, handler: H) -> (RouteInfo, MethodRouter<App>)
where
    H: axum::handler::Handler<T, App>,
    T: 'static,
{
    let filter = MethodFilter::try_from(method.clone()).unwrap();
    let access = Access::Scope(HttpScope::Operate);
    (RouteInfo { method, path, access, ..routes::routes()[0].clone() }, on(filter, handler))
}

/// Says on standard output that the client of a stream was cut.
struct Cut;

impl Drop for Cut {
    fn drop(&mut self) {
        println!("\na stream ended");
    }
}

/// As fast as somebody reads, and no faster.
async fn flood() -> Body {
    let cut = Cut;
    Body::from_stream(stream::repeat_with(move || {
        let _cut = &cut;
        Ok::<_, io::Error>(Bytes::from_static(&[b'x'; 16 << 10]))
    }))
}

/// The process under attack. By itself it does nothing: its standard input is at its end.
#[test]
#[ignore = "is started by the tests beside it"]
fn a_process_under_attack() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut settings = Settings::default();
        settings.http.port = Some(0);
        let limits = &mut settings.http.limits;
        limits.connections = CONNECTIONS;
        (limits.header_seconds, limits.write_seconds) = (Seconds::new(1.0), Seconds::new(1.0));
        limits.request_seconds = Seconds::new(2.0);
        let options = Options::of(&settings, false).unwrap().unwrap();
        let oneiric = Oneiric::builder().settings(settings).start().await.unwrap();
        let server = Server::bind(oneiric, options).await.unwrap();
        let mut table = vec![
            row(Method::POST, "/echo", |body: Bytes| async move { body.len().to_string() }),
            row(Method::GET, "/flood", flood),
        ];
        table[1].0.streams = true;
        table.extend(routes::table().into_iter().map(|route| (route.info, route.answer)));
        println!("\nlistening {}", server.address());
        let router = routes::behind_rules(table, server.app.clone());
        let (stop, clock) = (CancellationToken::new(), Arc::new(SystemClock::default()));
        let stopper = stop.clone();
        std::thread::spawn(move || {
            let _ = io::stdin().read(&mut [0]);
            stopper.cancel();
        });
        server.answer(router, stop, Duration::ZERO, clock).await;
    });
}

/// A process under attack.
struct Victim {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    address: SocketAddr,
}

impl Victim {
    fn start() -> Self {
        // Each side of a thousand connections needs a descriptor.
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, hard.min(8192), hard).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "server::tests::a_process_under_attack", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("it ended before it listened").unwrap();
            if let Some(address) = line.strip_prefix("listening ") {
                break address.parse().unwrap();
            }
        };
        let victim = Self { child, lines, address };
        // What it needs once is not what an attack costs.
        assert_eq!(victim.health(), 200);
        assert_eq!(victim.post(b"[1]"), 200);
        victim
    }

    fn connect(&self) -> Socket {
        Socket::connect(self.address).unwrap()
    }

    /// Sends a head, and parts of a body for as long as they are taken; the status of the answer, 0 for none.
    fn send(&self, head: &str, body: impl Iterator<Item = Vec<u8>>) -> u16 {
        let mut socket = self.connect();
        let mut reader = socket.try_clone().unwrap();
        // Heard while it is sent: what is refused is answered before it has come.
        let answer = std::thread::spawn(move || {
            let mut answer = Vec::new();
            let _ = reader.read_to_end(&mut answer);
            answer
        });
        let head = format!("{head}\r\nhost: it\r\nconnection: close\r\n\r\n");
        let sent = socket.write_all(head.as_bytes());
        let _ = sent.and_then(|()| body.into_iter().try_for_each(|part| socket.write_all(&part)));
        let answer = answer.join().unwrap();
        let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
        status.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    fn post(&self, body: &[u8]) -> u16 {
        let head = format!(
            "POST /echo HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: {}",
            body.len()
        );
        self.send(&head, std::iter::once(body.to_vec()))
    }

    fn health(&self) -> u16 {
        self.send("GET /v1/health/live HTTP/1.1", std::iter::empty())
    }

    /// A line of its memory, in bytes.
    fn memory(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let found = status.lines().find_map(|found| found.strip_prefix(line)).unwrap();
        found.trim_matches([':', '\t', ' ', 'k', 'B']).parse::<u64>().unwrap() << 10
    }

    /// Does it, and sees to it that the most it ever took is not much more than what it took before.
    fn grows_little(&mut self, attack: impl FnOnce(&mut Self)) {
        let before = self.memory("VmRSS");
        attack(self);
        let most = self.memory("VmHWM");
        let growth = most.saturating_sub(before);
        println!("{} KiB before, {} KiB more at most", before >> 10, growth >> 10);
        assert!(growth <= MOST_GROWTH, "{} KiB more than {} KiB", growth >> 10, before >> 10);
        assert_eq!(self.health(), 200);
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// So many bytes, a part at a time.
fn spaces(bytes: usize) -> impl Iterator<Item = Vec<u8>> {
    const PART: usize = 64 << 10;
    (0..bytes.div_ceil(PART)).map(move |n| vec![b' '; PART.min(bytes - n * PART)])
}

#[test]
fn bodies_of_any_size_are_taken_or_refused_at_little_cost() {
    const LIMIT: usize = 1 << 20;
    Victim::start().grows_little(|victim| {
        for bytes in [1, 1000, LIMIT, LIMIT + 1, 64 << 20, 1 << 30] {
            let expected = if bytes <= LIMIT { 200 } else { 413 };
            let head = "POST /echo HTTP/1.1\r\ncontent-type: application/json";
            let stated = format!("{head}\r\ncontent-length: {bytes}");
            assert_eq!(victim.send(&stated, spaces(bytes)), expected, "{bytes} bytes");
            let chunks = spaces(bytes)
                .map(|part| [format!("{:x}\r\n", part.len()).as_bytes(), &part, b"\r\n"].concat());
            let whole = chunks.chain(std::iter::once(b"0\r\n\r\n".to_vec()));
            let chunked = format!("{head}\r\ntransfer-encoding: chunked");
            assert_eq!(victim.send(&chunked, whole), expected, "{bytes} bytes in chunks");
        }
        for depth in [64, 65, 100, 500_000] {
            let body = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            assert_eq!(victim.post(body.as_bytes()), if depth <= 64 { 200 } else { 400 }, "{depth} deep");
        }
        // Half a body, and no more: it is not waited for without end.
        let half = "POST /echo HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 100";
        assert_eq!(victim.send(half, std::iter::once(vec![b' '; 50])), 408);
    });
}

#[test]
fn bombs_of_headers_are_refused_at_little_cost() {
    Victim::start().grows_little(|victim| {
        let many = (0..10_000).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
        let long = format!("x: {}\r\n", "x".repeat(8 << 20));
        for bomb in [many, long] {
            let status = victim.send(&format!("GET /healthz HTTP/1.1\r\n{bomb}x: 1"), std::iter::empty());
            // Where it is cut while it is sent, the answer may be lost on the way.
            assert!([431, 400, 0].contains(&status), "{status}");
        }
        let uri = |bytes: usize| format!("GET /healthz?{} HTTP/1.1", "x".repeat(bytes));
        assert_eq!(victim.send(&uri(9000), std::iter::empty()), 414);
        assert!([431, 414, 400, 0].contains(&victim.send(&uri(70_000), std::iter::empty())));
        for method in ["BREW", "TRACE", "CONNECT"] {
            let status = victim.send(&format!("{method} /healthz HTTP/1.1"), std::iter::empty());
            assert!([405, 404, 400].contains(&status), "{method}: {status}");
        }
    });
}

#[test]
fn a_crowd_that_sends_its_headers_slowly_keeps_no_probe_out() {
    Victim::start().grows_little(|victim| {
        let mut crowd: Vec<Socket> = Vec::new();
        for n in 0..CROWD {
            let mut socket = victim.connect();
            let _ = socket.write_all(b"GET /healthz HTTP/1.1\r\nx-slow: ");
            crowd.push(socket);
            // One header goes on growing, one byte at a time; those who were cut do not hear it.
            for slow in crowd.iter_mut().rev().take(3) {
                let _ = slow.write_all(b"x");
            }
            if n % 50 == 0 || n + 1 == CROWD {
                assert_eq!(victim.health(), 200, "beside {n}");
            }
        }
        // None of them stays.
        for mut socket in crowd {
            let _ = socket.read_to_end(&mut Vec::new());
        }
    });
}

#[test]
fn a_client_that_reads_nothing_is_cut() {
    Victim::start().grows_little(|victim| {
        let sleepers: Vec<Socket> = (0..20)
            .map(|_| {
                let mut socket = victim.connect();
                socket.write_all(b"GET /flood HTTP/1.1\r\nhost: it\r\n\r\n").unwrap();
                socket
            })
            .collect();
        let mut cut = 0;
        while cut < sleepers.len() {
            let line = victim.lines.next().expect("it goes on").unwrap();
            cut += usize::from(line == "a stream ended");
        }
        assert_eq!(victim.health(), 200);
    });
}

#[test]
fn a_connection_that_asks_nothing_more_is_closed() {
    let victim = Victim::start();
    let mut socket = victim.connect();
    socket.write_all(b"GET /healthz HTTP/1.1\r\nhost: it\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    let _ = socket.shutdown(Shutdown::Both);
}
