//! Connections that only read, each on a snapshot of its own, beside the writer.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::connect::{self, Reader};
use super::error::store_error;
use crate::error::StoreError;

/// The most readers at a time: more would share the same disk, and each has a cache.
const READERS: usize = 4;

/// Each time somebody opened the file, wrote and closed it within one read: milliseconds of theirs.
const ASKED_AGAIN: u32 = 32;

/// Readers, opened when first needed. Whoever finds all of them busy waits.
#[derive(Debug)]
pub(super) struct Pool {
    path: PathBuf,
    beside_writer: bool,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Reader>,
    open: usize,
    closed: bool,
}

impl Pool {
    pub(super) fn new(path: PathBuf, beside_writer: bool) -> Self {
        Self { path, beside_writer, state: Mutex::default(), returned: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads something. May wait for the disk.
    pub(super) fn read<T>(&self, read: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let name = self.path.display().to_string();
        self.settled(|| {
            let loan = self.borrow()?;
            let answer = read(&loan.reader().conn).map_err(|error| store_error(&name, &error));
            Ok((answer, loan.reader().is_stale(&self.path)))
        })
    }

    /// As [`Pool::read`], on a reader outside of the pool: for work that takes long.
    pub(super) fn read_apart<T>(
        &self,
        read: impl Fn(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.settled(|| {
            if self.lock().closed {
                return Err(StoreError::Closed);
            }
            let reader = connect::reader(&self.path, self.beside_writer)?;
            let answer = read(&reader.conn);
            Ok((answer, reader.is_stale(&self.path)))
        })
    }

    /// Asks again while the answer comes from a file that was taken to be at rest and was written meanwhile.
    fn settled<T>(
        &self,
        ask: impl Fn() -> Result<(Result<T, StoreError>, bool), StoreError>,
    ) -> Result<T, StoreError> {
        for _ in 0..ASKED_AGAIN {
            let (answer, is_stale) = ask()?;
            if !is_stale {
                return answer;
            }
        }
        Err(StoreError::Io(format!(
            "{} was written and closed {ASKED_AGAIN} times while it was read; try again",
            self.path.display()
        )))
    }

    fn borrow(&self) -> Result<Loan<'_>, StoreError> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return Err(StoreError::Closed);
            }
            if let Some(reader) = state.idle.pop() {
                if !reader.is_stale(&self.path) {
                    return Ok(Loan { pool: self, reader: Some(reader) });
                }
                state.open -= 1;
            } else if state.open < READERS {
                state.open += 1;
                break;
            } else {
                state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        drop(state);
        let mut loan = Loan { pool: self, reader: None };
        loan.reader = Some(connect::reader(&self.path, self.beside_writer)?);
        Ok(loan)
    }

    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.idle.clear();
        drop(state);
        self.returned.notify_all();
    }
}

#[derive(Debug)]
struct Loan<'a> {
    pool: &'a Pool,
    reader: Option<Reader>,
}

impl Loan<'_> {
    fn reader(&self) -> &Reader {
        self.reader.as_ref().expect("a loan is handed out with its reader")
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        match self.reader.take() {
            Some(reader) if !state.closed && reader.is_reusable(&self.pool.path) => state.idle.push(reader),
            _ => state.open -= 1,
        }
        drop(state);
        self.pool.returned.notify_one();
    }
}

/// Does work that may wait for the disk without holding up the tasks beside this one: where the
/// runtime can move them away, here; otherwise on a thread for such work; without a runtime, here.
pub(super) async fn offload<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
            tokio::task::block_in_place(work)
        }
        Ok(handle) => handle
            .spawn_blocking(work)
            .await
            .unwrap_or_else(|error| Err(StoreError::Io(format!("the runtime gave the work up: {error}")))),
        Err(_) => work(),
    }
}
