//! What a plain scalar means in YAML 1.1, as PyYAML has it.

use serde_json::{Number, Value};

/// Whether a plain scalar is a text, and not a number, a date, a truth value, ...
pub(super) fn is_text(text: &str) -> bool {
    meaning(text).is_none()
        && !is_timestamp(text)
        && !matches!(text, "<<" | "=" | ".nan" | ".NaN" | ".NAN")
        && !is_infinite(text)
}

/// The value of a plain scalar. A date is a text: JSON has no other word for it.
///
/// # Errors
/// What JSON cannot say: infinity, and what is no number.
pub(super) fn resolve(text: &str) -> Result<Value, String> {
    match meaning(text) {
        Some(value) => Ok(value),
        None if is_infinite(text) || matches!(text, ".nan" | ".NaN" | ".NAN") => {
            Err(format!("`{text}` is a number that JSON does not have"))
        }
        None => Ok(text.into()),
    }
}

fn meaning(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(Value::Null),
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true.into()),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false.into()),
        _ if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) => None,
        _ => int(text).or_else(|| float(text)),
    }
}

fn is_infinite(text: &str) -> bool {
    matches!(text.strip_prefix(['-', '+']).unwrap_or(text), ".inf" | ".Inf" | ".INF")
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn int(text: &str) -> Option<Value> {
    let (is_negative, digits) = split_sign(text);
    let of = |digits: &str, radix: u32| -> Option<Value> {
        let is_of = |c: char| c == '_' || c.is_digit(radix);
        let bare: String = digits.chars().filter(|c| *c != '_').collect();
        if digits.is_empty() || !digits.chars().all(is_of) || bare.is_empty() {
            return None;
        }
        number(is_negative, i128::from_str_radix(&bare, radix).ok(), &bare)
    };
    if let Some(bits) = digits.strip_prefix("0b") {
        return of(bits, 2);
    }
    if let Some(hex) = digits.strip_prefix("0x") {
        return of(hex, 16);
    }
    match digits.as_bytes() {
        [b'0'] => Some(0.into()),
        [b'0', ..] => of(&digits[1..], 8),
        [b'1'..=b'9', ..] if digits.contains(':') => {
            let whole = sexagesimal(digits)?;
            number(is_negative, whole.parse().ok(), &whole)
        }
        [b'1'..=b'9', ..] => of(digits, 10),
        _ => None,
    }
}

/// `1:30` is 90: parts of at most 59 behind a first one of any size.
fn sexagesimal(digits: &str) -> Option<String> {
    let mut parts = digits.split(':');
    let first = parts.next()?.replace('_', "");
    let mut total: i128 = first.parse().ok()?;
    for part in parts {
        let is_part = matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
        total = total.checked_mul(60)?.checked_add(part.parse().ok().filter(|_| is_part)?)?;
    }
    Some(total.to_string())
}

/// The integer, or the nearest float where JSON has none that large.
fn number(is_negative: bool, whole: Option<i128>, digits: &str) -> Option<Value> {
    let signed = whole.map(|whole| if is_negative { -whole } else { whole });
    if let Some(whole) = signed.and_then(|whole| i64::try_from(whole).ok()) {
        return Some(whole.into());
    }
    if let Some(whole) = signed.and_then(|whole| u64::try_from(whole).ok()) {
        return Some(whole.into());
    }
    let float: f64 = whole.map_or_else(|| digits.parse().ok(), |whole| Some(whole as f64))?;
    Number::from_f64(if is_negative { -float } else { float }).map(Value::Number)
}

fn float(text: &str) -> Option<Value> {
    let (is_negative, digits) = split_sign(text);
    let (before, after) = digits.split_once('.')?;
    let is_run = |run: &str| run.chars().all(|c| c.is_ascii_digit() || c == '_');
    let begins_right = |run: &str| run.starts_with(|c: char| c.is_ascii_digit());
    let (fraction, exponent) = match after.find(['e', 'E']) {
        Some(at) => (&after[..at], Some(&after[at + 1..])),
        None => (after, None),
    };
    // The exponent has a sign, always.
    let is_exponent = |text: &str| {
        text.strip_prefix(['-', '+'])
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    if !is_run(fraction) || !exponent.is_none_or(is_exponent) {
        return None;
    }
    let magnitude: f64 = if before.is_empty() {
        // No sign in front of a dot, and a digit behind it.
        let is_bare = digits.len() == text.len() && begins_right(fraction);
        digits.replace('_', "").parse().ok().filter(|_| is_bare)?
    } else if before.contains(':') {
        let whole: f64 = sexagesimal(before).filter(|_| exponent.is_none())?.parse().ok()?;
        let part: f64 = format!("0.{}0", fraction.replace('_', "")).parse().ok()?;
        whole + part
    } else {
        let is_right = is_run(before) && begins_right(before);
        digits.replace('_', "").parse().ok().filter(|_| is_right)?
    };
    Number::from_f64(if is_negative { -magnitude } else { magnitude }).map(Value::Number)
}

/// `2026-01-01`, or the same with a time behind it.
fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits =
        |from: usize| bytes[from.min(bytes.len())..].iter().take_while(|b| b.is_ascii_digit()).count();
    if digits(0) != 4 || bytes.get(4) != Some(&b'-') {
        return false;
    }
    let month = digits(5);
    let day_at = 5 + month + 1;
    let day = digits(day_at);
    if !(1..=2).contains(&month) || bytes.get(5 + month) != Some(&b'-') || !(1..=2).contains(&day) {
        return false;
    }
    let rest = &text[day_at + day..];
    if rest.is_empty() {
        return month == 2 && day == 2;
    }
    let time = match rest.strip_prefix(['T', 't']) {
        Some(time) => time,
        None if rest.starts_with([' ', '\t']) => rest.trim_start_matches([' ', '\t']),
        None => return false,
    };
    is_time(time)
}

fn is_time(text: &str) -> bool {
    let take = |text: &str, least: usize, most: usize| -> Option<usize> {
        let count = text.bytes().take_while(u8::is_ascii_digit).count();
        (least..=most).contains(&count).then_some(count)
    };
    let parse = || -> Option<()> {
        let rest = &text[take(text, 1, 2)?..];
        let rest = rest.strip_prefix(':')?;
        let rest = &rest[take(rest, 2, 2)?..];
        let rest = rest.strip_prefix(':')?;
        let rest = &rest[take(rest, 2, 2)?..];
        let rest = match rest.strip_prefix('.') {
            Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
            None => rest,
        };
        let zone = rest.trim_start_matches([' ', '\t']);
        if zone.is_empty() {
            return rest.is_empty().then_some(());
        }
        if zone == "Z" {
            return Some(());
        }
        let zone = zone.strip_prefix(['-', '+'])?;
        let rest = &zone[take(zone, 1, 2)?..];
        match rest.strip_prefix(':') {
            Some(minutes) => (take(minutes, 2, 2) == Some(2) && minutes.len() == 2).then_some(()),
            None => rest.is_empty().then_some(()),
        }
    };
    parse().is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_scalars_mean_what_yaml_1_1_says() {
        let check = |text: &str, expected: Value| assert_eq!(resolve(text), Ok(expected), "{text:?}");
        check("yes", json!(true));
        check("Off", json!(false));
        check("y", json!("y"));
        check("~", json!(null));
        check("010", json!(8));
        check("08", json!("08"));
        check("0o7", json!("0o7"));
        check("0x1F", json!(31));
        check("-0b11", json!(-3));
        check("1_000", json!(1000));
        check("1:30", json!(90));
        check("1:60", json!("1:60"));
        check("190:20:30.15", json!(685_230.15));
        check("1e3", json!("1e3"));
        check("1.e+3", json!(1000.0));
        check("1.5e3", json!("1.5e3"));
        check(".5", json!(0.5));
        check("-.5", json!("-.5"));
        check("18446744073709551615", json!(u64::MAX));
        check("99999999999999999999", json!(1e20));
        check("2026-01-01", json!("2026-01-01"));
        assert!(resolve(".inf").is_err() && resolve(".NaN").is_err());
    }

    #[test]
    fn what_would_read_as_something_else_is_no_text() {
        for other in
            ["no", "1", "1.0", "", "null", "2026-01-01", "2026-1-1 10:00:00", "<<", "=", "-.inf", "1:30"]
        {
            assert!(!is_text(other), "{other}");
        }
        let times = ["2026-01-01T10:00:00Z", "2026-01-01 1:00:00.5 +01:00", "2026-01-01t10:00:00.-5"];
        for time in times {
            assert!(!is_text(time), "{time}");
        }
        for text in
            ["a", "1a", "2026-1-1", "2026-01-01x", "10:00:0x", "2026-01-01T10:00", ".", "-", "+a", "nope"]
        {
            assert!(is_text(text), "{text}");
        }
    }
}
