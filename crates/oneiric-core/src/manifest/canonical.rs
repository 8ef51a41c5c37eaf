//! The bytes that a signature covers, and manifests as JSON.

use std::io;

use serde::Serialize as _;
use serde_json::ser::{CharEscape, Formatter};

use super::{ParseError, read_as};
use crate::text::tree::{Tree, Value};

/// The canonical text of a manifest: what its signatures cover.
///
/// JSON of everything that was written except `signature`, `signature_algorithm` and `signatures`; keys
/// sorted by code point, no white space, everything outside of printable ASCII as `\uXXXX`, floats as
/// Python prints them. Computed from the file's own data and not from [`Manifest`](super::Manifest), so
/// that defaults and spellings stay those of the author. Source: upstream's canonical form, which is
/// Python's `json.dumps(..., sort_keys=True, separators=(",", ":"))`.
///
/// Only the syntax is checked; use [`parse`](super::parse) for the rest.
///
/// # Errors
/// As [`parse`](super::parse), for a text that cannot be read or is no mapping.
pub fn canonical(name: &str, bytes: &[u8]) -> Result<String, ParseError> {
    let mut tree = mapping(name, bytes)?;
    if let Value::Map(pairs) = &mut tree.value {
        let kept =
            std::mem::take(pairs).into_iter().filter(|(key, _)| !UNSIGNED.contains(&key.text.as_ref()));
        *pairs = kept.collect();
    }
    tree.sort();
    Ok(write(&tree, Python))
}

const UNSIGNED: [&str; 3] = ["signature", "signature_algorithm", "signatures"];

/// How JSON is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// On one line.
    Compact,
    /// Indented by two spaces.
    Pretty,
}

/// A manifest of any format as JSON, keys in the order in which they were written.
///
/// # Errors
/// As [`canonical`].
pub fn to_json(name: &str, bytes: &[u8], layout: Layout) -> Result<String, ParseError> {
    let tree = mapping(name, bytes)?;
    Ok(match layout {
        Layout::Compact => write(&tree, serde_json::ser::CompactFormatter),
        Layout::Pretty => write(&tree, serde_json::ser::PrettyFormatter::new()),
    })
}

fn mapping<'t>(name: &str, bytes: &'t [u8]) -> Result<Tree<'t>, ParseError> {
    read_as(name, bytes, None, |reader, tree| match &tree.value {
        Value::Map(_) => Some(tree),
        _ => {
            crate::text::reader::mismatch(reader, "manifest", "a mapping", &tree);
            None
        }
    })
}

fn write(tree: &Tree<'_>, formatter: impl Formatter) -> String {
    let mut bytes = Vec::new();
    tree.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))
        .expect("text keys and finite numbers can be written to memory");
    String::from_utf8(bytes).expect("JSON of text is text")
}

/// Writes as Python's `json` does by default.
struct Python;

impl Formatter for Python {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let mut units = [0; 2];
        for c in text.chars() {
            if matches!(c, ' '..='~') {
                writer.write_all(&[c as u8])?;
            } else {
                for unit in c.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        serde_json::ser::CompactFormatter.write_char_escape(writer, escape)
    }
}

/// A float as Python's `repr`: the shortest digits that read back, an exponent below 1e-4 and from 1e16.
fn float(value: f64) -> String {
    // Rust's shortest digits settle how many are needed. Where two candidates are equally near it takes
    // the upper one and Python the even one, as rounding to a given number of digits does.
    let shortest = format!("{value:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let fraction = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) || value == 0.0 {
        let places = i32::try_from(fraction).unwrap_or(0).saturating_sub(exponent).max(1);
        return format!("{value:.places$}", places = places.unsigned_abs() as usize);
    }
    let rounded = format!("{value:.fraction$e}");
    let (digits, exponent) = rounded.split_once('e').unwrap_or((&rounded, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_look_as_in_python() {
        let check = |value: f64, expected: &str| assert_eq!(float(value), expected);
        check(1.0, "1.0");
        check(0.1, "0.1");
        check(-0.0, "-0.0");
        check(1e15, "1000000000000000.0");
        check(-1_113_178_120_592_002.2, "-1113178120592002.2");
        check(123_456_789_012_345_680.0, "1.2345678901234568e+17");
        check(1e16, "1e+16");
        check(0.0001, "0.0001");
        check(1e-5, "1e-05");
        check(-1.5e-7, "-1.5e-07");
        check(5e-324, "5e-324");
        check(1.797_693_134_862_315_7e308, "1.7976931348623157e+308");
    }
}
