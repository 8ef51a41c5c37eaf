//! A state folder with a ledger: runs are submitted to it, processes serve it, and the ledger says
//! afterwards what had happened.
//!
//! The ledger is what a careful receiver of effects would be: it takes one effect for each idempotency key,
//! and writes down every try.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use oneiric_core::{Payload, Rng, RunId, Timestamp};
use oneiric_runtime::{Bundle, DATABASE, ManifestFile, control};
use oneiric_store::sqlite::Options;
use oneiric_store::{Batch, CommandRecord, Op, RunRecord, SqliteStore, Store as _};
use oneiric_testkit::graphs::{id, random_shape};
use serde_json::{Value, json};

use crate::support::{Ended, Home, LONG, nap, until};

/// No node is poison in these stories, however often its process dies: it is the test that kills.
pub(crate) const INNOCENT: (&str, &str) = ("ONEIRIC_EXECUTION__MAX_DELIVERIES", "1000");

/// A try is written down, and its effect is taken where its key is new. Both are one system call each, so
/// that a kill leaves no half of them.
const LEDGER: &str = r#"printf '%s %s %s %s\n' "$ONEIRIC_IDEMPOTENCY_KEY" "$ONEIRIC_RUN_ID" "$ONEIRIC_NODE" "$ONEIRIC_ATTEMPT" >> "$LEDGER/attempts"
eval "$BEFORE"
( set -C; : > "$LEDGER/applied/$ONEIRIC_IDEMPOTENCY_KEY" ) 2>/dev/null || :
eval "$AFTER""#;

/// The folder, the manifest, and what was submitted.
pub(super) struct Stage {
    pub(super) home: Home,
    ledger: PathBuf,
    manifest: String,
    nodes: usize,
    submitted: Vec<RunId>,
    store: SqliteStore,
    runtime: tokio::runtime::Runtime,
}

/// One `oneiric` process. Killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Stage {
    /// A workflow `w` of `nodes` nodes, each of which tells the ledger; `before` and `after` are what its
    /// shell does around the effect.
    pub(super) fn new(rng: &dyn Rng, nodes: usize, before: &str, after: &str) -> Self {
        Self::retrying(rng, nodes, before, after, 0.01)
    }

    /// The same; a try that failed is repeated after so many seconds.
    pub(super) fn retrying(rng: &dyn Rng, nodes: usize, before: &str, after: &str, delay: f64) -> Self {
        let home = Home::new();
        let ledger = home.path().join("ledger");
        std::fs::create_dir_all(ledger.join("applied")).unwrap();
        let shape: Vec<Value> = random_shape(rng, nodes, 3)
            .iter()
            .enumerate()
            .map(|(place, upstream)| {
                let upstream: Vec<_> = upstream.iter().map(|place| id(*place).to_string()).collect();
                json!({"id": id(place).to_string(), "task": "tell", "depends_on": upstream})
            })
            .collect();
        let exec = json!({
            "args": ["-euc", LEDGER], "stdout": "none",
            "env": {"LEDGER": ledger, "BEFORE": before, "AFTER": after},
        });
        let entries = json!([
            {"domain": "task", "key": "tell", "provider": "sh", "factory": "exec:sh",
             "metadata": {"exec": exec}, "retry_policy": {"attempts": 5, "base_delay": delay, "max_delay": delay}},
            {"domain": "workflow", "key": "w", "provider": "test", "factory": "builtin:noop",
             "dag": {"nodes": shape}},
        ]);
        let manifest = json!({"source": "ownership", "entries": entries}).to_string();
        home.file("w.json", &manifest);
        let state = home.path().join(".oneiric_cache");
        std::fs::create_dir_all(&state).unwrap();
        let store = SqliteStore::open(state.join(DATABASE), Options::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { home, ledger, manifest, nodes, submitted: Vec::new(), store, runtime }
    }

    pub(super) fn state_dir(&self) -> PathBuf {
        self.home.path().join(".oneiric_cache")
    }

    /// Puts runs into the store, for whoever serves, and rings.
    pub(super) fn submit(&mut self, rng: &dyn Rng, runs: usize) {
        let bundle = Bundle { files: vec![ManifestFile::new("w.json", self.manifest.as_bytes())] };
        let (digest, blobs) = bundle.blobs();
        let mut batch = Batch::of(blobs.into_iter().map(Op::Blob));
        for _ in 0..runs {
            let bytes = ((u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64())).to_be_bytes();
            let run = RunId::from_bytes(bytes);
            let record = RunRecord::new(run, "w".parse().unwrap(), digest, Payload::NULL, now());
            batch.ops.push(Op::InsertRun(Box::new(record)));
            self.submitted.push(run);
        }
        self.runtime.block_on(self.store.commit(batch)).unwrap();
        control::ring(&self.state_dir(), None);
    }

    /// Puts a command for the first run that was submitted, and rings.
    pub(super) fn ask(&self, rng: &dyn Rng, command: oneiric_store::Command) {
        let id = (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
        let record = CommandRecord { run: self.submitted[0], id, at: now(), actor: None, command };
        self.runtime.block_on(self.store.commit(Batch::of([Op::PutCommand(record)]))).unwrap();
        control::ring(&self.state_dir(), None);
    }

    /// A command line on this folder that is not told how often its process may die.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.command(arguments);
        command.env(INNOCENT.0, INNOCENT.1);
        command
    }

    /// Starts one that nobody listens to while it lives; `name` tells its log.
    pub(super) fn spawn(&self, name: &str, command: Command, variables: &[(&str, &str)]) -> Process {
        Process::spawn(&self.home, name, command, variables)
    }

    /// Starts a process that serves.
    pub(super) fn orchestrate(&self, name: &str, variables: &[(&str, &str)]) -> Process {
        self.spawn(name, self.command(&["orchestrate", "--grace", "5"]), variables)
    }

    pub(super) fn database(&self) -> rusqlite::Connection {
        let conn = rusqlite::Connection::open(self.state_dir().join(DATABASE)).unwrap();
        conn.busy_timeout(LONG).unwrap();
        conn
    }

    /// A run was submitted by somebody else, on the same workflow.
    pub(super) fn was_submitted(&mut self, run: RunId) {
        self.submitted.push(run);
    }

    /// The runs that were submitted and are not in the store.
    pub(super) fn missing(&self) -> Vec<RunId> {
        let conn = self.database();
        let mut known = conn.prepare("SELECT count(*) FROM runs WHERE id = ?1").unwrap();
        let mut is_there =
            |run: &RunId| known.query_row([run.as_bytes()], |row| row.get::<_, i64>(0)).unwrap() == 1;
        self.submitted.iter().filter(|run| !is_there(run)).copied().collect()
    }

    /// How many runs were submitted.
    pub(super) fn submitted(&self) -> usize {
        self.submitted.len()
    }

    /// How many runs there are.
    pub(super) fn runs(&self) -> usize {
        self.database().query_row("SELECT count(*) FROM runs", [], |row| row.get::<_, i64>(0)).unwrap()
            as usize
    }

    /// How many runs have not completed.
    pub(super) fn open_runs(&self) -> usize {
        let sql = "SELECT count(*) FROM run_view WHERE status <> 'completed'";
        self.database().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() as usize
    }

    pub(super) fn tries(&self) -> usize {
        lines(&self.ledger.join("attempts")).len()
    }

    /// Waits until everything that was submitted has completed.
    pub(super) fn settle(&self) {
        let start = crate::support::now();
        while self.open_runs() > 0 {
            assert!(start.elapsed() < LONG, "runs do not complete\n{}", self.told());
            nap(Duration::from_millis(20));
        }
    }

    /// What a person would look at first.
    fn told(&self) -> String {
        let sick = self.home.run(&["doctor"]).stdout;
        let sql = "SELECT r.id || ' ' || r.status || ', ' || coalesce(n.name || ' ' || n.status, '')
                     || ' ' || coalesce(n.reason, '') || ' tries ' || coalesce(n.attempt, 0)
                   FROM run_view r LEFT JOIN node_view n ON n.run = r.id AND n.status <> 'completed'
                   WHERE r.status <> 'completed' LIMIT 20";
        let conn = self.database();
        let mut rows = conn.prepare(sql).unwrap();
        let rows: Vec<String> = rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        format!("{}\n{sick}", rows.join("\n"))
    }

    /// What has to hold once everything has settled: nothing was lost, every effect counts once, no node ran
    /// again behind its checkpoint, nothing is stuck, the file is sound. Returns how many tries there were.
    pub(super) fn audit(&self) -> usize {
        let conn = self.database();
        let runs: i64 = conn.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap();
        let known: HashSet<String> = conn
            .prepare("SELECT lower(hex(id)) FROM runs")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for run in &self.submitted {
            assert!(known.contains(&run.to_string()), "run {run} was lost");
        }
        assert_eq!(self.open_runs(), 0, "every run completed");

        // Each node has one key, whichever process tried it, and each key one effect.
        let mut keys: HashMap<(String, String), HashSet<String>> = HashMap::new();
        let mut highest: HashMap<(String, String), u32> = HashMap::new();
        let attempts = lines(&self.ledger.join("attempts"));
        for line in &attempts {
            let [key, run, node, attempt] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("not a line of the ledger: {line}");
            };
            let of = (run.to_owned(), node.to_owned());
            keys.entry(of.clone()).or_default().insert(key.to_owned());
            let attempt: u32 = attempt.parse().unwrap();
            let highest = highest.entry(of).or_default();
            *highest = attempt.max(*highest);
        }
        let applied = std::fs::read_dir(self.ledger.join("applied")).unwrap().count();
        assert_eq!(
            applied,
            usize::try_from(runs).unwrap() * self.nodes,
            "an effect for each node of each run"
        );
        let doubled: Vec<_> = keys.iter().filter(|(_, keys)| keys.len() != 1).collect();
        assert!(doubled.is_empty(), "would have been applied twice: {doubled:?}");

        // The journal says at which try a node got its checkpoint; there is none behind that.
        let mut rows = conn
            .prepare(
                "SELECT lower(hex(r.id)), n.name, count(*), min(json_extract(j.event, '$.attempt'))
                 FROM journal j JOIN runs r ON r.n = j.run
                 JOIN nodes n ON n.run = j.run AND n.node = json_extract(j.event, '$.node')
                 WHERE json_extract(j.event, '$.type') = 'succeeded' GROUP BY j.run, n.node",
            )
            .unwrap();
        let succeeded: Vec<((String, String), i64, u32)> = rows
            .query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?, row.get(3)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(succeeded.len(), applied, "every node has one checkpoint");
        for (node, times, attempt) in succeeded {
            assert_eq!(times, 1, "{node:?} succeeded once");
            assert_eq!(highest[&node], attempt, "{node:?} ran again behind its checkpoint");
        }

        // Owners follow each other: nobody with an older fence has written behind one with a newer.
        let late: i64 = conn
            .query_row(
                "SELECT count(*) FROM (SELECT epoch < lag(epoch) OVER (PARTITION BY run ORDER BY seq) AS late
                 FROM journal) WHERE late",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(late, 0, "an owner that was overtaken wrote");

        let sick = Ended::of(&self.command(&["doctor", "--json"]).output().unwrap());
        assert_eq!(sick.json()["findings"], json!([]), "{sick:?}");
        assert_eq!(self.home.json(&["store", "check", "--json"])["problems"], json!([]));
        attempts.len()
    }
}

impl Process {
    /// Starts one that nobody listens to while it lives; `name` tells its log.
    pub(crate) fn spawn(home: &Home, name: &str, mut command: Command, variables: &[(&str, &str)]) -> Self {
        command.envs(variables.iter().copied());
        let log = home.path().join(format!("{name}.log"));
        let file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file).stdin(Stdio::null());
        Self { child: command.spawn().unwrap(), log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Kills it, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end; its exit code.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> Option<i32> {
        until("the process ends", || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap().code()
    }

    /// What it has logged so far, one object per line.
    pub(crate) fn log(&self) -> Vec<Value> {
        lines(&self.log).iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The lines of its log with this message.
    pub(crate) fn said(&self, message: &str) -> Vec<Value> {
        self.log().into_iter().filter(|line| line["message"] == message).collect()
    }

    /// Waits until it serves: signals are caught from then on.
    pub(crate) fn has_started(&self) {
        let pid = self.pid();
        until("it has started", || self.said("orchestrator started").iter().any(|line| line["pid"] == pid));
    }

    /// All of it, for a message.
    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended, or stand still; neither may outlive the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long a test is to be, where somebody says so in the environment.
#[expect(clippy::disallowed_methods, reason = "whoever wants a longer test says so in the environment")]
pub(super) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// A number below `bound`.
pub(crate) fn below(rng: &dyn Rng, bound: u64) -> u64 {
    rng.next_u64() % bound
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[expect(clippy::disallowed_methods, reason = "runs are submitted at the time of day")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
}
