//! The store in one file: SQLite, embedded.
//!
//! One connection writes, a few read on snapshots beside it (WAL). Commits are gathered: see
//! `sqlite/line.rs`. Several processes of one host may work on the file; a second host may not, and it
//! may not lie behind a network: see `sqlite/boots.rs` and `sqlite/place.rs`.
//!
//! Nothing here knows what a batch means. Time is the callers': a boot that is found dead has ended
//! at its last sign of life.

mod apply;
mod backlog;
mod backup;
mod boots;
mod check;
mod claim;
mod code;
mod connect;
mod encode;
mod error;
mod event;
mod line;
mod listing;
mod options;
mod place;
mod pool;
mod replay;
mod row;
mod ticket;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use async_trait::async_trait;
use oneiric_core::roles::EventId;
use oneiric_core::{BootId, Digest, RunId};
use rusqlite::{Connection, OptionalExtension};

use crate::batch::Batch;
use crate::claim::{Claim, DeliveryClaim, Waiting};
use crate::commit::{Commit, CommitError};
use crate::error::StoreError;
use crate::failpoint;
use crate::liveness::Violation;
use crate::record::activity::ActivityRecord;
use crate::record::boot::{BootRecord, BootSeen};
use crate::record::checkpoint::Checkpoint;
use crate::record::command::CommandRecord;
use crate::record::delivery::DeliveryRecord;
use crate::record::envelope::EnvelopeRecord;
use crate::record::journal::JournalEntry;
use crate::record::node::NodeRecord;
use crate::record::run::RunRecord;
use crate::store::{
    Backlog, DeliveryFilter, EnvelopeFilter, IntegrityReport, RunFilter, Store, WhoseCommands,
};
use boots::Boots;
use encode::Encoded;
use line::Line;
pub use line::Stats;
pub use options::{Access, Options, Synchronous};
pub use place::network;
use pool::{Pool, offload};
pub use replay::{Recorded, Replay};
use writer::{Answer, Work, Writer};

/// The store in one SQLite file. A clone is the same store.
///
/// A commit may run on the thread that polls it. On a multi-threaded tokio runtime it then moves the
/// tasks beside it away first (`block_in_place`, which a `LocalSet` does not allow); on any other
/// executor a thread of the store commits.
///
/// Dropping the last clone commits what is in line; [`Store::close`] does it without holding up an
/// executor and moves the WAL into the file.
#[derive(Debug, Clone)]
pub struct SqliteStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// `None` where the file was opened for reading.
    writing: Option<Writing>,
    pool: Arc<Pool>,
    boots: Arc<Boots>,
}

#[derive(Debug)]
struct Writing {
    line: Arc<Line>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens the file at `path`, or creates it in a folder that exists. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError::Open`] where there is no such place, or it holds something else (for a missing
    /// file in [`Access::ReadOnly`] the reason is `does not exist`), [`StoreError::Corrupt`],
    /// [`StoreError::Newer`], and [`StoreError::Shared`] on a file system behind a network.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<SqliteStore, StoreError> {
        let path = path.as_ref().to_owned();
        let boots = Arc::new(Boots::beside(&path));
        let writing = match options.access {
            Access::ReadOnly => {
                connect::inspect(&path)?;
                None
            }
            Access::ReadWrite => {
                let conn = connect::writer(&path, options.synchronous)?;
                let place: Arc<str> = path.display().to_string().into();
                let line = Arc::new(Line::new(Writer::new(conn, place, Arc::clone(&boots))));
                Some(Writing { thread: Mutex::new(Some(serve(&line)?)), line })
            }
        };
        let pool = Arc::new(Pool::new(path.clone(), writing.is_some()));
        Ok(Self(Arc::new(Inner { path, writing, pool, boots })))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// How often this store wrote, since it was opened.
    pub fn stats(&self) -> Stats {
        self.0.writing.as_ref().map(|writing| writing.line.stats()).unwrap_or_default()
    }

    /// Lock files of processes that are dead and buried: left by those that were silent first and died then.
    /// Whoever removes one does no harm.
    ///
    /// # Errors
    /// [`StoreError`] where the boots cannot be read.
    pub async fn stale_locks(&self) -> Result<Vec<PathBuf>, StoreError> {
        let boots = Arc::clone(&self.0.boots);
        self.read(move |conn| {
            let open: Vec<_> = row::open_boots(conn)?.into_iter().map(|(boot, ..)| boot.id).collect();
            Ok(boots.stale(&open))
        })
        .await
    }

    fn line(&self) -> Result<&Arc<Line>, StoreError> {
        match &self.0.writing {
            Some(writing) => Ok(&writing.line),
            None => {
                Err(StoreError::Unsupported(format!("{} was opened for reading only", self.0.path.display())))
            }
        }
    }

    async fn work(&self, work: Work) -> Result<Answer, CommitError> {
        self.line()?.submit(work)?.await
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let pool = Arc::clone(&self.0.pool);
        offload(move || pool.read(read)).await
    }
}

/// Starts the thread that commits what nobody else does.
fn serve(line: &Arc<Line>) -> Result<JoinHandle<()>, StoreError> {
    let line = Arc::clone(line);
    thread::Builder::new()
        .name("oneiric-store".to_owned())
        .spawn(move || line.serve())
        .map_err(|error| StoreError::Io(format!("no thread could be started: {error}")))
}

/// The failure of work that has no precondition.
fn without_refusal(error: CommitError) -> StoreError {
    match error {
        CommitError::Store(error) => error,
        CommitError::Refused(refusal) => StoreError::Io(refusal.to_string()),
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn commit(&self, batch: Batch) -> Commit {
        let ticket = self.line().and_then(|line| line.submit(Work::Batch(Encoded::new(batch))));
        match ticket {
            Ok(ticket) => Commit::pending(async move { ticket.await.map(|_| ()) }),
            Err(error) => Commit::ready(Err(error.into())),
        }
    }

    async fn claim(&self, claim: Claim) -> Result<Vec<RunRecord>, CommitError> {
        // A silent boot keeps its lock file: its process may come back.
        let dead = claim.dead.clone();
        let answer = self.work(Work::Claim(claim)).await?;
        dead.into_iter()
            .filter(|boot| self.0.boots.is_dead(*boot))
            .for_each(|boot| self.0.boots.remove(boot));
        match answer {
            Answer::Claimed(runs) => Ok(runs),
            Answer::Done | Answer::Deliveries(_) => Ok(Vec::new()),
        }
    }

    async fn enter(&self, boot: BootRecord) -> Result<(), StoreError> {
        self.line()?;
        let id = boot.id;
        self.0.boots.lock(id, &boot.host)?;
        failpoint::reach("enter.locked");
        self.work(Work::Enter(boot)).await.map(|_| ()).map_err(|error| {
            self.0.boots.release(id);
            without_refusal(error)
        })
    }

    async fn dead(&self) -> Result<Vec<BootId>, StoreError> {
        let host = self.0.boots.host();
        let boots = Arc::clone(&self.0.boots);
        self.read(move |conn| {
            conn.prepare_cached(
                "SELECT id FROM boots WHERE ended_at IS NULL AND (?1 IS NULL OR host = ?1) ORDER BY started_at",
            )?
            .query_map([&host], |row| row.get(0).map(BootId::from_bytes))?
            .filter(|boot| boot.as_ref().map_or(true, |boot| boots.is_dead(*boot)))
            .collect()
        })
        .await
    }

    async fn boots(&self) -> Result<Vec<BootSeen>, StoreError> {
        let boots = Arc::clone(&self.0.boots);
        self.read(move |conn| {
            let seen = |(boot, runs, deliveries): (BootRecord, u64, u64)| BootSeen {
                dead: boots.is_dead(boot.id),
                boot,
                owns: runs + deliveries,
                deliveries,
            };
            Ok(row::open_boots(conn)?.into_iter().map(seen).collect())
        })
        .await
    }

    async fn commands(&self, whose: WhoseCommands) -> Result<Vec<CommandRecord>, StoreError> {
        self.read(move |conn| row::commands(conn, whose)).await
    }

    async fn activities(&self) -> Result<Vec<ActivityRecord>, StoreError> {
        self.read(row::activities).await
    }

    async fn violations(&self) -> Result<Vec<Violation>, StoreError> {
        let boots = Arc::clone(&self.0.boots);
        self.read(move |conn| {
            let snapshot = conn.unchecked_transaction()?;
            let mut found = row::violations(&snapshot)?;
            for (boot, ..) in
                row::open_boots(&snapshot)?.into_iter().filter(|(boot, ..)| boots.is_dead(boot.id))
            {
                found.extend(row::left_by(&snapshot, boot.id)?);
            }
            snapshot.commit()?;
            found.sort_unstable();
            Ok(found)
        })
        .await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.read(backlog::backlog).await
    }

    async fn leave(&self, boot: BootId) -> Result<(), StoreError> {
        failpoint::reach("leave.before");
        self.work(Work::Leave(boot)).await.map_err(without_refusal)?;
        failpoint::reach("leave.after");
        self.0.boots.release(boot);
        Ok(())
    }

    async fn boot(&self, boot: BootId) -> Result<Option<BootRecord>, StoreError> {
        self.read(move |conn| row::boot(conn, boot)).await
    }

    async fn claim_deliveries(
        &self,
        claim: DeliveryClaim,
    ) -> Result<Vec<(EnvelopeRecord, DeliveryRecord)>, CommitError> {
        match self.work(Work::ClaimDeliveries(claim)).await? {
            Answer::Deliveries(taken) => Ok(taken),
            Answer::Done | Answer::Claimed(_) => Ok(Vec::new()),
        }
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.read(event::waiting).await
    }

    async fn envelope(&self, event: &EventId) -> Result<Option<EnvelopeRecord>, StoreError> {
        let event = event.clone();
        self.read(move |conn| event::envelope(conn, &event)).await
    }

    async fn envelopes(&self, filter: EnvelopeFilter) -> Result<Vec<EnvelopeRecord>, StoreError> {
        self.read(move |conn| event::envelopes(conn, &filter)).await
    }

    async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<(u64, DeliveryRecord)>, StoreError> {
        self.read(move |conn| event::deliveries(conn, &filter)).await
    }

    async fn run(&self, run: RunId) -> Result<Option<RunRecord>, StoreError> {
        self.read(move |conn| row::run_by_id(conn, run)).await
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        self.read(move |conn| listing::runs(conn, &filter)).await
    }

    async fn nodes(&self, run: RunId) -> Result<Vec<NodeRecord>, StoreError> {
        self.read(move |conn| row::nodes(conn, run)).await
    }

    async fn checkpoints(&self, run: RunId) -> Result<Vec<Checkpoint>, StoreError> {
        self.read(move |conn| row::checkpoints(conn, run)).await
    }

    async fn journal(&self, run: RunId, after: u64, limit: usize) -> Result<Vec<JournalEntry>, StoreError> {
        self.read(move |conn| row::journal(conn, run, after, limit)).await
    }

    async fn last_seq(&self, run: RunId) -> Result<u64, StoreError> {
        self.read(move |conn| {
            conn.prepare_cached(
                "SELECT coalesce(max(seq), 0) FROM journal WHERE run = (SELECT n FROM runs WHERE id = ?1)",
            )?
            .query_row([run.as_bytes()], |row| row::count(row, 0))
        })
        .await
    }

    async fn blob(&self, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.read(move |conn| {
            conn.prepare_cached("SELECT bytes FROM blobs WHERE digest = ?1")?
                .query_row([digest.as_bytes()], |row| Ok(Arc::from(row.get_ref(0)?.as_blob()?)))
                .optional()
        })
        .await
    }

    async fn extension(&self, family: &str, key: &str) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let (family, key) = (family.to_owned(), key.to_owned());
        self.read(move |conn| {
            conn.prepare_cached(
                "SELECT version, value FROM extensions WHERE family = ?1 AND key = ?2 AND value IS NOT NULL",
            )?
            .query_row([&family, &key], |row| Ok((row::count(row, 0)?, row.get(1)?)))
            .optional()
        })
        .await
    }

    async fn extensions(&self, family: &str) -> Result<Vec<(String, u64, Vec<u8>)>, StoreError> {
        let family = family.to_owned();
        self.read(move |conn| {
            conn.prepare_cached(
                "SELECT key, version, value FROM extensions WHERE family = ?1 AND value IS NOT NULL ORDER BY key",
            )?
            .query_map([&family], |row| Ok((row.get(0)?, row::count(row, 1)?, row.get(2)?)))?
            .collect()
        })
        .await
    }

    async fn check(&self) -> Result<IntegrityReport, StoreError> {
        let (pool, name) = (Arc::clone(&self.0.pool), self.0.path.display().to_string());
        offload(move || {
            pool.read_apart(|conn| check::check(conn).map_err(|error| error::store_error(&name, &error)))
        })
        .await
    }

    async fn backup(&self, to: &Path) -> Result<u64, StoreError> {
        let (pool, to) = (Arc::clone(&self.0.pool), to.to_owned());
        offload(move || backup::backup(&pool, &to)).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        let inner = Arc::clone(&self.0);
        offload(move || {
            inner.shut();
            Ok(())
        })
        .await
    }
}

impl Inner {
    /// Commits what is in line and lets go of every file. Readers go first: the last connection
    /// moves the WAL into the file, and a reader could not.
    fn shut(&self) {
        self.pool.close();
        if let Some(writing) = &self.writing {
            writing.line.close();
            let thread = writing.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            // An answer given by the thread may have dropped the last clone.
            if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
                // It cannot panic further than it has: whoever waited was answered.
                let _ = thread.join();
            }
        }
        self.boots.abandon();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shut();
    }
}
