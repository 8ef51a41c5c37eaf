//! Takes secrets out of what gets logged and returned.

use serde_json::Value;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// Masks the values of every field of these names, however deep it lies. Names match exactly.
pub(in crate::actions) fn redact(mut value: Value, names: &[String]) -> Value {
    let names = names.iter().map(String::as_str).collect();
    mask(&mut value, &names);
    value
}

fn mask(value: &mut Value, names: &std::collections::HashSet<&str>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, names)),
        Value::Object(fields) => {
            for (name, inner) in fields {
                if names.contains(name.as_str()) {
                    *inner = MASK.into();
                } else {
                    mask(inner, names);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_masked_wherever_it_lies() {
        let names = ["token".to_owned(), "key".to_owned()];
        let found =
            redact(json!({"key": {"a": 1}, "l": [[{"token": 1}], {"Token": 2, "keys": [3]}]}), &names);
        assert_eq!(found, json!({"key": "***", "l": [[{"token": "***"}], {"Token": 2, "keys": [3]}]}));
    }
}
