//! What is a secret by its looks, where no schema says so: settings of providers have shapes of their own.

use serde_json::{Map, Value};

use crate::secret::{MASK, SecretRef};

/// Words in the name of a key whose value is not shown. `key` alone would hide cache keys.
const WORDS: [&str; 12] = [
    "secret",
    "token",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "api_key",
    "apikey",
    "private_key",
    "access_key",
    "authorization",
    "cookie",
];

/// Whether a key of this name is likely to hold a secret.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    WORDS.iter().any(|word| name.contains(word))
}

/// The value as it may be shown, under a key of this name. References are shown: an id is no secret.
pub(super) fn value(name: &str, value: &Value) -> Value {
    match value {
        Value::Object(_) if SecretRef::of(value).is_some() => value.clone(),
        Value::Object(inner) => Value::Object(map(inner)),
        Value::Null | Value::Bool(_) => value.clone(),
        _ if is_secret_name(name) => Value::from(MASK),
        Value::Array(items) => items.iter().map(|item| self::value(name, item)).collect(),
        Value::String(text) => Value::from(address(text)),
        Value::Number(_) => value.clone(),
    }
}

/// A value from outside as people may see it: whatever stands under a name that looks like a secret's is `***`,
/// at any depth.
pub fn masked(given: &Value) -> Value {
    value("", given)
}

/// The map as it may be shown.
pub(super) fn map(map: &Map<String, Value>) -> Map<String, Value> {
    map.iter().map(|(name, inner)| (name.clone(), value(name, inner))).collect()
}

/// An address without what it says of a password: `redis://app:***@host`.
fn address(text: &str) -> String {
    let masked = || {
        let (scheme, rest) = text.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (person, _) = rest[..end].rsplit_once('@')?;
        let (name, _) = person.split_once(':')?;
        Some(format!("{scheme}://{name}:{MASK}{}", &rest[person.len()..]))
    };
    masked().unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_not_shown() {
        let check = |name: &str, given: Value, expected: Value| assert_eq!(value(name, &given), expected);
        check("password", json!("x"), json!("***"));
        check("API-Key", json!(["x", 1]), json!("***"));
        check("cache_key", json!("x"), json!("x"));
        check("port", json!(1), json!(1));
        check("token", json!(null), json!(null));
        check("token", json!({"secret": "id"}), json!({"secret": "id"}));
        check("a", json!({"b": {"client_secret": 7}}), json!({"b": {"client_secret": "***"}}));
        check("url", json!("redis://app:pw@host:1/0?x=a@b"), json!("redis://app:***@host:1/0?x=a@b"));
        check("url", json!("https://host/a@b"), json!("https://host/a@b"));
    }
}
