//! `float()`, `int()`, and how floats are written.

use serde_json::Value;

/// `a == b` for numbers and truth values, exact between integers and floats.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    match (exact(a), exact(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a.as_f64() == b.as_f64(),
        // One is no whole number of moderate size, the other is.
        _ => false,
    }
}

/// The value where it is a whole number: every integer of JSON fits, and floats up to 2^100 do.
fn exact(value: &Value) -> Option<i128> {
    const LARGEST: f64 = (1_u128 << 100) as f64;
    match value {
        Value::Bool(truth) => Some(i128::from(*truth)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Some(i128::from(whole)),
            (_, Some(whole)) => Some(i128::from(whole)),
            _ => number.as_f64().filter(|f| f.fract() == 0.0 && f.abs() <= LARGEST).map(|f| f as i128),
        },
        _ => None,
    }
}

/// `float(value)`: numbers, truth values, and text that reads as a number.
pub(in crate::actions) fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => without_underscores(text.trim())?.parse().ok(),
        _ => None,
    }
}

/// `int(value)`: numbers without their fraction, truth values, and text of digits.
pub(in crate::actions) fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(truth) => Some(i64::from(*truth)),
        Value::Number(number) => number.as_i64().or_else(|| {
            let whole = number.as_f64()?.trunc();
            // Exclusive above: 2^63 itself is a float but no i64.
            (whole >= i64::MIN as f64 && whole < i64::MAX as f64).then_some(whole as i64)
        }),
        Value::String(text) => without_underscores(text.trim())?.parse().ok(),
        _ => None,
    }
}

/// Python allows single underscores between digits.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let misplaced =
        |(at, byte): (usize, &u8)| *byte == b'_' && !(is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)));
    (!bytes.iter().enumerate().any(misplaced)).then(|| text.replace('_', ""))
}

/// `repr(float)`: the shortest digits that read back as the same number, `1e+16` and `1e-05` outside of
/// [1e-4, 1e16).
pub(in crate::actions) fn written(float: f64) -> String {
    if !float.is_finite() {
        return if float.is_nan() {
            "nan"
        } else if float > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    // Rust writes the same digits, as `d.ddde±x`.
    let text = format!("{float:e}");
    let (mantissa, exponent) = text.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the format's exponent is a number");
    if (-4..16).contains(&exponent) {
        let plain = format!("{float}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn floats_are_written_as_python_does() {
        let check = |float, expected: &str| assert_eq!(written(float), expected);
        check(0.0, "0.0");
        check(-0.0, "-0.0");
        check(1.0, "1.0");
        check(0.1, "0.1");
        check(123_456_789.125, "123456789.125");
        check(1e15, "1000000000000000.0");
        check(1e16, "1e+16");
        check(1.5e300, "1.5e+300");
        check(0.0001, "0.0001");
        check(0.00001, "1e-05");
        check(-2.5e-10, "-2.5e-10");
        check(5e-324, "5e-324");
        check(f64::INFINITY, "inf");
    }

    #[test]
    fn texts_become_numbers_as_in_python() {
        let check = |value: Value, float_is: Option<f64>, int_is: Option<i64>| {
            assert_eq!((float(&value), int(&value)), (float_is, int_is), "{value}");
        };
        check(json!(" 12 "), Some(12.0), Some(12));
        check(json!("1_000"), Some(1000.0), Some(1000));
        check(json!("1__0"), None, None);
        check(json!("_1"), None, None);
        check(json!("1.5"), Some(1.5), None);
        check(json!("1e3"), Some(1000.0), None);
        check(json!("+7"), Some(7.0), Some(7));
        check(json!(-3.9), Some(-3.9), Some(-3));
        check(json!(1e30), Some(1e30), None);
        check(json!(true), Some(1.0), Some(1));
        check(json!(null), None, None);
        check(json!([1]), None, None);
        check(json!("inf"), Some(f64::INFINITY), None);
    }
}
