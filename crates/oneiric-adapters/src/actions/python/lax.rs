//! What pydantic's lax mode takes for a number or a truth value, for use with serde.
//!
//! Upstream's typed payloads are pydantic models: `"5"` is a 5 there, `"yes"` is true, and `5` is no text.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

use super::number;

/// A whole number (`5`, `5.0`, `"5"`, `true`), where `null` is none.
pub(in crate::actions) fn some_int<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    optional(from, as_int)
}

/// The same with fractions; none that is not finite.
pub(in crate::actions) fn some_float<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    optional(from, as_float)
}

/// A truth value: `true`, `1`, `"yes"`, `"off"`.
pub(in crate::actions) fn bool<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    as_bool(&Value::deserialize(from)?).map_err(D::Error::custom)
}

/// The same, where `null` is none.
pub(in crate::actions) fn some_bool<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    optional(from, as_bool)
}

fn optional<'de, D: Deserializer<'de>, T>(
    from: D,
    read: fn(&Value) -> Result<T, &'static str>,
) -> Result<Option<T>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        value => read(&value).map(Some).map_err(D::Error::custom),
    }
}

fn as_int(value: &Value) -> Result<i64, &'static str> {
    let whole = match value {
        Value::Number(number) if number.is_f64() => number.as_f64().filter(|f| f.fract() == 0.0),
        Value::String(text) => match number::int(value) {
            Some(whole) => return Ok(whole),
            // `"5.0"` is accepted, `"5.1"` and `"5e0"` are not.
            None if text.contains('.') && !text.contains(['e', 'E']) => {
                number::float(value).filter(|f| f.fract() == 0.0)
            }
            None => None,
        },
        _ => return number::int(value).ok_or("expected a whole number"),
    };
    whole.and_then(|f| number::int(&f.into())).ok_or("expected a whole number")
}

fn as_float(value: &Value) -> Result<f64, &'static str> {
    number::float(value).filter(|float| float.is_finite()).ok_or("expected a number")
}

fn as_bool(value: &Value) -> Result<bool, &'static str> {
    let refused = Err("expected true or false");
    match value {
        Value::Bool(truth) => Ok(*truth),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Ok(false),
            Some(1.0) => Ok(true),
            _ => refused,
        },
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "1" | "on" | "t" | "true" | "y" | "yes" => Ok(true),
            "0" | "off" | "f" | "false" | "n" | "no" => Ok(false),
            _ => refused,
        },
        _ => refused,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_pydantic_accepts_is_accepted() {
        let ints = |value: Value, expected| assert_eq!(as_int(&value).ok(), expected, "{value}");
        ints(json!(5), Some(5));
        ints(json!(5.0), Some(5));
        ints(json!(5.5), None);
        ints(json!("5"), Some(5));
        ints(json!("5.0"), Some(5));
        ints(json!("5.5"), None);
        ints(json!("5e0"), None);
        ints(json!(true), Some(1));
        ints(json!(null), None);
        let floats = |value: Value, expected| assert_eq!(as_float(&value).ok(), expected, "{value}");
        floats(json!("5e3"), Some(5000.0));
        floats(json!("nan"), None);
        let bools = |value: Value, expected| assert_eq!(as_bool(&value).ok(), expected, "{value}");
        bools(json!("YES"), Some(true));
        bools(json!("off"), Some(false));
        bools(json!(1.0), Some(true));
        bools(json!(2), None);
        bools(json!(" true"), None);
    }
}
