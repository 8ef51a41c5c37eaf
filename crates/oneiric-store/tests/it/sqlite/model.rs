//! The store in a file and the state machine against the model. In parts, so that they share the
//! machine's cores.

use std::path::PathBuf;
use std::sync::Mutex;

use oneiric_core::BootId;
use oneiric_store::sqlite::{Options, Synchronous};
use oneiric_store::{BootRecord, SqliteStore, Store, StoreError};
use oneiric_testkit::model::real::{Host, World};
use oneiric_testkit::model::search::Search;
use tempfile::TempDir;

/// One file for every sequence, emptied in between by another connection.
struct File {
    folder: TempDir,
    /// Where all processes enter.
    home: SqliteStore,
    /// Who reads, claims and commits: a process of its own, as far as locks are concerned.
    other: SqliteStore,
    broom: Mutex<rusqlite::Connection>,
}

const SEQUENCES: u64 = 1_000;

const TABLES: [&str; 8] =
    ["journal", "checkpoints", "nodes", "commands", "run_inputs", "runs", "boots", "activity"];

impl File {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("oneiric.db");
        let options = Options { synchronous: Synchronous::Off, ..Options::default() };
        let open = || SqliteStore::open(&path, options).unwrap();
        let (home, other) = (open(), open());
        let broom = rusqlite::Connection::open(&path).unwrap();
        broom.execute_batch("PRAGMA synchronous = OFF").unwrap();
        Self { folder, home, other, broom: Mutex::new(broom) }
    }

    fn lock(&self, boot: BootId) -> PathBuf {
        self.folder.path().join("boots").join(format!("{boot}.lock"))
    }
}

#[async_trait::async_trait]
impl Host for File {
    fn store(&self) -> &dyn Store {
        &self.other
    }

    async fn clear(&mut self) {
        let all: String = TABLES.iter().map(|table| format!("DELETE FROM {table};")).collect();
        self.broom.lock().unwrap().execute_batch(&format!("BEGIN IMMEDIATE; {all} COMMIT")).unwrap();
        if let Ok(locks) = std::fs::read_dir(self.folder.path().join("boots")) {
            locks.for_each(|lock| std::fs::remove_file(lock.unwrap().path()).unwrap());
        }
    }

    async fn enter(&self, boot: BootRecord) -> Result<(), StoreError> {
        self.home.enter(boot).await
    }

    async fn leave(&self, boot: BootId) -> Result<(), StoreError> {
        self.home.leave(boot).await
    }

    async fn die(&self, boot: BootId) {
        // As good as its lock being let go of: nobody holds what is not there.
        std::fs::remove_file(self.lock(boot)).unwrap();
    }
}

/// `ONEIRIC_TEST_SEED` and `ONEIRIC_TEST_SEQUENCES` go on elsewhere, longer, or see one again.
fn search(part: u64) {
    let number = |name: &str| std::env::var_os(name).and_then(|value| value.to_str()?.parse().ok());
    let sequences = number("ONEIRIC_TEST_SEQUENCES").unwrap_or(SEQUENCES);
    let seed = number("ONEIRIC_TEST_SEED").unwrap_or(1_000_000) + part * sequences;
    let search = Search { seed, sequences, thorough: false };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let (world, mut host) = (World::default(), File::new());
    // In a task of the one worker: a commit runs on the thread that polls it.
    let answer = runtime
        .block_on(async { tokio::spawn(async move { search.run(&world, &mut host).await }).await.unwrap() });
    if let Err(difference) = answer {
        panic!("{difference}");
    }
}

#[test]
fn the_file_and_the_machine_do_what_the_model_does_one() {
    search(0);
}

#[test]
fn the_file_and_the_machine_do_what_the_model_does_two() {
    search(1);
}

#[test]
fn the_file_and_the_machine_do_what_the_model_does_three() {
    search(2);
}

#[test]
fn the_file_and_the_machine_do_what_the_model_does_four() {
    search(3);
}

#[test]
fn the_file_and_the_machine_do_what_the_model_does_five() {
    search(4);
}
