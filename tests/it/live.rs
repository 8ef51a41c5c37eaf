//! Live processes that others ask: workflows under way, each on a task that sleeps.

use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{Home, until, wait};

/// Two providers of one task, one of an action, and a workflow that holds its process.
pub(crate) const SHOP: &str = r#"
entries:
- {domain: task, key: shop.charge, provider: old, factory: 'builtin:echo', priority: 5}
- {domain: task, key: shop.charge, provider: new, factory: 'builtin:noop'}
- {domain: task, key: shop.charge, provider: broken, factory: 'exec:no-such-program-anywhere', priority: -1}
- {domain: task, key: shop.wait, provider: shop, factory: 'builtin:sleep'}
- {domain: action, key: shop.price, provider: shop, factory: 'builtin:echo'}
- domain: workflow
  key: shop.checkout
  provider: shop
  factory: 'builtin:noop'
  dag:
    nodes:
    - {id: charge, task: shop.charge}
    - {id: wait, task: shop.wait, payload: {seconds: 3600}, depends_on: [charge]}
"#;

/// A home and the processes in it; they end with it.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) home: Home,
    processes: Vec<Child>,
}

impl Shop {
    /// A home with a manifest, `shop.yaml`.
    pub(crate) fn new() -> Self {
        Self::with(Home::new(), SHOP)
    }

    /// A home with another one.
    pub(crate) fn with(home: Home, manifest: &str) -> Self {
        home.file("shop.yaml", manifest);
        Self { home, processes: Vec::new() }
    }

    /// Starts a process and waits until it sleeps; its number.
    pub(crate) fn open(&mut self) -> u32 {
        let arguments = ["--manifest", "shop.yaml", "workflow", "run", "shop.checkout"];
        let child = self.home.command(&arguments).spawn().unwrap();
        let pid = child.id();
        self.processes.push(child);
        until("the process sleeps", || {
            let rows = self.rows("shop.wait");
            rows.iter().any(|row| row["pid"] == pid && row["instance_state"] == "ready")
        });
        pid
    }

    /// Ends the process that was started first, and waits for its end.
    pub(crate) fn end(&mut self, signal: Signal) {
        let child = self.processes.remove(0);
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        wait(child);
    }

    /// The rows of a key in `status --json`, one per process.
    pub(crate) fn rows(&self, key: &str) -> Vec<Value> {
        let said = self.home.run(&["status", "--json"]).exits(0).json();
        let rows = said["status"].as_array().unwrap();
        rows.iter().filter(|row| row["key"] == key).cloned().collect()
    }

    /// Whose instance serves a key, by process.
    pub(crate) fn serving(&self, key: &str) -> Vec<(u64, String)> {
        let rows = self.rows(key).into_iter();
        let text = |row: &Value| row["lifecycle"]["current_provider"].as_str().unwrap_or("-").to_owned();
        rows.map(|row| (row["pid"].as_u64().unwrap(), text(&row))).collect()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        for child in &mut self.processes {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
