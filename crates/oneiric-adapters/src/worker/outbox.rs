//! What is written to a worker: whole lines in their order, from any thread, without waiting.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::net::unix::pipe;
use tokio::sync::Notify;

/// The standard input of a worker. A line goes into the pipe at once where there is room; what is left
/// of it is written by [`Outbox::flush`]. So nobody who drops a call can tear a line.
///
/// Bounded by its users: it holds no more than the inputs of the calls under way and a few short lines.
#[derive(Debug)]
pub(super) struct Outbox {
    pipe: pipe::Sender,
    rest: Mutex<Rest>,
    more: Notify,
}

/// What did not fit into the pipe.
#[derive(Debug, Default)]
struct Rest {
    bytes: Vec<u8>,
    /// How much of it is written by now.
    written: usize,
}

impl Rest {
    fn left(&self) -> &[u8] {
        &self.bytes[self.written..]
    }
}

impl Outbox {
    pub(super) fn new(pipe: pipe::Sender) -> Self {
        Self { pipe, rest: Mutex::default(), more: Notify::new() }
    }

    /// Takes one line with its line feed; `false` where the worker reads no more, and has seen nothing of
    /// it.
    pub(super) fn send(&self, line: &[u8]) -> bool {
        let mut rest = self.rest();
        if !rest.left().is_empty() {
            rest.bytes.extend_from_slice(line);
            return true;
        }
        let written = match self.pipe.try_write(line) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return false,
        };
        if written < line.len() {
            rest.bytes.extend_from_slice(&line[written..]);
            self.more.notify_one();
        }
        true
    }

    /// Writes what did not fit, for ever; returns only when the worker no longer reads. Safe to drop and
    /// to call again.
    pub(super) async fn flush(&self) -> io::Error {
        loop {
            if self.rest().left().is_empty() {
                self.more.notified().await;
            }
            if let Err(error) = self.pipe.writable().await {
                return error;
            }
            let mut rest = self.rest();
            match self.pipe.try_write(rest.left()) {
                Ok(written) => rest.written += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return error,
            }
            if rest.left().is_empty() {
                // A large input is not kept for the life of the worker.
                *rest = Rest::default();
            }
        }
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
