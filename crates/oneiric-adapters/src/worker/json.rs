//! JSON into a buffer, fast where text is long.
//!
//! `serde_json` looks at every byte of a string for something to escape, one at a time. Most text has
//! nothing, and that can be seen for many bytes at once: a third off a call with ten kilobytes of text.

use serde_json::Value;

/// Why writing to a buffer is no error.
const MEMORY: &str = "a buffer in memory takes whatever is written, and a JSON value is JSON";

/// How many bytes are looked at together; a few registers of the machine.
const STRIDE: usize = 64;

/// Appends the value, as `serde_json` writes it.
pub(super) fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write(out, item);
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            out.push(b'{');
            for (n, (name, field)) in fields.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write_text(out, name);
                out.push(b':');
                write(out, field);
            }
            out.push(b'}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            serde_json::to_writer(&mut *out, value).expect(MEMORY);
        }
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    if text.as_bytes().chunks(STRIDE).any(needs_escape) {
        serde_json::to_writer(out, text).expect(MEMORY);
    } else {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
}

/// Without a way out in the middle, so that the compiler takes all bytes at once.
fn needs_escape(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, byte| found | (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_what_serde_json_writes() {
        let long = "é".repeat(100);
        let texts = ["", "a", "\"", "\\", "\n", "\u{1f}", "\u{7f}", "\u{0}", &long, "🦀 / \u{2028}"];
        let mut values = vec![
            json!(null),
            json!([true, -1, 1.5, u64::MAX, [], {}, [[]]]),
            json!({"a": {"b\"": ["c\n"]}, "": 1}),
            json!(format!("{}\n", "x".repeat(64))),
        ];
        values.extend(texts.map(Value::from));
        for value in values {
            let mut out = Vec::new();
            write(&mut out, &value);
            assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }
}
