//! Random bytes and identifiers, from the [`Rng`] that was handed in.

use oneiric_core::Rng;

/// `count` random bytes.
pub(super) fn bytes(rng: &dyn Rng, count: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        std::iter::repeat_with(|| rng.next_u64().to_le_bytes()).take(count.div_ceil(8)).flatten().collect();
    bytes.truncate(count);
    bytes
}

/// `count` random bytes in hexadecimal: `secrets.token_hex`.
pub(super) fn hex_token(rng: &dyn Rng, count: usize) -> String {
    hex(&bytes(rng, count))
}

/// A random UUID (RFC 9562, version 4) without hyphens: `uuid4().hex`.
pub(super) fn uuid(rng: &dyn Rng) -> String {
    let mut bytes = bytes(rng, 16);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    hex(&bytes)
}

/// Two digits a byte, in lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |four: u8| char::from(DIGITS[usize::from(four)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use oneiric_core::rng::SeededRng;

    use super::*;

    #[test]
    fn identifiers_have_their_shape() {
        let rng = SeededRng::new(7);
        for _ in 0..100 {
            let id = uuid(&rng);
            assert_eq!((id.len(), &id[12..13]), (32, "4"));
            assert!("89ab".contains(&id[16..17]), "{id}");
        }
        assert_eq!(bytes(&rng, 13).len(), 13);
        assert_eq!(hex_token(&rng, 16).len(), 32);
        assert_eq!(hex(&[0, 0x0f, 0xa0, 0xff]), "000fa0ff");
    }
}
