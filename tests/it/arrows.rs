//! The rules of the house: which crate may lean on which, and what a downstream pays for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Who may lean on whom, as `docs/ARCHITECTURE.md` draws it. What stands below something that may be
/// leaned on may be leaned on too; whoever is not named here does not belong to the house.
const HOUSE: [(&str, &[&str]); 13] = [
    ("oneiric-core", &[]),
    ("oneiric-store", &["oneiric-core"]),
    ("oneiric-events", &["oneiric-store"]),
    ("oneiric-dag", &["oneiric-store"]),
    ("oneiric-queue", &["oneiric-store"]),
    ("oneiric-supervisor", &["oneiric-store"]),
    ("oneiric-adapters", &["oneiric-core"]),
    ("oneiric-runtime", &["oneiric-events", "oneiric-dag", "oneiric-queue", "oneiric-supervisor"]),
    ("oneiric-server", &["oneiric-runtime"]),
    ("oneiric-stages", &["oneiric-runtime"]),
    ("oneiric-testkit", &["oneiric-server", "oneiric-stages", "oneiric-adapters"]),
    ("oneiric", &["oneiric-server", "oneiric-stages", "oneiric-runtime", "oneiric-adapters"]),
    // Drives the binary from outside.
    ("oneiric-e2e", &[]),
];

/// What belongs behind a feature or in another crate: nobody who wants only decisions or graphs pays
/// for it.
pub(crate) const HEAVY: [&str; 12] = [
    "reqwest",
    "hyper",
    "h2",
    "axum",
    "rusqlite",
    "libsqlite3-sys",
    "rustls",
    "ring",
    "aws-lc-rs",
    "aws-lc-sys",
    "openssl-sys",
    "native-tls",
];

/// From a crate to one it needs.
type Arrow = (String, String);

/// The arrows that the house does not allow, a sentence each.
fn forbidden(arrows: &[Arrow]) -> Vec<String> {
    let house: BTreeMap<&str, &[&str]> = HOUSE.into_iter().collect();
    let below = |from: &str| {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&str> = house.get(from).map(|below| below.to_vec()).unwrap_or_default();
        while let Some(name) = next.pop() {
            if seen.insert(name) {
                next.extend(house.get(name).into_iter().copied().flatten());
            }
        }
        seen
    };
    arrows
        .iter()
        .filter_map(|(from, to)| match (house.contains_key(from.as_str()), house.contains_key(to.as_str())) {
            (false, _) => Some(format!("{from} is not in the house")),
            (_, false) => Some(format!("{from} needs {to}, which is not in the house")),
            _ if below(from).contains(to.as_str()) => None,
            _ => Some(format!("{from} must not need {to}")),
        })
        .collect()
}

fn arrow(from: &str, to: &str) -> Arrow {
    (from.to_owned(), to.to_owned())
}

#[test]
fn a_forbidden_arrow_is_found() {
    let check = |from: &str, to: &str, expected: &str| {
        assert_eq!(forbidden(&[arrow(from, to)]), [expected], "{from} -> {to}");
    };
    check("oneiric-core", "oneiric-store", "oneiric-core must not need oneiric-store");
    check("oneiric-dag", "oneiric-queue", "oneiric-dag must not need oneiric-queue");
    check("oneiric-runtime", "oneiric-adapters", "oneiric-runtime must not need oneiric-adapters");
    check("oneiric-adapters", "oneiric-store", "oneiric-adapters must not need oneiric-store");
    check("oneiric-dag", "oneiric-testkit", "oneiric-dag must not need oneiric-testkit");
    check("oneiric-dag", "oneiric-dag", "oneiric-dag must not need oneiric-dag");
    check("oneiric-ui", "oneiric-core", "oneiric-ui is not in the house");
    check("oneiric", "oneiric-ui", "oneiric needs oneiric-ui, which is not in the house");
    let allowed = [("oneiric", "oneiric-core"), ("oneiric-runtime", "oneiric-store")];
    assert_eq!(forbidden(&allowed.map(|(from, to)| arrow(from, to))), Vec::<String>::new());
}

#[test]
fn no_crate_leans_on_what_it_must_not_know() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(|package| text(&package["name"])).collect();
    let arrows: Vec<Arrow> = packages
        .iter()
        .flat_map(|package| needs(package).map(|needed| arrow(text(&package["name"]), needed)))
        .filter(|(_, to)| ours.contains(to.as_str()))
        .collect();
    assert!(arrows.len() >= 5, "the workspace was not read: {arrows:?}");
    assert_eq!(forbidden(&arrows), Vec::<String>::new());
    let strangers: Vec<_> =
        ours.iter().filter(|name| HOUSE.iter().all(|(known, _)| known != *name)).collect();
    assert!(strangers.is_empty(), "not in the house: {strangers:?}");
}

/// The names of a package's dependencies. What only its tests need is no arrow.
fn needs(package: &Value) -> impl Iterator<Item = &str> {
    let dependencies = package["dependencies"].as_array().expect("cargo lists dependencies");
    dependencies.iter().filter(|needed| needed["kind"] != "dev").map(|needed| text(&needed["name"]))
}

#[test]
fn only_one_module_names_the_backoff_crate() {
    let users: Vec<_> = packages()
        .iter()
        .filter(|package| needs(package).any(|name| name == "backoff"))
        .map(|package| text(&package["name"]).to_owned())
        .collect();
    assert_eq!(users, ["oneiric-core"]);

    let root = root();
    let mut sources = Vec::new();
    for folder in ["crates", "bins"] {
        rust_sources(&root.join(folder), &mut sources);
    }
    assert!(sources.len() > 50, "the sources were not found");
    let naming: Vec<_> = sources
        .iter()
        .filter(|path| std::fs::read_to_string(path).unwrap().contains("backoff::"))
        .map(|path| path.strip_prefix(&root).unwrap().to_owned())
        .collect();
    assert_eq!(naming, [Path::new("crates/oneiric-core/src/retry.rs")]);
}

pub(crate) fn rust_sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

#[test]
fn who_wants_decisions_or_graphs_pays_for_no_network_and_no_database() {
    for package in ["oneiric-core", "oneiric-dag"] {
        let tree = tree(package);
        assert!(tree.contains("serde"), "{package}: {tree:?}");
        let heavy: Vec<_> = HEAVY.into_iter().filter(|name| tree.contains(*name)).collect();
        assert!(heavy.is_empty(), "{package} pulls in {heavy:?}");
    }
    // The red case: the names are those that cargo prints.
    assert!(tree("oneiric").contains("libsqlite3-sys"));
}

/// Everything that is built for a package with its default features, as it would be for a downstream
/// that needs nothing else: the features of its neighbours in the workspace do not count.
fn tree(package: &str) -> BTreeSet<String> {
    let arguments = ["tree", "--offline", "--locked", "-e", "normal,build", "--prefix", "none"];
    let text = cargo(&[&arguments[..], &["-f", "{p}", "-p", package]].concat());
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn packages() -> Vec<Value> {
    let metadata = cargo(&["metadata", "--offline", "--locked", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

pub(crate) fn cargo(arguments: &[&str]) -> String {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("cargo names it")
}
