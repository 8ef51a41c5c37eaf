//! Something that runs for as long as the process does.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::Stream;
use crate::{Domain, Fault, Key, Role};

/// Long-lived work.
#[async_trait]
pub trait Service: Send + Sync {
    /// Works until `cx.stop` is cancelled, then finishes what is under way and returns.
    ///
    /// Returning before that is an end of service: the restart policy decides whether it is started again.
    /// Dropping the future stops it at once; that is what becomes of a service that does not stop in time.
    ///
    /// # Errors
    /// Why it cannot go on.
    async fn run(&self, cx: ServiceContext) -> Result<(), Fault>;

    /// Whether it says by [`ServiceContext::ready`] when it can do its work. Where it does not, it is ready as soon
    /// as it runs, or once its `ready` probe passes.
    fn says_ready(&self) -> bool {
        false
    }

    /// What it takes of the machine at this moment; `None` where it has no process of its own, or none now.
    fn figures(&self) -> Option<Figures> {
        None
    }
}

const _: fn(&dyn Service) = |_| {};

impl Role for dyn Service {
    const NAME: &'static str = "service";
    const DOMAIN: Domain = Domain::SERVICE;
}

/// What a service is told about the start that it serves, and whom it tells.
#[derive(Debug, Clone)]
pub struct ServiceContext {
    /// What it is called.
    pub key: Key,
    /// This start, counted from 1; restarts count, too.
    pub attempt: u32,
    /// Cancelled when it is to stop.
    pub stop: CancellationToken,
    watcher: Arc<dyn ServiceWatcher>,
}

impl ServiceContext {
    /// The context of one start.
    pub fn new(key: Key, attempt: u32, stop: CancellationToken, watcher: Arc<dyn ServiceWatcher>) -> Self {
        Self { key, attempt, stop, watcher }
    }

    /// The context of a service that nobody watches; for calling one by hand.
    pub fn alone(key: Key, stop: CancellationToken) -> Self {
        Self::new(key, 1, stop, Arc::new(Nobody))
    }

    /// Says that it can do its work from now on. Once is enough.
    pub fn ready(&self) {
        self.watcher.ready();
    }

    /// Writes a line, without its line feed, to the log of the service.
    pub fn line(&self, stream: Stream, line: &str) {
        self.watcher.line(stream, line);
    }
}

/// Whoever runs a service, as the service sees it.
pub trait ServiceWatcher: Send + Sync + fmt::Debug {
    /// The service can do its work.
    fn ready(&self);

    /// The service wrote a line. Must not block for longer than a write to a file does.
    fn line(&self, stream: Stream, line: &str);
}

const _: fn(&dyn ServiceWatcher) = |_| {};

#[derive(Debug)]
struct Nobody;

impl ServiceWatcher for Nobody {
    fn ready(&self) {}

    fn line(&self, _: Stream, _: &str) {}
}

/// What a service with processes of its own takes of the machine. Shape:
/// `{"pid":4711,"processes":2,"threads":9,"rss_bytes":12582912,"cpu_seconds":0.42,"open_files":17}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Its first process.
    pub pid: u32,
    /// How many processes there are in its group.
    pub processes: u32,
    /// Their threads.
    pub threads: u32,
    /// Their resident memory, in bytes; what they share is counted more than once.
    pub rss_bytes: u64,
    /// The processor time that they have used, user and system.
    pub cpu_seconds: f64,
    /// The files that its first process has open; `None` where that cannot be seen.
    pub open_files: Option<u32>,
}
