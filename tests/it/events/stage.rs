//! A state folder, handlers that are programs, and a ledger in which they write down every call and its effect.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use oneiric_runtime::DATABASE;
use serde_json::{Value, json};

use crate::ownership::stage::{INNOCENT, Process};
use crate::support::{Home, LONG, nap, now};

/// A call is written down first, then its effect, once for each event. Each is one system call, so that a kill
/// leaves no half of it.
const HANDLER: &str = r#"read -r line; id=${line#*'"event_id":"'}; id=${id%%'"'*}
printf '%s %s\n' "$id" "$NAME" >> "$LEDGER/calls"
if [ -n "$FRONT" ] && [ ! -e "$LEDGER/applied/$id.$FRONT" ]; then echo "$id $NAME" >> "$LEDGER/disorder"; fi
if [ -n "$FLAKY" ] && mkdir "$LEDGER/flaky/$id" 2>/dev/null; then exit 1; fi
sleep "$TAKES"
( set -C; : > "$LEDGER/applied/$id.$NAME" ) 2>/dev/null || :"#;

/// A handler: its name, the one in front of it in the chain, and whether its first call fails.
struct Handler {
    name: &'static str,
    front: &'static str,
    flaky: &'static str,
}

/// Everybody wants every event; the last two one after the other.
const HANDLERS: [Handler; 4] = [
    Handler { name: "plain", front: "", flaky: "" },
    Handler { name: "flaky", front: "", flaky: "yes" },
    Handler { name: "first", front: "", flaky: "" },
    Handler { name: "second", front: "first", flaky: "" },
];

/// The folder and what was emitted into it.
pub(super) struct Stage {
    pub(super) home: Home,
    ledger: PathBuf,
    emitted: usize,
}

/// A process that emits one event, and that event.
pub(super) struct Emitter {
    pub(super) process: Process,
    pub(super) event: String,
}

/// An event and the name of a handler.
pub(super) type Delivery = (String, String);

impl Stage {
    /// Handlers that take so many seconds.
    pub(super) fn new(takes: &str) -> Self {
        let home = Home::new();
        let ledger = home.path().join("ledger");
        for folder in ["applied", "flaky"] {
            std::fs::create_dir_all(ledger.join(folder)).unwrap();
        }
        let entries: Vec<Value> = (0..)
            .zip(&HANDLERS)
            .map(|(place, Handler { name, front, flaky })| {
                let env =
                    json!({"LEDGER": ledger, "NAME": name, "FRONT": front, "FLAKY": flaky, "TAKES": takes});
                let chained = ["first", "second"].contains(name);
                json!({
                    "domain": "event", "key": name, "provider": "sh", "factory": "exec:sh",
                    "metadata": {"exec": {"args": ["-euc", HANDLER], "stdout": "none", "env": env}},
                    "event_topics": ["order.*"], "event_max_concurrency": 2, "event_priority": 10 - place,
                    "event_fanout_policy": if chained { "ordered" } else { "broadcast" },
                    "retry_policy": {"attempts": 5, "base_delay": 0.01, "max_delay": 0.01},
                })
            })
            .collect();
        home.file("events.json", &json!({"source": "events", "entries": entries}).to_string());
        Self { home, ledger, emitted: 0 }
    }

    /// Starts a process that emits an event of its own and waits for its handlers.
    pub(super) fn emit(&mut self, variables: &[(&str, &str)]) -> Emitter {
        self.emitted += 1;
        let event = format!("e{}", self.emitted);
        let headers = json!({"event_id": event}).to_string();
        let arguments = ["--manifest", "events.json", "event", "emit", "order.paid", "--headers", &headers];
        let process = self.spawn("emitter", &arguments, variables);
        Emitter { process, event }
    }

    /// Starts a process that serves and knows the handlers.
    pub(super) fn orchestrate(&self, variables: &[(&str, &str)]) -> Process {
        self.spawn("serving", &["--manifest", "events.json", "orchestrate", "--grace", "5"], variables)
    }

    pub(super) fn spawn(&self, name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Process {
        let mut command = self.home.command(arguments);
        command.env(INNOCENT.0, INNOCENT.1);
        Process::spawn(&self.home, name, command, variables)
    }

    pub(super) fn database(&self) -> rusqlite::Connection {
        let conn =
            rusqlite::Connection::open(self.home.path().join(".oneiric_cache").join(DATABASE)).unwrap();
        conn.busy_timeout(LONG).unwrap();
        conn
    }

    pub(super) fn count(&self, sql: &str) -> usize {
        let count: i64 = self.database().query_row(sql, [], |row| row.get(0)).unwrap();
        usize::try_from(count).unwrap()
    }

    /// Whether an event was accepted; there may be no state yet.
    pub(super) fn is_accepted(&self, event: &str) -> bool {
        let known = "SELECT EXISTS (SELECT 1 FROM envelopes WHERE id = ?1)";
        self.database().query_row(known, [event], |row| row.get(0)).unwrap()
    }

    /// How many deliveries are not over.
    pub(super) fn open_deliveries(&self) -> usize {
        self.count("SELECT count(*) FROM deliveries WHERE status IN (0, 1, 2)")
    }

    /// How often each handler was called with each event.
    pub(super) fn calls(&self) -> BTreeMap<Delivery, usize> {
        let mut calls = BTreeMap::new();
        for line in lines(&self.ledger.join("calls")) {
            let (event, handler) = line.split_once(' ').unwrap();
            *calls.entry((event.to_owned(), handler.to_owned())).or_default() += 1;
        }
        calls
    }

    /// The effects.
    pub(super) fn applied(&self) -> BTreeSet<Delivery> {
        let entries = std::fs::read_dir(self.ledger.join("applied")).unwrap();
        let name =
            |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        entries
            .map(|entry| {
                let name = name(entry);
                let (event, handler) = name.split_once('.').unwrap();
                (event.to_owned(), handler.to_owned())
            })
            .collect()
    }

    /// What the store calls done.
    pub(super) fn done(&self) -> BTreeSet<Delivery> {
        let conn = self.database();
        let mut rows = conn
            .prepare("SELECT e.id, d.handler FROM deliveries d JOIN envelopes e ON e.n = d.event WHERE d.status = 3")
            .unwrap();
        let delivery = |row: &rusqlite::Row<'_>| {
            let handler: String = row.get(1)?;
            Ok((row.get(0)?, handler.trim_end_matches(":sh").to_owned()))
        };
        rows.query_map([], delivery).unwrap().map(Result::unwrap).collect()
    }

    /// Ends the handlers that killed processes left behind.
    pub(super) fn reap(&self) {
        let entry = format!("LEDGER={}", self.ledger.display());
        let processes = || {
            let found = std::fs::read_dir("/proc").unwrap();
            found.filter_map(|process| process.ok()?.file_name().to_str()?.parse::<i32>().ok())
        };
        let ours = |pid: i32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|found| found == entry.as_bytes())
        };
        let start = now();
        while processes().any(ours) {
            assert!(start.elapsed() < LONG, "a handler does not end");
            for pid in processes().filter(|pid| ours(*pid)) {
                // Gone in the meantime is what was wanted.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            nap(Duration::from_millis(2));
        }
    }

    /// Waits until every delivery is over.
    pub(super) fn settle(&self) {
        let start = now();
        while self.open_deliveries() > 0 {
            assert!(start.elapsed() < LONG, "events do not reach their handlers\n{}", self.told());
            nap(Duration::from_millis(20));
        }
    }

    /// What a person would look at first.
    fn told(&self) -> String {
        let sql = "SELECT event || ' ' || handler || ' ' || status || ' owner ' || coalesce(owner, 'none')
                     || ' tries ' || attempts || ' ' || coalesce(reason, '')
                   FROM delivery_view WHERE status IN ('held', 'pending', 'running') LIMIT 20";
        let conn = self.database();
        let mut rows = conn.prepare(sql).unwrap();
        let rows: Vec<String> = rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        format!("{}\n{}", rows.join("\n"), self.home.run(&["doctor"]).stdout)
    }

    /// What has to hold once everything is over: every accepted event reached everybody, in order, every effect
    /// counts once, nothing is stuck, the file is sound. Returns how many events were accepted.
    pub(super) fn audit(&self) -> usize {
        let conn = self.database();
        let mut rows = conn.prepare("SELECT id FROM envelopes").unwrap();
        let accepted: Vec<String> =
            rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let all: BTreeSet<Delivery> = accepted
            .iter()
            .flat_map(|event| HANDLERS.iter().map(|handler| (event.clone(), handler.name.to_owned())))
            .collect();
        assert_eq!(self.done(), all, "every promise was kept, and no other was made");
        assert_eq!(self.applied(), all, "an effect for each");
        assert_eq!(lines(&self.ledger.join("disorder")), Vec::<String>::new(), "a chain lost its order");
        let sick = self.home.run(&["doctor", "--json"]).json();
        assert_eq!(sick["findings"], json!([]), "{sick:#}");
        assert_eq!(self.home.json(&["store", "check", "--json"])["problems"], json!([]));
        accepted.len()
    }
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}
