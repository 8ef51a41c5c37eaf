//! The action kits against recorded facts: what upstream answered to the same payloads.
//!
//! The records are made by `tests/data/actions/record.py`, which says how they read. One test replays them
//! here, another one records them again, where there is a Python to do so, and compares.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use oneiric_adapters::Parts;
use oneiric_core::clock::Sleep;
use oneiric_core::environment::MapEnvironment;
use oneiric_core::rng::SeededRng;
use oneiric_core::{Clock, Factory, Fault, Payload, Timestamp};
use serde_json::{Map, Value};

use crate::kits_server::Server;
use crate::support::RealClock;

/// When everything happens unless a case says otherwise; the script has the same.
const NOW: &str = "2026-03-27T10:20:30.123456+00:00";

/// Says always the same time, and sleeps for real.
#[derive(Debug)]
struct Frozen(Timestamp);

impl Clock for Frozen {
    fn now(&self) -> Timestamp {
        self.0
    }
    fn monotonic(&self) -> Duration {
        RealClock.monotonic()
    }
    fn sleep(&self, delay: Duration) -> Sleep {
        RealClock.sleep(delay)
    }
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/actions")
}

/// Every file of records with its cases.
fn records() -> Vec<(String, Vec<Value>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let of = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        (name != "server").then(|| (name, serde_json::from_str(&text).unwrap()))
    };
    files.into_iter().filter_map(of).collect()
}

pub(crate) fn parts(now: &str) -> Parts {
    let now: jiff::Timestamp = now.parse().unwrap();
    let clock = Frozen(Timestamp::from_micros(now.as_microsecond()));
    Parts::new(Arc::new(clock), Arc::new(MapEnvironment::default()), Arc::new(SeededRng::new(7)))
}

/// What the kit of a case answers.
async fn answer(case: &Value, server: &Server) -> Result<Value, Fault> {
    let key = case["key"].as_str().unwrap();
    let kit = oneiric_adapters::actions::kit_of(&Factory::new(format!("builtin:{key}"))).unwrap();
    let none = Map::new();
    let settings = case.get("settings").map_or(&none, |settings| settings.as_object().unwrap());
    let action = kit.build(settings, &parts(case.get("now").map_or(NOW, |now| now.as_str().unwrap())))?;
    let payload = replaced(&case["payload"], "{server}", &server.address);
    let mut result = Value::from(action.apply(Payload::from(payload)).await?);
    result = replaced(&result, &server.address, "{server}");
    for path in case.get("redact").and_then(Value::as_array).into_iter().flatten() {
        redact(&mut result, path.as_str().unwrap());
    }
    Ok(result)
}

fn replaced(value: &Value, old: &str, new: &str) -> Value {
    match value {
        Value::String(text) => text.replace(old, new).into(),
        Value::Array(items) => items.iter().map(|item| replaced(item, old, new)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, item)| (name.replace(old, new), replaced(item, old, new))).collect()
        }
        other => other.clone(),
    }
}

/// As the script: type and length instead of what cannot be the same twice.
fn redact(value: &mut Value, path: &str) {
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let inner = match value {
        Value::Array(items) => &mut items[head.parse::<usize>().unwrap()],
        other => &mut other[head],
    };
    match rest {
        Some(rest) => redact(inner, rest),
        None => {
            *inner = match &*inner {
                Value::String(text) => format!("<str {}>", text.chars().count()).into(),
                Value::Number(number) if number.is_f64() => "<float>".into(),
                Value::Number(_) => "<int>".into(),
                Value::Null => "<NoneType>".into(),
                other => panic!("nothing to redact: {other}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_payload_is_answered_as_upstream_does_or_as_we_said() {
    let server = Server::start().await;
    let (mut wrong, mut kits) = (Vec::new(), 0);
    for (key, cases) in records() {
        assert!(cases.len() >= 8, "{key} has {} cases", cases.len());
        kits += 1;
        for case in &cases {
            assert_eq!(case["key"], *key, "{case}");
            assert_eq!(case.get("ours").is_some(), case.get("why").is_some(), "{case}");
            let expected = case.get("ours").unwrap_or(&case["expect"]);
            let found = match answer(case, &server).await {
                Ok(result) => serde_json::json!({ "ok": result }),
                Err(fault) => serde_json::json!({ "error": fault.code }),
            };
            if found != *expected {
                wrong.push(format!("{key}, {}\n  expected {expected}\n  found    {found}", case["name"]));
            }
        }
    }
    assert_eq!(kits, oneiric_adapters::actions::kits().len());
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_records_are_what_the_python_package_answers() {
    let Some(python) = python() else {
        if crate::module::upstream_cannot_be_had() {
            return;
        }
        let why = "no python3.13 with the package `oneiric`; set ONEIRIC_TEST_PYTHON to one";
        assert!(std::env::var_os("ONEIRIC_TEST_STRICT").is_none_or(|strict| strict != "1"), "{why}");
        eprintln!("SKIPPED: {why}");
        return;
    };
    let again = tempfile::tempdir().unwrap();
    let output =
        Command::new(&python).arg(folder().join("record.py")).arg("--to").arg(again.path()).output().unwrap();
    assert!(output.status.success(), "{python:?}: {}", String::from_utf8_lossy(&output.stderr));
    for (key, cases) in records() {
        let text = std::fs::read_to_string(again.path().join(format!("{key}.json"))).unwrap();
        let now: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(now.len(), cases.len(), "{key}");
        for (now, recorded) in now.iter().zip(&cases) {
            assert_eq!(now, recorded, "{key}");
        }
    }
}

/// A Python with the package: the one that is named, or `python3.13` where it has it.
fn python() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("ONEIRIC_TEST_PYTHON").filter(|named| named != "none") {
        return Some(named.into());
    }
    let has_it = Command::new("python3.13").args(["-c", "import oneiric.actions.bootstrap, httpx"]).output();
    has_it.is_ok_and(|output| output.status.success()).then(|| "python3.13".into())
}
