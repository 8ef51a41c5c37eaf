//! `base64.b64decode` without `validate`, and its counterpart.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Standard Base64 with padding.
pub(in crate::actions) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Base64 for URLs, without padding.
pub(in crate::actions) fn encode_url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes; what is no letter of the alphabet is skipped, as Python does. `None` where the text ends
/// in the middle of a group, or is not ASCII.
pub(in crate::actions) fn decode(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() {
        return None;
    }
    let (mut group, mut filled, mut pads) = (0_u32, 0, 0);
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for letter in text.bytes() {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if filled >= 2 => {
                pads += 1;
                if filled + pads < 4 {
                    continue;
                }
                // A complete end: whatever follows is not looked at.
                bytes.extend(&(group << (6 * (4 - filled))).to_be_bytes()[1..filled]);
                return Some(bytes);
            }
            _ => continue,
        };
        pads = 0;
        group = (group << 6) | u32::from(six);
        filled += 1;
        if filled == 4 {
            bytes.extend(&group.to_be_bytes()[1..]);
            (group, filled) = (0, 0);
        }
    }
    (filled == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_python_accepts_is_accepted() {
        let check = |text, expected: Option<&str>| {
            assert_eq!(decode(text).as_deref(), expected.map(str::as_bytes), "{text}");
        };
        check("aGVsbG8=", Some("hello"));
        check("aGVs\nbG8 =", Some("hello"));
        check("!aGVsbG8=!", Some("hello"));
        check("aGVsbG8=aGVsbG8=", Some("hello"));
        check("aA==", Some("h"));
        check("=aA==", Some("h"));
        check("aA=", None);
        check("aGVsbG8", None);
        check("a", None);
        check("", Some(""));
        check("ä", None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
    }
}
