//! What holds for every action kit: how it is found, what it says of itself, what it refuses.

use std::collections::BTreeSet;

use oneiric_adapters::actions::{descriptors, kit_of, kits};
use oneiric_core::roles::Action;
use oneiric_core::{Blueprint, Class, Domain, Factory, Fault, Payload, Source};
use serde_json::{Map, Value, json};

use crate::kits::parts;
use crate::support::{build, descriptor};

const NOW: &str = "2026-03-27T10:20:30Z";

async fn apply(key: &str, settings: Value, payload: Value) -> Result<Value, Fault> {
    let kit = kit_of(&Factory::new(format!("builtin:{key}"))).unwrap();
    let action = kit.build(settings.as_object().unwrap(), &parts(NOW))?;
    action.apply(payload.into()).await.map(Value::from)
}

#[tokio::test]
async fn every_kit_is_found_by_its_key_and_by_its_python_name() {
    assert_eq!(kits().len(), 17);
    for kit in kits() {
        for factory in [format!("builtin:{}", kit.key), kit.python.replace(':', ": ")] {
            let instance = build(&descriptor(&factory, Value::Null)).await.unwrap();
            assert!(instance.role::<dyn Action>().is_some(), "{factory}");
        }
    }
    for foreign in
        ["oneiric.actions.compression:Other", "oneiric.actions:CompressionAction", "compression.encode"]
    {
        assert!(kit_of(&Factory::new(foreign)).is_none(), "{foreign}");
    }
}

#[test]
fn every_kit_is_a_candidate_that_builds_itself() {
    let mut keys = BTreeSet::new();
    for (candidate, kit) in descriptors().into_iter().zip(kits()) {
        assert!(keys.insert(candidate.key.clone()));
        assert_eq!((&candidate.domain, candidate.priority), (&Domain::ACTION, kit.priority));
        assert_eq!(candidate.source, Source::Linked("oneiric-adapters".to_owned()));
        assert_eq!(kit_of(&candidate.factory).unwrap().key, candidate.key.as_str());
        assert_eq!(candidate.idempotent, kit.side_effect_free.then_some(true));
    }
    let unsafe_to_repeat: Vec<&str> =
        kits().iter().filter(|kit| !kit.side_effect_free).map(|kit| kit.key).collect();
    assert_eq!(unsafe_to_repeat, ["http.fetch", "event.dispatch", "debug.console"]);
}

#[test]
fn every_kit_says_what_it_takes_and_gives() {
    for kit in kits() {
        let schema = kit.build(&Map::new(), &parts(NOW)).unwrap().schema().unwrap();
        for (side, schema) in [("input", schema.input), ("output", schema.output)] {
            assert_eq!(schema["type"], "object", "{} {side}", kit.key);
            assert!(schema["$schema"].as_str().unwrap().contains("2020-12"), "{} {side}", kit.key);
            let fields = schema["properties"].as_object().unwrap();
            assert!(!fields.is_empty(), "{} {side}", kit.key);
            for (name, field) in fields {
                let is_told = ["type", "enum", "description", "anyOf", "oneOf", "$ref"];
                assert!(is_told.iter().any(|word| field.get(word).is_some()), "{} {side} {name}", kit.key);
            }
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(fields.contains_key(name.as_str().unwrap()), "{} {side} {name}", kit.key);
            }
        }
    }
}

#[test]
fn settings_are_read_strictly() {
    let check = |key: &str, settings: Value, expected: &str| {
        let kit = kit_of(&Factory::new(format!("builtin:{key}"))).unwrap();
        let fault = kit.check(settings.as_object().unwrap()).unwrap_err();
        assert_eq!((fault.class, fault.code.as_str()), (Class::Permanent, "bad-settings"));
        assert_eq!(fault.message, expected);
    };
    for kit in kits() {
        assert!(kit.check(&Map::new()).is_ok(), "{}", kit.key);
        let fault = kit.check(json!({"frobnicate": 1}).as_object().unwrap()).unwrap_err();
        assert!(fault.message.contains("`frobnicate`") && fault.message.contains("is unknown"), "{fault}");
    }
    check(
        "compression.encode",
        json!({"levle": 3}),
        "setting `levle` of `compression.encode` is unknown; did you mean `level`?",
    );
    check(
        "compression.encode",
        json!({"level": 10}),
        "setting `level` of `compression.encode` must be 0 to 9",
    );
    check(
        "compression.encode",
        json!({"algorithm": "gzip"}),
        "setting `algorithm` of `compression.encode` is `gzip`; allowed are zlib, bz2, lzma",
    );
    check(
        "workflow.retry",
        json!({"max_attempts": "3"}),
        "setting `max_attempts` of `workflow.retry` cannot be read: invalid type: string \"3\", expected i64",
    );
    check(
        "http.fetch",
        json!({"timeout_seconds": 0}),
        "setting `timeout_seconds` of `http.fetch` must be 0.1 to 600",
    );
    check(
        "task.schedule",
        json!({"timezone": "Mars/Base"}),
        "setting `timezone` of `task.schedule` must be the name of a zone, such as `Europe/Berlin`",
    );
}

#[tokio::test]
async fn a_blueprint_with_bad_settings_is_refused_when_it_is_loaded() {
    let descriptor = descriptor("builtin:compression.encode", Value::Null);
    let runtime = crate::support::runtime(&descriptor, oneiric_adapters::Limits::STANDARD).unwrap();
    let settings = json!({"level": 99}).as_object().unwrap().clone();
    let fault = runtime.check(&Blueprint::from(descriptor).with_settings(settings)).unwrap_err();
    assert_eq!(fault.code, "bad-settings");
}

#[tokio::test]
async fn what_is_signed_with_a_secret_never_says_it() {
    let signed =
        apply("security.signature", json!({"secret": "s3cret"}), json!({"message": "m"})).await.unwrap();
    assert!(!signed.to_string().contains("s3cret"));
    let again =
        apply("security.signature", json!({}), json!({"message": "m", "secret": "s3cret"})).await.unwrap();
    assert_eq!(signed["signature"], again["signature"]);
    let other =
        apply("security.signature", json!({}), json!({"message": "m", "secret": "other"})).await.unwrap();
    assert_ne!(signed["signature"], other["signature"]);
}

#[tokio::test]
async fn a_password_is_verified_against_its_own_hash_only() {
    let hash = json!({"mode": "password-hash", "password": "pässword", "iterations": 7});
    let mut verify = apply("security.secure", json!({}), hash).await.unwrap();
    verify["mode"] = "password-verify".into();
    verify["password"] = "pässword".into();
    let verified = apply("security.secure", json!({}), verify.clone()).await.unwrap();
    assert_eq!(verified, json!({"status": "password-verify", "valid": true}));
    verify["password"] = "password".into();
    assert_eq!(apply("security.secure", json!({}), verify).await.unwrap()["valid"], json!(false));
}

#[tokio::test]
async fn tokens_come_from_the_chance_that_was_handed_in() {
    let kit = kit_of(&Factory::new("builtin:security.secure")).unwrap();
    let action = kit.build(&Map::new(), &parts(NOW)).unwrap();
    let token = async || Value::from(action.apply(Payload::NULL).await.unwrap())["token"].clone();
    let (first, second) = (token().await, token().await);
    assert_ne!(first, second);
    let same_seed = kit.build(&Map::new(), &parts(NOW)).unwrap().apply(Payload::NULL).await.unwrap();
    assert_eq!(first, same_seed.value()["token"]);
}

#[tokio::test]
async fn hostile_payloads_cost_no_more_than_they_are_long() {
    for kit in kits() {
        let deep = (0..50_000).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        let action = kit.build(&Map::new(), &parts(NOW)).unwrap();
        let payload = Payload::from(Value::Object(Map::from_iter([("data".to_owned(), deep)])));
        let fault = action.apply(payload.clone()).await.unwrap_err();
        assert_eq!(fault.code, "payload-too-deep", "{}", kit.key);
        // To drop it would recurse as deep: the test leaves that to the end of the process.
        std::mem::forget(payload);
    }
    let long = "x ä".repeat(2_500_000);
    let packed = apply("compression.encode", json!({}), json!({ "text": long })).await.unwrap();
    let unpack = json!({"mode": "decompress", "data": packed["data"]});
    assert_eq!(apply("compression.encode", json!({}), unpack).await.unwrap()["text"], json!(long));
    let rules = vec![json!({"name": "r", "action": "a"}); 100_000];
    let fault = apply("automation.trigger", json!({}), json!({ "rules": rules })).await.unwrap_err();
    assert_eq!(fault.code, "automation-trigger-rule-limit");
    let steps: Vec<Value> = (0..100_000)
        .map(|at| {
            let before: Vec<String> = (at > 0).then(|| format!("s{}", at - 1)).into_iter().collect();
            json!({"step_id": format!("s{at}"), "name": "n", "action": "a", "depends_on": before})
        })
        .collect();
    let definition = json!({"workflow_id": "w", "steps": steps, "target_steps": ["s99999"]});
    let plan = apply("workflow.orchestrate", json!({}), definition).await.unwrap();
    assert_eq!(plan["stats"]["parallel_groups"], json!(100_000));
    let fields: Vec<Value> = (0..100_000).map(|at| json!({"name": format!("f{at}")})).collect();
    let payload = json!({"data": {"f1": "x"}, "fields": fields, "allow_extra": false});
    let checked = apply("validation.schema", json!({}), payload).await.unwrap();
    assert_eq!(checked["errors"].as_array().unwrap().len(), 99_999);
}
