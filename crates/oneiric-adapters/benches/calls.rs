//! What does a call to a process cost beside the process?
//!
//! `worker:` the limit is a round trip of the same bytes over the pipes of a tokio process that sends back
//! what it gets: same writes, same reads, no protocol. Ours is the public path, `Task::run`, to a worker
//! that answers with its input. The bound is three times the limit. A second line has
//! blocking pipes of the standard library as its limit, for orientation.
//!
//! `exec:` the limit is `spawn`, write, `wait_with_output` of tokio for the same program. The bound is 1.3.
//!
//! `cargo bench -p oneiric-adapters --bench calls`; the figures are kept in `docs/benchmarks.md`. Two worker
//! threads; each arm runs as one task of the runtime, one call after the other.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and ends where it cannot go on"
)]
#![expect(clippy::disallowed_methods, reason = "a bench measures real time in the real environment")]

use std::future::Future;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use oneiric_adapters::Parts;
use oneiric_core::clock::Sleep;
use oneiric_core::environment::MapEnvironment;
use oneiric_core::rng::SeededRng;
use oneiric_core::roles::{LogSink, Pulse, Stream, Task, TaskContext};
use oneiric_core::{
    Blueprint, Clock, Descriptor, Domain, Factory, Key, NodeId, Payload, RunId, Source, Timestamp,
};
use oneiric_testkit::bench::compare;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const CALLS: u32 = 2_000;
const STARTS: u32 = 100;

#[derive(Debug)]
struct RealClock(Instant);

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, delay: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(delay))
    }
}

#[derive(Debug)]
struct NoLog;

impl LogSink for NoLog {
    fn line(&self, _: &TaskContext<'_>, _: Stream, _: &str) {}
}

/// The worker: answers every call with its input. It cuts the input out of the line, so that what is
/// measured is Oneiric and not its parser.
fn work() {
    let (mut lines, mut out) = (std::io::stdin().lock(), std::io::stdout().lock());
    let (mut line, mut answer) = (String::new(), String::new());
    while lines.read_line(&mut line).unwrap() > 0 {
        answer.clear();
        if let Some(call) = line.strip_prefix("{\"type\":\"call\",\"id\":") {
            let (id, rest) = call.split_once(',').unwrap();
            let (_, rest) = rest.split_once("\"input\":").unwrap();
            let (input, _) = rest.rsplit_once(",\"run\":").unwrap();
            for part in ["{\"type\":\"result\",\"id\":", id, ",\"output\":", input, "}\n"] {
                answer.push_str(part);
            }
        } else if line.starts_with("{\"type\":\"hello\"") {
            answer.push_str("{\"type\":\"ready\"}\n");
        } else {
            return;
        }
        out.write_all(answer.as_bytes()).unwrap();
        out.flush().unwrap();
        line.clear();
    }
}

/// The other end of the limit: sends back what it gets.
fn echo() {
    let (mut input, mut out) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match input.read(&mut chunk).unwrap() {
            0 => return,
            read => {
                out.write_all(&chunk[..read]).unwrap();
                out.flush().unwrap();
            }
        }
    }
}

/// How long a future takes on the runtime's own threads.
fn timed<F: Future<Output = ()> + Send + 'static>(runtime: &Runtime, body: F) -> Duration {
    let timed = async {
        let start = Instant::now();
        body.await;
        start.elapsed()
    };
    runtime.block_on(runtime.spawn(timed)).unwrap()
}

async fn task(factory: &str, section: &str, metadata: Value) -> Arc<dyn Task> {
    let environment = MapEnvironment::from_iter([("PATH", "/usr/bin:/bin")]);
    let parts =
        Parts::new(Arc::new(RealClock(Instant::now())), Arc::new(environment), Arc::new(SeededRng::new(1)));
    let mut descriptor = Descriptor::new(
        Domain::TASK,
        "bench".parse().unwrap(),
        "bench".parse().unwrap(),
        Factory::new(factory),
        Source::Manual,
    );
    descriptor.metadata.insert(section.to_owned(), metadata);
    let runtimes = oneiric_adapters::enabled(&parts);
    let runtime = runtimes.iter().find(|runtime| runtime.recognises(&descriptor)).unwrap();
    runtime.build(&Blueprint::from(descriptor)).await.unwrap().role::<dyn Task>().unwrap()
}

/// Calls the task one time after the other.
async fn call(task: Arc<dyn Task>, input: Payload, calls: u32) {
    let (workflow, node) = (Key::new("bench").unwrap(), NodeId::new("call").unwrap());
    let (cancel, log): (_, Arc<dyn LogSink>) = (CancellationToken::new(), Arc::new(NoLog));
    let input_hash = input.digest();
    let clock: Arc<dyn Clock> = Arc::new(RealClock(Instant::now()));
    for _ in 0..calls {
        let pulse = Pulse::new(&clock);
        let cx = TaskContext {
            run: RunId::from_bytes([7; 16]),
            workflow: &workflow,
            node: &node,
            attempt: 1,
            input: input.clone(),
            input_hash,
            cancel: &cancel,
            grace: Duration::from_secs(1),
            log: &log,
            pulse: &pulse,
        };
        assert_eq!(task.run(cx).await.unwrap(), input);
    }
}

/// The line of such a call.
fn line(input: &Payload) -> Vec<u8> {
    let message = json!({
        "type": "call", "id": 1234, "role": "task", "input": input.value(), "run": "07".repeat(16),
        "workflow": "bench", "node": "call", "attempt": 1,
        "idempotency_key": format!("{}.call.{}", "07".repeat(16), &input.digest().to_string()[..16]),
    });
    format!("{message}\n").into_bytes()
}

fn worker(runtime: &Runtime, name: &str, input: Payload) {
    let program = std::env::current_exe().unwrap();
    let metadata = json!({"args": ["--work"]});
    let task = runtime.block_on(task(&format!("worker:{}", program.display()), "worker", metadata));
    let line = line(&input);
    let ours = || timed(runtime, call(task.clone(), input.clone(), CALLS));

    let mut child = {
        let _inside = runtime.enter();
        tokio::process::Command::new(&program)
            .arg("--echo")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let pipes = (child.stdin.take().unwrap(), tokio::io::BufReader::new(child.stdout.take().unwrap()));
    let pipes = Arc::new(tokio::sync::Mutex::new(pipes));
    let raw = || {
        let (pipes, line) = (pipes.clone(), line.clone());
        timed(runtime, async move {
            let mut pipes = pipes.lock().await;
            let (stdin, stdout) = &mut *pipes;
            let mut back = Vec::new();
            for _ in 0..CALLS {
                stdin.write_all(&line).await.unwrap();
                back.clear();
                stdout.read_until(b'\n', &mut back).await.unwrap();
                assert_eq!(back.len(), line.len());
            }
        })
    };
    compare(format!("worker: {name}"), CALLS, raw, ours).print();

    let mut blocking = std::process::Command::new(&program)
        .arg("--echo")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = blocking.stdin.take().unwrap();
    let mut stdout = BufReader::new(blocking.stdout.take().unwrap());
    let raw = || {
        let start = Instant::now();
        let mut back = Vec::new();
        for _ in 0..CALLS {
            stdin.write_all(&line).unwrap();
            back.clear();
            stdout.read_until(b'\n', &mut back).unwrap();
        }
        start.elapsed()
    };
    compare(format!("worker: {name}, blocking limit"), CALLS, raw, ours).print();
    drop(stdin);
    blocking.wait().unwrap();
}

fn exec(runtime: &Runtime) {
    let input = Payload::from(json!({"order": 7}));
    let task = runtime.block_on(task("exec:/bin/cat", "exec", json!({})));
    let ours = || timed(runtime, call(task.clone(), input.clone(), STARTS));
    let line = format!("{}\n", input.value());
    let raw = || {
        let line = line.clone();
        timed(runtime, async move {
            for _ in 0..STARTS {
                let mut child = tokio::process::Command::new("/bin/cat")
                    .env_clear()
                    .env("PATH", "/usr/bin:/bin")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                let mut stdin = child.stdin.take().unwrap();
                stdin.write_all(line.as_bytes()).await.unwrap();
                drop(stdin);
                let output = child.wait_with_output().await.unwrap();
                assert_eq!(output.stdout.len(), line.len());
            }
        })
    };
    compare("exec: cat", STARTS, raw, ours).print();
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("--work") => return work(),
        Some("--echo") => return echo(),
        _ => {}
    }
    println!("one call, the process included");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    worker(&runtime, "small input", Payload::from(json!({"order": 7})));
    worker(&runtime, "input of 10 KB", Payload::from(json!({"text": "x".repeat(10_000)})));
    exec(&runtime);
}
