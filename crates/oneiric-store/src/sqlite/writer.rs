//! The one connection that writes, and the transaction that gathers what is in line.

use std::sync::Arc;
use std::time::Duration;

use oneiric_core::BootId;
use rusqlite::{Connection, ErrorCode, params};

use super::boots::Boots;
use super::connect::retry;
use super::encode::Encoded;
use super::error::{Failure, store_error};
use super::{apply, claim, event};
use crate::claim::{Claim, DeliveryClaim};
use crate::commit::CommitError;
use crate::error::StoreError;
use crate::failpoint;
use crate::record::boot::BootRecord;
use crate::record::delivery::DeliveryRecord;
use crate::record::envelope::EnvelopeRecord;
use crate::record::run::RunRecord;

/// How long the boot of another host counts as alive after its last beat.
const FOREIGN_LIFE: Duration = Duration::from_secs(60);

/// One piece of work for a transaction.
#[derive(Debug)]
pub(super) enum Work {
    Batch(Encoded),
    Claim(Claim),
    ClaimDeliveries(DeliveryClaim),
    Enter(BootRecord),
    Leave(BootId),
}

impl Work {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Work::Batch(batch) => batch.bytes,
            Work::Claim(_) | Work::ClaimDeliveries(_) | Work::Enter(_) | Work::Leave(_) => 0,
        }
    }
}

/// What a piece of work came to.
#[derive(Debug)]
pub(super) enum Answer {
    Done,
    Claimed(Vec<RunRecord>),
    Deliveries(Vec<(EnvelopeRecord, DeliveryRecord)>),
}

/// What a transaction came to.
#[derive(Debug)]
pub(super) struct Outcome {
    /// One for each piece of work, in order.
    pub(super) answers: Vec<Result<Answer, CommitError>>,
    /// Set where nobody knows whether the transaction is on the disk: the store must be reopened.
    pub(super) broken: Option<StoreError>,
}

/// The connection that writes. Whoever has it is the writer.
#[derive(Debug)]
pub(super) struct Writer {
    conn: Connection,
    place: Arc<str>,
    boots: Arc<Boots>,
}

impl Writer {
    pub(super) fn new(conn: Connection, place: Arc<str>, boots: Arc<Boots>) -> Self {
        Self { conn, place, boots }
    }

    /// Does all of the work in one transaction. A piece that is refused leaves nothing behind and
    /// does not disturb the others; a failure of the file undoes them all.
    pub(super) fn transact<'a>(&mut self, work: impl ExactSizeIterator<Item = &'a Work>) -> Outcome {
        let count = work.len();
        failpoint::reach("commit.before_begin");
        if let Err(error) = self.execute("BEGIN IMMEDIATE") {
            return self.failed(count, &error);
        }
        let mut answers = Vec::with_capacity(count);
        for work in work {
            // One piece alone needs no savepoint: the transaction is as good.
            let answer = if count == 1 { self.attempt(work) } else { self.fenced(work) };
            match answer {
                Err(Failure::Sql(error)) => return self.failed(count, &error),
                answer => answers.push(answer.map_err(|failure| failure.into_commit(&self.place))),
            }
        }
        // A single piece that was refused is undone here; several were undone one by one.
        let alone_refused = count == 1 && answers.iter().all(Result::is_err);
        failpoint::reach("commit.before_commit");
        match self.execute(if alone_refused { "ROLLBACK" } else { "COMMIT" }) {
            Ok(()) => {
                failpoint::reach("commit.after_commit");
                Outcome { answers, broken: None }
            }
            // A full disk stopped it before the end of the transaction was written. After anything else
            // the pages may or may not be on the disk, and asking again proves nothing: Linux reports a
            // failed fsync once (https://wiki.postgresql.org/wiki/Fsync_Errors).
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
                self.failed(count, &error)
            }
            Err(error) => {
                self.undo();
                let broken = StoreError::Io(format!(
                    "{}: the disk failed during a commit ({error}), so that it is not known whether it holds; \
                     nothing more is written until the store is reopened",
                    self.place
                ));
                Outcome { answers: everybody(count, &broken), broken: Some(broken) }
            }
        }
    }

    fn fenced(&self, work: &Work) -> Result<Answer, Failure> {
        self.execute("SAVEPOINT piece")?;
        let answer = self.attempt(work);
        if matches!(answer, Err(Failure::Refused(_) | Failure::Store(_))) {
            self.execute("ROLLBACK TO piece")?;
        }
        if !matches!(answer, Err(Failure::Sql(_))) {
            self.execute("RELEASE piece")?;
        }
        answer
    }

    fn attempt(&self, work: &Work) -> Result<Answer, Failure> {
        let answer = match work {
            Work::Batch(batch) => apply::batch(&self.conn, batch).map(|()| Answer::Done),
            Work::Claim(claim) => claim::claim(&self.conn, claim).map(Answer::Claimed),
            Work::ClaimDeliveries(claim) => event::claim(&self.conn, claim).map(Answer::Deliveries),
            Work::Enter(boot) => self.enter(boot).map(|()| Answer::Done),
            Work::Leave(boot) => Ok(claim::part(&self.conn, *boot).map(|()| Answer::Done)?),
        };
        // What is wrong with one piece (a value too large, a row that cannot be read) is its own
        // affair; what is wrong with the file is everybody's.
        match answer {
            Err(Failure::Sql(error)) if is_own_fault(&error) => {
                Err(Failure::Store(store_error(&self.place, &error)))
            }
            answer => answer,
        }
    }

    fn enter(&self, boot: &BootRecord) -> Result<(), Failure> {
        let mut foreign = self.conn.prepare_cached(
            "SELECT id, host, pid, beat_at FROM boots WHERE ended_at IS NULL AND host <> ?1",
        )?;
        let rows = foreign.query_map([&boot.host], |row| {
            Ok((
                BootId::from_bytes(row.get(0)?),
                row.get::<_, String>(1)?,
                row.get::<_, u32>(2)?,
                row.get(3)?,
            ))
        })?;
        for row in rows.collect::<rusqlite::Result<Vec<_>>>()? {
            let (id, host, pid, beat_at) = row;
            let beat_at = oneiric_core::Timestamp::from_micros(beat_at);
            if boot.beat_at.since(beat_at) < FOREIGN_LIFE {
                return Err(Failure::Store(StoreError::Shared {
                    place: self.place.to_string(),
                    reason: format!(
                        "process {pid} of host `{host}` works on it; end that one, or wait a minute if it is gone; \
                         to share work between hosts use Postgres"
                    ),
                }));
            }
            // A container that comes back under another name: same disk, so its lock tells.
            if self.boots.is_dead(id) {
                claim::bury(&self.conn, id)?;
            }
        }
        // Rows of the past are for people; a week of them is enough and keeps the table small.
        let week_ago = boot.started_at.as_micros().saturating_sub(7 * 24 * 3600 * 1_000_000);
        self.conn
            .prepare_cached("DELETE FROM boots WHERE ended_at IS NOT NULL AND started_at < ?1")?
            .execute(params![week_ago])?;
        Ok(apply::set_boot(&self.conn, boot)?)
    }

    /// Undoes the transaction; everybody in it gets the error.
    fn failed(&self, count: usize, error: &rusqlite::Error) -> Outcome {
        self.undo();
        Outcome { answers: everybody(count, &store_error(&self.place, error)), broken: None }
    }

    fn undo(&self) {
        if !self.conn.is_autocommit() {
            // SQLite has already done it after most errors, and says so by failing here.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        retry(|| self.conn.prepare_cached(sql)?.execute([]).map(|_| ()))
    }

    /// Moves the WAL into the file and lets go of it.
    pub(super) fn close(self) {
        // Another process may hold the WAL; it, or the next opener, does the same.
        let _ = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
}

fn everybody(count: usize, error: &StoreError) -> Vec<Result<Answer, CommitError>> {
    (0..count).map(|_| Err(error.clone().into())).collect()
}

fn is_own_fault(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(code) => matches!(
            code,
            ErrorCode::TooBig
                | ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::ParameterOutOfRange
        ),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Batch, Op};
    use crate::record::blob::Blob;
    use crate::sqlite::connect;
    use crate::sqlite::options::Synchronous;

    fn writer(folder: &tempfile::TempDir) -> Writer {
        let path = folder.path().join("oneiric.db");
        let conn = connect::writer(&path, Synchronous::Full).unwrap();
        Writer::new(conn, "here".into(), Arc::new(Boots::beside(&path)))
    }

    fn blob(byte: u8, length: usize) -> Work {
        Work::Batch(Encoded::new(Batch::of([Op::Blob(Blob::new(vec![byte; length]))])))
    }

    fn blobs(writer: &Writer) -> i64 {
        writer.conn.query_row("SELECT count(*) FROM blobs", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_full_disk_fails_who_meets_it_and_nobody_after() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(&folder);
        let pages: i64 = writer.conn.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        writer.conn.execute_batch(&format!("PRAGMA max_page_count = {}", pages + 4)).unwrap();
        let outcome = writer.transact([blob(1, 10), blob(2, 100_000)].iter());
        assert!(outcome.broken.is_none());
        for answer in &outcome.answers {
            assert!(matches!(answer, Err(CommitError::Store(StoreError::Full(_)))), "{answer:?}");
        }
        assert_eq!(blobs(&writer), 0);
        writer.conn.execute_batch("PRAGMA max_page_count = 1000000").unwrap();
        assert!(writer.transact([blob(1, 10), blob(2, 100_000)].iter()).answers.iter().all(Result::is_ok));
        assert_eq!(blobs(&writer), 2);
    }

    #[test]
    fn a_commit_that_fails_for_any_other_reason_breaks_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(&folder);
        writer.conn.commit_hook(Some(|| true)).unwrap();
        let outcome = writer.transact([blob(1, 10), blob(2, 10)].iter());
        assert!(matches!(outcome.broken, Some(StoreError::Io(_))), "{outcome:?}");
        assert!(outcome.answers.iter().all(Result::is_err));
    }
}
