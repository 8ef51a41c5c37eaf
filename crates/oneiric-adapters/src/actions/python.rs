//! What Python makes of JSON values, where a result of the kits shows it.
//!
//! Upstream's kits lean on Python's truth, equality, conversions and formats. Payloads written for them
//! must give the same here, so these rules are kept in one place, each as small as its use.

pub(super) mod base64;
pub(super) mod json;
pub(super) mod lax;
pub(super) mod number;
pub(super) mod text;
pub(super) mod time;
pub(super) mod yaml;

use serde_json::Value;

/// Whether `if value:` is taken: not for `null`, `false`, zero and whatever is empty.
pub(super) fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// `a == b`: `1`, `1.0` and `true` are the same, also inside of lists and mappings.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        (Value::Bool(_) | Value::Number(_), Value::Bool(_) | Value::Number(_)) => number::equal(a, b),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn truth_is_pythons() {
        for no in
            [json!(null), json!(false), json!(0), json!(0.0), json!(-0.0), json!(""), json!([]), json!({})]
        {
            assert!(!truthy(&no), "{no}");
        }
        for yes in [json!(true), json!(-1), json!(0.1), json!("0"), json!([null]), json!({"a": null})] {
            assert!(truthy(&yes), "{yes}");
        }
    }

    #[test]
    fn equality_is_pythons() {
        let check = |a: Value, b: Value, expected| assert_eq!(equal(&a, &b), expected, "{a} == {b}");
        check(json!(1), json!(1.0), true);
        check(json!(1), json!(true), true);
        check(json!(0), json!(false), true);
        check(json!(0), json!(null), false);
        check(json!("1"), json!(1), false);
        check(json!([1, {"a": true}]), json!([1.0, {"a": 1}]), true);
        check(json!({"a": 1}), json!({"a": 1, "b": 2}), false);
        // Both are the same double; Python compares the integer exactly.
        check(json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992.0), false);
        check(json!(u64::MAX), json!(-1), false);
    }
}
