//! Several processes of one host on one file.

use std::path::Path;
use std::process::{Command, Stdio};

use oneiric_store::sqlite::Options;
use oneiric_store::{RunFilter, SqliteStore, Store};

use super::{run_id, submit};

const PROCESSES: u128 = 4;
const EACH: u128 = 150;
const PLACE: &str = "ONEIRIC_TEST_PROCESS_PLACE";
const NUMBER: &str = "ONEIRIC_TEST_PROCESS_NUMBER";

/// One of them: creates the file if it is the first, then commits and reads without a pause.
#[test]
#[ignore = "runs as a child of `processes_share_a_file_and_no_lock_reaches_them`"]
fn child() {
    let (Some(place), Some(number)) = (std::env::var_os(PLACE), std::env::var_os(NUMBER)) else { return };
    let number: u128 = number.to_str().unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(Path::new(&place), Options::default()).unwrap();
        for n in 0..EACH {
            let id = run_id(number * EACH + n);
            store.commit(submit(id)).await.unwrap();
            assert!(store.run(id).await.unwrap().is_some());
        }
        store.close().await.unwrap();
    });
}

#[tokio::test]
async fn processes_share_a_file_and_no_lock_reaches_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oneiric.db");
    let children: Vec<_> = (0..PROCESSES)
        .map(|number| {
            Command::new(std::env::current_exe().unwrap())
                .args(["sqlite::processes::child", "--exact", "--ignored", "--nocapture"])
                .env(PLACE, &path)
                .env(NUMBER, number.to_string())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    let runs = store.runs(RunFilter::newest(usize::MAX)).await.unwrap();
    assert_eq!(runs.len() as u128, PROCESSES * EACH);
    assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());
}
