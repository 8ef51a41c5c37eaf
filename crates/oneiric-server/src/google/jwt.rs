//! What a signed token says, and whether that is enough. Pure: the signature is looked at by others.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oneiric_core::settings::HttpOidc;
use serde::Deserialize;

/// How far the clocks of two machines may be apart, in seconds.
const LEEWAY: i64 = 60;

/// The longest that a token may count, in seconds: what is carried out is remembered for as long. Google's count an
/// hour.
const LONGEST_LIFE: i64 = 24 * 3600;

/// The longest name of a key, and of somebody, in bytes.
const LONGEST_NAME: usize = 320;

/// A token, taken apart. Nothing in it is to be believed before its signature was looked at.
#[derive(Debug)]
pub(super) struct Token<'a> {
    /// Which key signed.
    pub(super) kid: String,
    /// What was signed.
    pub(super) signed: &'a str,
    pub(super) signature: Vec<u8>,
    pub(super) claims: Claims,
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: String,
    /// Extensions that must be understood; none is.
    crit: Option<serde_json::Value>,
}

/// What it says of whom.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: Audience,
    sub: String,
    pub(super) exp: i64,
    iat: i64,
    nbf: Option<i64>,
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Some(Vec<String>),
}

/// What of it is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    Issuer,
    Audience,
    Expired,
    Early,
    TooLong,
}

impl<'a> Token<'a> {
    /// `None` where it is no token of this kind.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = serde_json::from_slice(&decoded(header)?).ok()?;
        if header.alg != "RS256" || header.crit.is_some() || header.kid.len() > LONGEST_NAME {
            return None;
        }
        let claims = serde_json::from_slice(&decoded(claims)?).ok()?;
        Some(Self { kid: header.kid, signed, signature: decoded(signature)?, claims })
    }
}

/// One text for one value: what the alphabet or the last bits leave open is refused, so that no token has two forms.
fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

impl Claims {
    /// Whether it is made for this service and counts `now`, in seconds since the epoch.
    pub(super) fn judge(&self, oidc: &HttpOidc, now: i64) -> Result<(), Wrong> {
        let made_for = |audience: &String| oidc.audiences.contains(audience);
        let is_meant = match &self.aud {
            Audience::One(audience) => made_for(audience),
            Audience::Some(audiences) => audiences.iter().any(made_for),
        };
        if !oidc.issuers.contains(&self.iss) {
            Err(Wrong::Issuer)
        } else if !is_meant {
            Err(Wrong::Audience)
        } else if self.exp.saturating_add(LEEWAY) <= now {
            Err(Wrong::Expired)
        } else if self.iat.max(self.nbf.unwrap_or(self.iat)) > now.saturating_add(LEEWAY) {
            Err(Wrong::Early)
        } else if self.exp.saturating_sub(now) > LONGEST_LIFE {
            Err(Wrong::TooLong)
        } else {
            Ok(())
        }
    }

    /// What the one is called who may come in: by the address, where the issuer has verified that.
    pub(super) fn may_come_in(&self, oidc: &HttpOidc) -> Result<String, ()> {
        let address = self.email.as_ref().filter(|_| self.email_verified);
        if !oidc.emails.is_empty() && !address.is_some_and(|address| oidc.emails.contains(address)) {
            return Err(());
        }
        let name = address.unwrap_or(&self.sub);
        let visible = |byte: u8| byte.is_ascii_graphic();
        (name.len() <= LONGEST_NAME && name.bytes().all(visible)).then(|| name.clone()).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn oidc() -> HttpOidc {
        HttpOidc {
            audiences: vec!["https://shop.example".to_owned()],
            emails: vec!["tasks@shop.example".to_owned()],
            ..HttpOidc::default()
        }
    }

    fn claims(change: Value) -> Claims {
        let mut all = json!({
            "iss": "https://accounts.google.com", "aud": "https://shop.example", "sub": "1234",
            "iat": NOW, "exp": NOW + 3600, "email": "tasks@shop.example", "email_verified": true,
        });
        for (name, value) in change.as_object().unwrap() {
            all[name] = value.clone();
        }
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn a_token_counts_for_whom_and_when_it_was_made() {
        let check = |change: Value, expected: Result<(), Wrong>| {
            assert_eq!(claims(change.clone()).judge(&oidc(), NOW), expected, "{change}");
        };
        check(json!({}), Ok(()));
        check(json!({"aud": ["x", "https://shop.example"]}), Ok(()));
        check(json!({"aud": "https://shop.example/"}), Err(Wrong::Audience));
        check(json!({"aud": []}), Err(Wrong::Audience));
        check(json!({"iss": "https://accounts.google.com.evil.test"}), Err(Wrong::Issuer));
        check(json!({"exp": NOW - 59}), Ok(()));
        check(json!({"exp": NOW - 60}), Err(Wrong::Expired));
        check(json!({"iat": NOW + 60}), Ok(()));
        check(json!({"iat": NOW + 61}), Err(Wrong::Early));
        check(json!({"nbf": NOW + 61}), Err(Wrong::Early));
        check(json!({"exp": NOW + 24 * 3600 + 1}), Err(Wrong::TooLong));
        check(json!({"exp": i64::MAX}), Err(Wrong::TooLong));
        check(json!({"exp": i64::MIN}), Err(Wrong::Expired));
        assert_eq!(claims(json!({})).judge(&HttpOidc::default(), NOW), Err(Wrong::Audience));
    }

    #[test]
    fn only_those_come_in_whose_address_is_named_and_verified() {
        let check = |change: Value, oidc: &HttpOidc, expected: Result<&str, ()>| {
            assert_eq!(claims(change.clone()).may_come_in(oidc).as_deref(), expected.as_deref(), "{change}");
        };
        check(json!({}), &oidc(), Ok("tasks@shop.example"));
        check(json!({"email": "other@shop.example"}), &oidc(), Err(()));
        check(json!({"email_verified": false}), &oidc(), Err(()));
        check(json!({"email": null}), &oidc(), Err(()));
        let everybody = HttpOidc { emails: Vec::new(), ..oidc() };
        check(json!({"email_verified": false}), &everybody, Ok("1234"));
        check(json!({"email": "a\nb@x"}), &everybody, Err(()));
    }

    #[test]
    fn nothing_but_rs256_is_a_token() {
        let check = |header: Value, expected: bool| {
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let body = json!({"iss": "", "aud": "", "sub": "", "exp": 0, "iat": 0});
            let text = format!("{}.{}.AAAA", part(&header), part(&body));
            assert_eq!(Token::parse(&text).is_some(), expected, "{header}");
        };
        check(json!({"alg": "RS256", "kid": "a", "typ": "JWT"}), true);
        for alg in ["none", "None", "HS256", "RS512", "rs256", ""] {
            check(json!({"alg": alg, "kid": "a"}), false);
        }
        check(json!({"alg": "RS256"}), false);
        check(json!({"alg": "RS256", "kid": "a", "crit": ["exp"]}), false);
        for text in ["", "..", "a.b.c", "e30.e30.", "e30.e30"] {
            assert!(Token::parse(text).is_none(), "{text}");
        }
    }
}
