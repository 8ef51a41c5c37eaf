//! What a token looks like, and what may be kept of it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oneiric_core::{Digest, Rng};
use subtle::ConstantTimeEq as _;

/// What every token begins with, so that a scanner of leaked secrets knows one.
const PREFIX: &str = "one_";

/// Hexadecimal digits of an id: among a thousand tokens no two meet.
const ID_DIGITS: usize = 12;

/// A token, just made: `one_<id>_<secret>`. The id is public, the secret has 256 bits. It is shown once; what stays
/// is [`Token::digest`].
pub struct Token(String);

impl Token {
    /// A new one. `rng` must be the system's.
    pub fn new(rng: &dyn Rng) -> Self {
        let mut secret = [0; 32];
        for part in secret.chunks_exact_mut(8) {
            part.copy_from_slice(&rng.next_u64().to_le_bytes());
        }
        let id = format!("{:016x}", rng.next_u64());
        Self(format!("{PREFIX}{}_{}", &id[..ID_DIGITS], URL_SAFE_NO_PAD.encode(secret)))
    }

    /// Its id.
    pub fn id(&self) -> &str {
        id_of(&self.0).expect("it was made with one")
    }

    /// All of it, for the one who asked for it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it. A hash without salt and without work suffices, as there are 256 bits to guess.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({PREFIX}{}_***)", self.id())
    }
}

/// The id in what somebody presents as a token, where it is of this form.
pub(crate) fn id_of(presented: &str) -> Option<&str> {
    let (id, secret) = presented.strip_prefix(PREFIX)?.split_once('_')?;
    let hexadecimal = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (id.len() == ID_DIGITS && hexadecimal(id) && !secret.is_empty()).then_some(id)
}

/// Whether both are the same, in a time that does not tell where they differ.
pub(crate) fn same(presented: &Digest, kept: &Digest) -> bool {
    presented.as_bytes().ct_eq(kept.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use oneiric_core::rng::SeededRng;

    use super::*;

    #[test]
    fn a_token_says_its_id_and_hides_the_rest() {
        let rng = SeededRng::new(7);
        let (one, other) = (Token::new(&rng), Token::new(&rng));
        assert_eq!(one.reveal().len(), 4 + 12 + 1 + 43);
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(id_of(one.reveal()), Some(one.id()));
        assert_eq!(format!("{one:?}"), format!("Token(one_{}_***)", one.id()));
        assert!(same(&one.digest(), &Digest::of(one.reveal().as_bytes())));
        assert!(!same(&one.digest(), &other.digest()));
    }

    #[test]
    fn what_has_another_form_has_no_id() {
        for text in
            ["", "one_", "one_0123456789ab", "one_0123456789ab_", "one_0123456789AB_x", "two_0123456789ab_x"]
        {
            assert_eq!(id_of(text), None, "{text}");
        }
    }
}
