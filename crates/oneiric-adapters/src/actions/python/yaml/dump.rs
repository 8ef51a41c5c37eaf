//! From values to text.

use serde_json::Value;

use super::analysis::analyse;
use super::scalar;
use super::writer::Writer;
use crate::actions::python::number;

/// What a key may be long, with its invisible tag `!!str`; a longer one is written as `? key`.
const LONGEST_KEY: usize = 127 - 5;
const INDENT: usize = 2;

/// The value as a YAML document.
pub(in crate::actions) fn dump(value: &Value) -> String {
    let mut writer = Writer::new();
    let is_open = match value {
        Value::Array(items) if !items.is_empty() => {
            list(&mut writer, items, 0);
            false
        }
        Value::Object(fields) if !fields.is_empty() => {
            mapping(&mut writer, fields, 0);
            false
        }
        // A lone scalar without quotes has no end of its own.
        scalar => leaf(&mut writer, scalar, INDENT, false),
    };
    writer.finish(is_open)
}

/// A value behind `- ` (then what is in it may begin in the same line) or behind `key:`.
fn node(writer: &mut Writer, value: &Value, indent: usize, is_value_of_key: bool) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            // A list in a mapping is not indented.
            let is_flush = is_value_of_key && !writer.indenting;
            list(writer, items, if is_flush { indent } else { indent + INDENT });
        }
        Value::Object(fields) if !fields.is_empty() => mapping(writer, fields, indent + INDENT),
        scalar => {
            leaf(writer, scalar, indent + INDENT, false);
        }
    }
}

fn list(writer: &mut Writer, items: &[Value], indent: usize) {
    for item in items {
        writer.indent = indent;
        writer.line();
        writer.lead("-");
        node(writer, item, indent, false);
    }
}

fn mapping(writer: &mut Writer, fields: &serde_json::Map<String, Value>, indent: usize) {
    for (key, value) in fields {
        writer.indent = indent;
        writer.line();
        let of = analyse(key);
        if of.is_empty || of.is_multiline || key.chars().count() > LONGEST_KEY {
            writer.lead("?");
            text(writer, key, indent + INDENT, false);
            writer.indent = indent;
            writer.line();
            writer.lead(":");
        } else {
            text(writer, key, indent + INDENT, true);
            writer.put(":");
            writer.stands();
        }
        node(writer, value, indent, true);
    }
}

/// A scalar or an empty collection; whether it is a scalar without quotes.
fn leaf(writer: &mut Writer, value: &Value, indent: usize, is_key: bool) -> bool {
    let plain = match value {
        Value::String(said) => return text(writer, said, indent, is_key),
        Value::Array(_) => {
            writer.spaced("[]");
            writer.stands();
            return false;
        }
        Value::Object(_) => {
            writer.spaced("{}");
            writer.stands();
            return false;
        }
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) if number.is_f64() => float(number.as_f64().unwrap_or(f64::NAN)),
        Value::Number(number) => number.to_string(),
    };
    writer.indent = indent;
    writer.plain(&plain, false);
    true
}

/// A text in the first style that reads back as it; whether that is without quotes.
fn text(writer: &mut Writer, said: &str, indent: usize, is_key: bool) -> bool {
    writer.indent = indent;
    let of = analyse(said);
    if of.plain && scalar::is_text(said) {
        writer.plain(said, !is_key);
        return true;
    }
    if of.single {
        writer.single(said, !is_key);
    } else {
        writer.double(said, !is_key);
    }
    false
}

/// As Python, but with a dot, without which YAML 1.1 sees no float.
fn float(float: f64) -> String {
    let text = number::written(float);
    if text.contains('.') { text } else { text.replacen('e', ".0e", 1) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_dumped_as_pyyaml_does() {
        let check = |value: Value, expected: &str| assert_eq!(dump(&value), expected);
        check(json!(5), "5\n...\n");
        check(json!("a"), "a\n...\n");
        check(json!("yes"), "'yes'\n");
        check(json!([]), "[]\n");
        check(json!(1e16), "1.0e+16\n...\n");
        check(json!({"a": [1, {"b": null}], "c": {}}), "a:\n- 1\n- b: null\nc: {}\n");
        check(
            json!([[1, [2]], {"k": {"x": "y"}, "l": [[]]}]),
            "- - 1\n  - - 2\n- k:\n    x: y\n  l:\n  - []\n",
        );
        check(json!({"": 1, "a\nb": 2}), "? ''\n: 1\n? 'a\n\n  b'\n: 2\n");
        check(json!({"ä": "ö\t\u{1f600}"}), "\"\\xE4\": \"\\xF6\\t\\U0001F600\"\n");
        check(json!({"d": "2026-01-01", "n": "1_0", "s": "it's"}), "d: '2026-01-01'\nn: '1_0'\ns: it's\n");
    }

    #[test]
    fn long_lines_are_broken_as_pyyaml_does() {
        let words = "word ".repeat(20).trim_end().to_owned();
        let line = "word ".repeat(16);
        let expected = format!("a: {}\n  word word word word\n", line.trim_end());
        assert_eq!(dump(&json!({ "a": words })), expected);
    }
}
