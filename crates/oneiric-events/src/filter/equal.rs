//! Equality as Python has it: filters were written for it.

use serde_json::{Number, Value};

/// Whether two values are equal: numbers by what they are worth, `true` and `false` as 1 and 0.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => numbers(a, b),
        (Value::Bool(truth), Value::Number(number)) | (Value::Number(number), Value::Bool(truth)) => {
            numbers(&Number::from(u8::from(*truth)), number)
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| equal(value, other)))
        }
        (a, b) => a == b,
    }
}

/// Whole numbers exactly, and others as floating ones.
fn numbers(a: &Number, b: &Number) -> bool {
    if let (Some(a), Some(b)) = (a.as_i128(), b.as_i128()) {
        return a == b;
    }
    match (a.as_f64(), b.as_f64()) {
        (Some(whole), Some(float)) if a.is_f64() == b.is_f64() => whole == float,
        // A float is equal to a whole number only if it is that number: 2^53 and 2^53 + 1 are not.
        (Some(_), Some(_)) => {
            let (whole, float) = if a.is_f64() { (b, a) } else { (a, b) };
            let float = float.as_f64().unwrap_or(f64::NAN);
            whole.as_i128().is_some_and(|whole| float.fract() == 0.0 && float as i128 == whole)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equality_is_pythons() {
        let check = |a: Value, b: Value, expected: bool| {
            assert_eq!(equal(&a, &b), expected, "{a} {b}");
            assert_eq!(equal(&b, &a), expected, "{b} {a}");
        };
        check(json!(1), json!(1.0), true);
        check(json!(0), json!(-0.0), true);
        check(json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992.0), false);
        check(json!(u64::MAX), json!(u64::MAX as f64), false);
        check(json!(true), json!(1), true);
        check(json!(false), json!(0.0), true);
        check(json!(true), json!(2), false);
        check(json!({"a": [1]}), json!({"a": [1.0]}), true);
        check(json!({"a": 1}), json!({"a": 1, "b": 2}), false);
        check(json!("1"), json!(1), false);
        check(json!(null), json!(false), false);
        check(json!(0.1), json!(0.1), true);
    }
}
