//! What a scalar means: the core schema of YAML 1.2, less what other readers read differently.

use std::borrow::Cow;

use granit_parser::{ScalarStyle, Tag};
use serde_json::Number;

use super::super::reader::{short, too_large};
use super::super::tree::Value;

/// What is wrong with a scalar, and the help.
type Trouble = Option<(String, Option<String>)>;

/// The value of a scalar. Where something is wrong the value is the likely meaning, so that no second
/// problem follows from the first.
pub(super) fn resolve<'t>(text: Cow<'t, str>, style: ScalarStyle, tag: Option<&Tag>) -> (Value<'t>, Trouble) {
    let Some(tag) = tag else {
        return if style == ScalarStyle::Plain { plain(text) } else { (Value::Text(text), None) };
    };
    let wanted = match tag.core_suffix() {
        Some("str") => return (Value::Text(text), None),
        None if is_plain(tag) => return (Value::Text(text), None),
        Some(wanted @ ("int" | "float" | "bool" | "null")) => wanted,
        _ => return (Value::Text(text), Some((unsupported(tag), None))),
    };
    let written = short(&text);
    let (value, trouble) = plain(text);
    match (&value, wanted) {
        (Value::Null, "null") | (Value::Bool(_), "bool") => (value, trouble),
        (Value::Number(number), "int") if !number.is_f64() => (value, trouble),
        (Value::Number(number), "float") => match number.as_f64().and_then(Number::from_f64) {
            Some(float) => (Value::Number(float), trouble),
            None => (value, trouble),
        },
        _ => (value, Some((format!("`{written}` is not what its tag `!!{wanted}` says"), None))),
    }
}

/// Whether a tag is the lone `!`, which means text for scalars and nothing for the rest.
pub(super) fn is_plain(tag: &Tag) -> bool {
    tag.original() == "!"
}

pub(super) fn unsupported(tag: &Tag) -> String {
    format!("tag `{}` is not supported", short(&tag.original()))
}

/// A scalar without quotes. `yes`, `no`, `on` and `off` are text (YAML 1.1 took them for truth values),
/// and so are dates and `12:30`.
fn plain(text: Cow<'_, str>) -> (Value<'_>, Trouble) {
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => return (Value::Null, None),
        "true" | "True" | "TRUE" => return (Value::Bool(true), None),
        "false" | "False" | "FALSE" => return (Value::Bool(false), None),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return (Value::Text(text), None);
    }
    if ambiguous(digits) {
        let help = format!("write \"{}\" for text, or a plain decimal number", short(&text));
        let trouble = (format!("`{}` is not the same number to every reader", short(&text)), Some(help));
        return (likely(digits), Some(trouble));
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return match Value::number(&text) {
            Some(value) => (value, None),
            None => (likely(digits), Some((too_large(&text), None))),
        };
    }
    if let Some(hex) = text.strip_prefix("0x").filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())) {
        return match u64::from_str_radix(hex, 16) {
            Ok(value) => (Value::Number(value.into()), None),
            Err(_) if hex.is_empty() => (Value::Text(text), None),
            Err(_) => (likely("1"), Some((too_large(&text), None))),
        };
    }
    if matches!(digits, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return (likely("1"), Some((infinite(&text), None)));
    }
    if !is_float(digits) {
        return (Value::Text(text), None);
    }
    match text.parse().ok().and_then(Number::from_f64) {
        Some(number) => (Value::Number(number), None),
        None => (likely("1"), Some((infinite(&text), None))),
    }
}

/// `010` is eight to YAML 1.1 (and so to Python) and ten to 1.2; `0o10`, `0b1` and `1_000` are numbers
/// to one of them and text to the other.
fn ambiguous(digits: &str) -> bool {
    let of = |rest: &str, allowed: &str| !rest.is_empty() && rest.chars().all(|c| allowed.contains(c));
    let whole = of(digits, "0123456789_") && digits.starts_with(|c: char| c.is_ascii_digit());
    match digits.get(..2) {
        Some("0o") => of(&digits[2..], "01234567"),
        Some("0b") => of(&digits[2..], "01_"),
        Some(_) => whole && (digits.starts_with('0') || digits.contains('_')),
        None => false,
    }
}

/// `1.5`, `1.`, `.5`, `1e5`, without its sign.
fn is_float(digits: &str) -> bool {
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let all = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all(digits)
    });
    all(whole) && all(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent
}

fn infinite(text: &str) -> String {
    format!("`{}` is not a finite number", short(text))
}

/// A number that stands in for one that cannot be had, so that it still counts as a number.
fn likely(digits: &str) -> Value<'static> {
    Value::Number(digits.trim_start_matches('0').parse::<u32>().unwrap_or(1).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_the_same_to_every_reader_or_are_refused() {
        let check = |text: &str, expected: &str| {
            let (value, trouble) = plain(Cow::Borrowed(text));
            let value = serde_json::to_string(&super::super::Tree { span: Default::default(), value });
            let found = trouble.map_or(value.unwrap(), |_| "refused".to_owned());
            assert_eq!(found, expected, "{text}");
        };
        for null in ["", "~", "null", "NULL"] {
            check(null, "null");
        }
        check("True", "true");
        check("tRuE", "\"tRuE\"");
        for text in
            ["no", "yes", "on", "off", "12:30", "2025-01-01", "1.2.3", "-", "+", ".", "..", "1e", "0x"]
        {
            check(text, &format!("\"{text}\""));
        }
        for refused in ["010", "-010", "08", "0o17", "0b11", "1_000", ".inf", "-.INF", ".nan", "1e999"] {
            check(refused, "refused");
        }
        for refused in ["18446744073709551616", "-9223372036854775809", "0x10000000000000000"] {
            check(refused, "refused");
        }
        check("18446744073709551615", "18446744073709551615");
        check("-9223372036854775808", "-9223372036854775808");
        check("+5", "5");
        check("-0", "0");
        check("0", "0");
        check("0x1F", "31");
        check("1.", "1.0");
        check(".5", "0.5");
        check("-1.5e-3", "-0.0015");
        check("1e5", "100000.0");
        check("0.5", "0.5");
    }
}
