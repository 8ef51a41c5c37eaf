//! A crate outside of the workspace builds on ours, and pays for nothing that it does not ask for.

use std::fs;

use crate::arrows::{HEAVY, cargo, root};

/// Its manifest, below the root.
const MANIFEST: &str = "tests/downstream/Cargo.toml";

/// Lends it our versions: what the workspace was built with is on this machine, and there is no
/// second list to keep up to date. Cargo takes from the copy what the crate needs.
fn lend_versions() {
    let (from, to) = (root().join("Cargo.lock"), root().join(MANIFEST).with_file_name("Cargo.lock"));
    fs::copy(from, to).unwrap();
}

// One test: both commands write the lock.
#[test]
fn a_crate_of_somebody_else_adds_to_ours_and_pays_for_no_database() {
    lend_versions();
    let tree =
        cargo(&["tree", "--offline", "--manifest-path", MANIFEST, "-e", "normal,build", "--prefix", "none"]);
    let names: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"oneiric-runtime"), "{names:?}");
    let heavy: Vec<_> = HEAVY.into_iter().filter(|name| names.contains(name)).collect();
    assert!(heavy.is_empty(), "without default features it pulls in {heavy:?}");

    // Into our target folder: the crates that both build alike are built once.
    let this = std::env::current_exe().unwrap();
    let target = this.ancestors().nth(3).expect("a test lies in target/debug/deps");
    let said = cargo(&[
        "run",
        "--quiet",
        "--offline",
        "--manifest-path",
        MANIFEST,
        "--target-dir",
        target.to_str().expect("the path of the workspace is text"),
    ]);
    assert_eq!(said, "all of it works from outside\n");
}
