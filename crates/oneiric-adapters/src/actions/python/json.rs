//! `json.dumps`.

use serde_json::Value;

use super::number;

/// How it is written.
#[derive(Debug, Clone, Copy)]
pub(in crate::actions) struct Style {
    /// Between two items: `, ` unless said otherwise.
    pub(in crate::actions) item: &'static str,
    /// Between a key and its value: `: ` unless said otherwise.
    pub(in crate::actions) key: &'static str,
    /// Whether everything outside of ASCII is escaped.
    pub(in crate::actions) ascii: bool,
}

impl Style {
    /// What Python does unasked.
    pub(in crate::actions) const PLAIN: Self = Self { item: ", ", key: ": ", ascii: true };
    /// What gets hashed and signed: `separators=(",", ":")`.
    pub(in crate::actions) const COMPACT: Self = Self { item: ",", key: ":", ascii: true };
}

/// The value as JSON text. Keys come in their order in the map, which is sorted: as `sort_keys=True`.
pub(in crate::actions) fn dumps(value: &Value, style: Style) -> String {
    let mut into = String::new();
    write(value, style, &mut into);
    into
}

fn write(value: &Value, style: Style, into: &mut String) {
    match value {
        Value::Null => into.push_str("null"),
        Value::Bool(truth) => into.push_str(if *truth { "true" } else { "false" }),
        Value::Number(number) if number.is_f64() => {
            into.push_str(&number::written(number.as_f64().unwrap_or(f64::NAN)));
        }
        Value::Number(number) => into.push_str(&number.to_string()),
        Value::String(text) => quoted(text, style.ascii, into),
        Value::Array(items) => {
            into.push('[');
            for (at, item) in items.iter().enumerate() {
                into.push_str(if at == 0 { "" } else { style.item });
                write(item, style, into);
            }
            into.push(']');
        }
        Value::Object(fields) => {
            into.push('{');
            for (at, (key, item)) in fields.iter().enumerate() {
                into.push_str(if at == 0 { "" } else { style.item });
                quoted(key, style.ascii, into);
                into.push_str(style.key);
                write(item, style, into);
            }
            into.push('}');
        }
    }
}

fn quoted(text: &str, ascii: bool, into: &mut String) {
    into.push('"');
    for letter in text.chars() {
        match letter {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            '\n' => into.push_str("\\n"),
            '\r' => into.push_str("\\r"),
            '\t' => into.push_str("\\t"),
            '\u{8}' => into.push_str("\\b"),
            '\u{c}' => into.push_str("\\f"),
            ' '..='~' => into.push(letter),
            _ if ascii || letter < ' ' => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    into.push_str(&format!("\\u{unit:04x}"));
                }
            }
            _ => into.push(letter),
        }
    }
    into.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_written_as_python_does() {
        let check = |value: Value, style, expected: &str| assert_eq!(dumps(&value, style), expected);
        let value =
            json!({"b": [1, 1.0, 1e16, null, true], "a": {"ä": "\u{1f600}\"\\\n\u{1}\u{7f}"}, "e": []});
        check(
            value.clone(),
            Style::PLAIN,
            r#"{"a": {"\u00e4": "\ud83d\ude00\"\\\n\u0001\u007f"}, "b": [1, 1.0, 1e+16, null, true], "e": []}"#,
        );
        check(
            value,
            Style { ascii: false, ..Style::COMPACT },
            "{\"a\":{\"ä\":\"\u{1f600}\\\"\\\\\\n\\u0001\u{7f}\"},\"b\":[1,1.0,1e+16,null,true],\"e\":[]}",
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(text in ".*", number in -1e300..1e300_f64, whole: i64, ascii: bool) {
            let value = json!({ "t": text, "n": whole, "l": [number.trunc(), null] });
            let style = Style { ascii, ..Style::PLAIN };
            let back: Value = serde_json::from_str(&dumps(&value, style)).unwrap();
            prop_assert_eq!(&back["t"], &value["t"]);
            prop_assert_eq!(&back["n"], &value["n"]);
        }
    }
}
