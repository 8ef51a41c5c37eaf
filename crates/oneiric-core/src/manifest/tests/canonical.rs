//! The bytes that signatures cover.

use super::super::*;

fn check(name: &str, text: &str, expected: &str) {
    assert_eq!(canonical(name, text.as_bytes()).unwrap_or_else(|e| e.to_string()), expected, "{text}");
}

/// Expected texts are the output of Python 3.11: `json.dumps(x, sort_keys=True, separators=(",", ":"))`.
#[test]
fn the_canonical_text_is_pythons() {
    check(
        "m.json",
        r#"{"signature": "s", "source": "é😀\u007f\n", "signatures": [], "signature_algorithm": "x",
            "expires_at": "2030-01-01", "entries": [{"z": 1e16, "a": [1.0, 1e-5, 100000.0, 5], "é": null}]}"#,
        r#"{"entries":[{"a":[1.0,1e-05,100000.0,5],"z":1e+16,"\u00e9":null}],"expires_at":"2030-01-01","source":"\u00e9\ud83d\ude00\u007f\n"}"#,
    );
    check("m.json", r#"{"b": "\"\\\/\b\f\r\t\u0001", "a": true}"#, r#"{"a":true,"b":"\"\\/\b\f\r\t\u0001"}"#);
    check(
        "m.json",
        r#"{"a": {"signature": "kept below the top"}}"#,
        r#"{"a":{"signature":"kept below the top"}}"#,
    );
    check("m.json", "[]", "m.json:1:1: manifest must be a mapping, found a list");
}

#[test]
fn one_manifest_has_one_canonical_text_in_all_formats() {
    let expected = r#"{"entries":[{"domain":"task","metadata":{"n":1.5,"on":"no","tags":["a","b"]}}],"signed_at":"2025-01-01T00:00:00Z"}"#;
    check(
        "m.yaml",
        "signed_at: 2025-01-01T00:00:00Z\nentries:\n- domain: task\n  metadata: {on: no, n: 1.5, tags: [a, b]}\n",
        expected,
    );
    check("m.json", expected, expected);
    check(
        "m.toml",
        "signed_at = 2025-01-01T00:00:00Z\n[[entries]]\ndomain = 'task'\nmetadata.tags = ['a', 'b']\nmetadata.on = 'no'\nmetadata.n = 1.5\n",
        expected,
    );
}

#[test]
fn what_was_not_written_is_not_signed() {
    check("m.yaml", "entries: []\nsignature: null\n", r#"{"entries":[]}"#);
    check("m.yaml", "source: null", r#"{"source":null}"#);
    check(
        "m.yaml",
        "entries:\n- {retry_policy: {max_attempts: 3}}",
        r#"{"entries":[{"retry_policy":{"max_attempts":3}}]}"#,
    );
}

#[test]
fn packing_keeps_the_order_of_the_text() {
    let yaml = "source: x\nentries:\n- {key: k, domain: task, metadata: {z: é, a: 1}}\n";
    let toml = "source = 'x'\n[[entries]]\nkey = 'k'\ndomain = 'task'\nmetadata = {z = 'é', a = 1}\n";
    let expected = r#"{"source":"x","entries":[{"key":"k","domain":"task","metadata":{"z":"é","a":1}}]}"#;
    assert_eq!(to_json("m.yaml", yaml.as_bytes(), Layout::Compact).unwrap(), expected);
    assert_eq!(to_json("m.toml", toml.as_bytes(), Layout::Compact).unwrap(), expected);
    insta::assert_snapshot!(to_json("m.yaml", yaml.as_bytes(), Layout::Pretty).unwrap());
}
