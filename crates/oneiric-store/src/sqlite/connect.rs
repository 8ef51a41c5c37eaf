//! Connections: recognising the file, bringing it to this release's schema, settings.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use std::time::SystemTime;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::{WAY_OUT, is_busy, store_error};
use super::options::Synchronous;
use super::place;
use crate::error::StoreError;

/// "Onei" in ASCII: by it the file, and file(1), know whose it is.
pub(super) const APPLICATION_ID: i64 = 0x4F6E_6569;

/// Every step from an empty file to this release, in order. A released step never changes.
pub(super) const MIGRATIONS: [&str; 3] = [
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
];

/// How long a lock of another process is waited for. Transactions are bounded and take milliseconds;
/// a minute without one chance is a stopped process.
const LOCK_WAIT: Duration = Duration::from_secs(60);
const FIRST_NAP: Duration = Duration::from_micros(100);
const LONGEST_NAP: Duration = Duration::from_millis(5);

/// The WAL is cut to this after a burst, in bytes.
const WAL_LIMIT: i64 = 4 * 1024 * 1024;

/// What the file said about itself before anything was changed.
struct Sighting {
    fresh: bool,
    schema: u32,
}

/// Opens the file for the one writer, creating and migrating it where that is due.
pub(super) fn writer(path: &Path, synchronous: Synchronous) -> Result<Connection, StoreError> {
    place::check(path)?;
    let name = path.display().to_string();
    let fail = |error: rusqlite::Error| store_error(&name, &error);
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(fail)?;
    patient(&mut conn).map_err(fail)?;
    let seen = recognise(&conn, &name)?;
    if seen.fresh {
        conn.execute_batch("PRAGMA auto_vacuum = INCREMENTAL").map_err(fail)?;
    }
    let mode = retry(|| conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)));
    let mode = mode.map_err(fail)?;
    if mode != "wal" {
        let reason =
            format!("its file system offers no shared memory (journal mode {mode}); put it on a local disk");
        return Err(StoreError::Shared { place: name, reason });
    }
    settings(&conn, WRITER_CACHE_KIB).map_err(fail)?;
    conn.execute_batch(&format!(
        "PRAGMA synchronous = {}; PRAGMA journal_size_limit = {WAL_LIMIT}; PRAGMA wal_autocheckpoint = 1000;",
        synchronous.pragma()
    ))
    .map_err(fail)?;
    if seen.schema < MIGRATIONS.len() as u32 {
        migrate(&mut conn).map_err(fail)?;
    }
    Ok(conn)
}

const WRITER_CACHE_KIB: u32 = 4096;
const READER_CACHE_KIB: u32 = 1024;

/// Opens the file for reading only.
///
/// `beside_writer` says that this process has it open for writing, so that WAL and shared memory are
/// there. Otherwise, where no WAL lies beside the file, nobody has it open: it is read as a file that
/// does not change, and nothing is created beside it.
pub(super) fn reader(path: &Path, beside_writer: bool) -> Result<Reader, StoreError> {
    let name = path.display().to_string();
    let fail = |error: rusqlite::Error| store_error(&name, &error);
    // Taken in front of the look at the WAL: what is written in between is noticed.
    let sealed = Seal::of(path, file_time());
    let resting = if beside_writer || wal(path).exists() { None } else { sealed };
    let mut flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = if resting.is_some() {
        flags |= OpenFlags::SQLITE_OPEN_URI;
        Connection::open_with_flags(format!("file:{}?immutable=1", escape(path)), flags)
    } else {
        Connection::open_with_flags(path, flags)
    }
    .map_err(fail)?;
    patient(&mut conn).map_err(fail)?;
    settings(&conn, READER_CACHE_KIB).map_err(fail)?;
    Ok(Reader { conn, resting })
}

/// A connection that only reads.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) conn: Connection,
    /// It takes the file for one that nobody has open, as it was then.
    resting: Option<Seal>,
}

/// What tells that a file was written, also by somebody who has closed it since and left no WAL.
#[derive(Clone, Copy, Debug)]
struct Seal {
    bytes: u64,
    modified: SystemTime,
    /// It was modified just before it was sealed: a write within the same tick of the file system's clock
    /// would leave the same seal.
    fresh: bool,
}

/// No file system in use counts time in longer steps.
const CLOCK_TICK: Duration = Duration::from_secs(2);

#[expect(clippy::disallowed_methods, reason = "compared with the times of files, which are the system's")]
fn file_time() -> SystemTime {
    SystemTime::now()
}

impl Seal {
    fn of(path: &Path, now: SystemTime) -> Option<Self> {
        let file = path.metadata().ok()?;
        let modified = file.modified().ok()?;
        let fresh = now.duration_since(modified).is_ok_and(|age| age < CLOCK_TICK);
        Some(Self { bytes: file.len(), modified, fresh })
    }

    fn holds(&self, path: &Path) -> bool {
        let now = Self::of(path, self.modified);
        now.is_some_and(|now| (now.bytes, now.modified) == (self.bytes, self.modified))
    }
}

impl Reader {
    /// Whether what the connection assumed about the file no longer holds: what it read may be torn.
    pub(super) fn is_stale(&self, path: &Path) -> bool {
        self.resting.is_some_and(|seal| wal(path).exists() || !seal.holds(path))
    }

    /// Whether the connection will notice everything that is written from now on.
    pub(super) fn is_reusable(&self, path: &Path) -> bool {
        !self.resting.is_some_and(|seal| seal.fresh) && !self.is_stale(path)
    }
}

/// Looks at a file that is only to be read.
pub(super) fn inspect(path: &Path) -> Result<(), StoreError> {
    let name = path.display().to_string();
    if !path.exists() {
        return Err(StoreError::Open { place: name, reason: "does not exist".to_owned() });
    }
    place::check(path)?;
    let seen = recognise(&reader(path, false)?.conn, &name)?;
    if seen.fresh {
        return Err(StoreError::Empty { place: name });
    }
    let known = MIGRATIONS.len() as u32;
    if seen.schema < known {
        let reason = format!(
            "an earlier release wrote it (schema {}, this one reads {known}), and reading changes nothing; \
             any command that writes brings it up to date",
            seen.schema
        );
        return Err(StoreError::Open { place: name, reason });
    }
    Ok(())
}

fn recognise(conn: &Connection, name: &str) -> Result<Sighting, StoreError> {
    // In one transaction: another process may be creating the file at this moment, and half of what it
    // said before with half of what it says after would look like somebody else's database.
    let numbers = retry(|| {
        let seen = conn.unchecked_transaction()?;
        let number = |sql: &str| seen.query_row(sql, [], |row| row.get::<_, i64>(0));
        let objects = number("SELECT count(*) FROM sqlite_schema")?;
        Ok((objects, number("PRAGMA application_id")?, number("PRAGMA user_version")?))
    });
    let (objects, application, schema) = numbers.map_err(|error| store_error(name, &error))?;
    let known = MIGRATIONS.len() as u32;
    if application == 0 && schema == 0 && objects == 0 {
        return Ok(Sighting { fresh: true, schema: 0 });
    }
    if application != APPLICATION_ID {
        let reason = "it is a database of another program; name another place".to_owned();
        return Err(StoreError::Open { place: name.to_owned(), reason });
    }
    match u32::try_from(schema) {
        Ok(found) if found > known => Err(StoreError::Newer { place: name.to_owned(), found, known }),
        Ok(schema) => Ok(Sighting { fresh: false, schema }),
        Err(_) => Err(StoreError::Corrupt {
            place: name.to_owned(),
            reason: format!("its schema version is {schema}; {WAY_OUT}"),
        }),
    }
}

/// Applies what is missing, in one transaction: of several processes one does it, the others find it
/// done.
fn migrate(conn: &mut Connection) -> rusqlite::Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done: i64 = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for (place, step) in MIGRATIONS.iter().enumerate().skip(usize::try_from(done).unwrap_or(usize::MAX)) {
        tx.execute_batch(step)?;
        tx.pragma_update(None, "user_version", place as i64 + 1)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.commit()
}

fn settings(conn: &Connection, cache_kib: u32) -> rusqlite::Result<()> {
    // References are declared for `check`; enforcing them would look up the parent of every row that
    // was just selected from it.
    conn.execute_batch(&format!(
        "PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;
         PRAGMA cache_size = -{cache_kib};"
    ))?;
    // Without it a statement is planned anew whenever a value that is bound to it has changed, which costs more
    // than most of ours take: https://www.sqlite.org/queryplanner-ng.html#qpstab
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn patient(conn: &mut Connection) -> rusqlite::Result<()> {
    let mut waited = Duration::ZERO;
    conn.busy_handler(Some(move |tries: i32| {
        if tries == 0 {
            waited = Duration::ZERO;
        }
        nap(&mut waited, u32::try_from(tries).unwrap_or(u32::MAX))
    }))
}

/// Sleeps a little longer each time; false once it took too long altogether.
fn nap(waited: &mut Duration, tries: u32) -> bool {
    let nap = FIRST_NAP.saturating_mul(1 << tries.min(10)).min(LONGEST_NAP);
    thread::sleep(nap);
    *waited += nap;
    *waited < LOCK_WAIT
}

/// For the few statements for which SQLite does not ask the busy handler (changing the journal mode,
/// recovering a WAL).
pub(super) fn retry<T>(mut work: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let mut waited = Duration::ZERO;
    let mut tries = 0;
    loop {
        match work() {
            Err(error) if is_busy(&error) && nap(&mut waited, tries) => tries += 1,
            answer => return answer,
        }
    }
}

fn wal(path: &Path) -> PathBuf {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    PathBuf::from(wal)
}

/// A path inside of a URI: the three characters that mean something there.
fn escape(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}
