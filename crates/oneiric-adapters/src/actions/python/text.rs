//! `str()` and `repr()`.

use serde_json::Value;

use super::number;

/// `str(value)`: text stays as it is, everything else is written as Python source.
pub(in crate::actions) fn str(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => {
            let mut into = String::new();
            repr(other, &mut into);
            into
        }
    }
}

fn repr(value: &Value, into: &mut String) {
    match value {
        Value::Null => into.push_str("None"),
        Value::Bool(true) => into.push_str("True"),
        Value::Bool(false) => into.push_str("False"),
        Value::Number(number) if number.is_f64() => {
            into.push_str(&number::written(number.as_f64().unwrap_or(f64::NAN)));
        }
        Value::Number(number) => into.push_str(&number.to_string()),
        Value::String(text) => quoted(text, into),
        Value::Array(items) => {
            into.push('[');
            for (at, item) in items.iter().enumerate() {
                into.push_str(if at == 0 { "" } else { ", " });
                repr(item, into);
            }
            into.push(']');
        }
        Value::Object(fields) => {
            into.push('{');
            for (at, (key, item)) in fields.iter().enumerate() {
                into.push_str(if at == 0 { "" } else { ", " });
                quoted(key, into);
                into.push_str(": ");
                repr(item, into);
            }
            into.push('}');
        }
    }
}

fn quoted(text: &str, into: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    into.push(quote);
    for letter in text.chars() {
        match letter {
            '\\' => into.push_str("\\\\"),
            '\n' => into.push_str("\\n"),
            '\r' => into.push_str("\\r"),
            '\t' => into.push_str("\\t"),
            _ if letter == quote => into.extend(['\\', quote]),
            _ if is_printable(letter) => into.push(letter),
            _ => match u32::from(letter) {
                code @ ..0x100 => into.push_str(&format!("\\x{code:02x}")),
                code @ ..0x1_0000 => into.push_str(&format!("\\u{code:04x}")),
                code => into.push_str(&format!("\\U{code:08x}")),
            },
        }
    }
    into.push(quote);
}

/// `str.isprintable`, without the characters that Unicode has not assigned yet.
fn is_printable(letter: char) -> bool {
    letter == ' '
        || !(letter.is_control()
            || letter.is_whitespace()
            || matches!(
                letter,
                '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}'
            )
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || matches!(letter, '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_python_source() {
        let check = |value: Value, expected: &str| assert_eq!(str(&value), expected);
        check(json!("it's"), "it's");
        check(json!(null), "None");
        check(json!([true, 1, 1.0, "a", null]), "[True, 1, 1.0, 'a', None]");
        check(json!({"a": {"b": ["it's"]}}), "{'a': {'b': [\"it's\"]}}");
        check(json!(["'\"\\\n\u{7f}\u{ad}ä\u{2028}\u{e0001}"]), r#"['\'"\\\n\x7f\xadä\u2028\U000e0001']"#);
    }
}
