//! Real inputs that tests share and the project does not contain.

use std::path::PathBuf;

/// The folder of shared inputs with a sub-path, or `None` where there is none here.
///
/// `ONEIRIC_TEST_DATA` names it. Without it a test says loudly that it was skipped.
///
/// # Panics
/// Where `ONEIRIC_TEST_STRICT=1`: there a skip is a failure.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests are told by the environment where their inputs are"
)]
pub fn shared(path: &str) -> Option<PathBuf> {
    let Ok(root) = std::env::var("ONEIRIC_TEST_DATA") else {
        let strict = std::env::var("ONEIRIC_TEST_STRICT").is_ok_and(|value| value == "1");
        assert!(!strict, "ONEIRIC_TEST_DATA is not set, and ONEIRIC_TEST_STRICT=1 allows no skip");
        eprintln!("SKIPPED: ONEIRIC_TEST_DATA is not set, `{path}` is not at hand");
        return None;
    };
    let root = PathBuf::from(root);
    // Test binaries run in their crate's folder; a relative path is meant from the workspace's.
    let root = if root.is_absolute() || root.exists() { root } else { PathBuf::from("../..").join(root) };
    let found = root.join(path);
    assert!(
        found.exists(),
        "`{}` does not exist; ONEIRIC_TEST_DATA must name the folder of shared inputs",
        found.display()
    );
    Some(found)
}
