//! Text from a variable or an option as a value: the type of the key decides, nothing is guessed.

use super::schema::{Field, Kind};
use super::walk::tree_of;
use crate::text::problem::Span;
use crate::text::tree::{Tree, Value};

/// The value that a text means for a field. What does not fit stays text, so that the check of the field
/// says what was expected.
pub(super) fn coerce(field: &Field, text: &str) -> Tree<'static> {
    let plain = || Value::Text(text.to_owned().into());
    let word = text.trim();
    let json = || serde_json::from_str(word).ok().map(|value| tree_of(value).value);
    let value = match &field.kind {
        _ if field.nullable && (word.is_empty() || word == "null") => Value::Null,
        Kind::Text(_) | Kind::Any => plain(),
        Kind::Choice(_) => Value::Text(word.to_owned().into()),
        Kind::Bool => match word.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Value::Bool(true),
            "false" | "0" | "no" | "off" => Value::Bool(false),
            _ => plain(),
        },
        Kind::Whole { .. } => word
            .parse::<i64>()
            .map(Into::into)
            .or_else(|_| word.parse::<u64>().map(Into::into))
            .map_or_else(|_| plain(), Value::Number),
        Kind::Number { .. } => word
            .parse::<f64>()
            .ok()
            .filter(|_| word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')))
            .and_then(serde_json::Number::from_f64)
            .map_or_else(plain, Value::Number),
        Kind::List(item) if !word.starts_with('[') => {
            let items = word.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::List(items.map(|text| coerce(item, text)).collect())
        }
        Kind::List(_) => json().filter(|value| matches!(value, Value::List(_))).unwrap_or_else(plain),
        Kind::Section(_) | Kind::Map { .. } => {
            json().filter(|value| matches!(value, Value::Map(_))).unwrap_or_else(plain)
        }
    };
    Tree { span: Span::default(), value }
}

/// How a value of the field is written in a variable, where it is not plain.
pub(super) fn how(field: &Field) -> Option<String> {
    let text = match &field.kind {
        Kind::Bool => "write true or false",
        Kind::List(_) => "write `a,b` or a JSON list",
        Kind::Section(_) | Kind::Map { .. } => "write a JSON object: '{\"key\": \"value\"}'",
        Kind::Text(_) | Kind::Whole { .. } | Kind::Number { .. } | Kind::Choice(_) | Kind::Any => {
            return None;
        }
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_type_of_the_key_decides_what_a_text_means() {
        let check = |schema: serde_json::Value, text: &str, expected: serde_json::Value| {
            let found = coerce(&Field::read(&schema), text).into_json();
            assert_eq!(found, expected, "{schema} {text:?}");
        };
        let text = json!({"type": "string"});
        for word in ["12345", "true", "null", "", "[1]", "a,b", " x ", "1e3"] {
            check(text.clone(), word, json!(word));
        }
        let perhaps = json!({"type": ["string", "null"]});
        check(perhaps.clone(), "", json!(null));
        check(perhaps.clone(), "null", json!(null));
        check(perhaps.clone(), "12345", json!("12345"));
        check(perhaps, "a,b", json!("a,b"));
        let flag = json!({"type": "boolean"});
        for word in ["true", "1", "yes", "on", "TRUE", " On "] {
            check(flag.clone(), word, json!(true));
        }
        for word in ["false", "0", "no", "off", "No"] {
            check(flag.clone(), word, json!(false));
        }
        for word in ["", "2", "y", "enabled"] {
            check(flag.clone(), word, json!(word));
        }
        let whole = json!({"type": "integer"});
        check(whole.clone(), " 42 ", json!(42));
        check(whole.clone(), "-1", json!(-1));
        check(whole.clone(), "18446744073709551615", json!(u64::MAX));
        for word in ["18446744073709551616", "1.0", "1e3", "0x10", "1_000", ""] {
            check(whole.clone(), word, json!(word));
        }
        let number = json!({"type": "number"});
        check(number.clone(), "2", json!(2.0));
        check(number.clone(), "-.5e1", json!(-5.0));
        for word in ["inf", "NaN", "1e400", "two", ""] {
            check(number.clone(), word, json!(word));
        }
        let list = json!({"type": "array", "items": {"type": "integer"}});
        check(list.clone(), "1, 2", json!([1, 2]));
        check(list.clone(), "[1, 2]", json!([1, 2]));
        check(list.clone(), "", json!([]));
        check(list.clone(), "x", json!(["x"]));
        check(list, "[1,", json!("[1,"));
        let words = json!({"type": "array", "items": {"type": "string"}});
        check(words.clone(), "1,true", json!(["1", "true"]));
        check(words, "[\"a,b\"]", json!(["a,b"]));
        let map = json!({"type": "object", "additionalProperties": {"type": "string"}});
        check(map.clone(), "{\"a\": \"b\"}", json!({"a": "b"}));
        check(map, "a=b", json!("a=b"));
        check(json!(true), "6379", json!("6379"));
        check(json!({"enum": ["a"]}), " a ", json!("a"));
    }
}
