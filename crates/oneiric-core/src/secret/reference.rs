//! A secret by its name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::IdError;
use crate::{Key, Provider};

/// What a secret is asked for by: `stripe-key`. The alphabet of keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretId(Key);

impl SecretId {
    /// Makes one from text.
    ///
    /// # Errors
    /// [`IdError`] where the text is empty, too long or outside of the alphabet.
    pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
        Key::new(text).map(Self)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The id as part of a variable's name: upper case, everything but letters and digits becomes `_`.
    /// Two ids may share one: `a-b` and `a.b`.
    pub fn variable(&self) -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        self.as_str().chars().map(letter).collect()
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for SecretId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

/// A secret in settings: `{secret: stripe-key}`, or `{secret: stripe-key, provider: env}` where only one
/// store will do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretRef {
    /// Which secret.
    #[serde(rename = "secret")]
    pub id: SecretId,
    /// The only store to ask; without it, the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
}

impl SecretRef {
    /// A reference that the chain resolves.
    pub const fn new(id: SecretId) -> Self {
        Self { id, provider: None }
    }

    /// The reference that a value is: a mapping of `secret`, perhaps `provider`, and nothing else.
    pub fn of(value: &Value) -> Option<Self> {
        let map = value.as_object().filter(|map| Self::has_shape(map))?;
        let text = |name| map.get(name).and_then(Value::as_str);
        let provider = text("provider").map(Provider::new).transpose().ok()?;
        Some(Self { id: SecretId::new(text("secret")?).ok()?, provider })
    }

    fn has_shape(map: &Map<String, Value>) -> bool {
        map.contains_key("secret") && map.keys().all(|name| name == "secret" || name == "provider")
    }
}

impl From<SecretId> for SecretRef {
    fn from(id: SecretId) -> Self {
        Self::new(id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reference_has_one_shape() {
        let check = |value: Value, expected: Option<(&str, Option<&str>)>| {
            let found = SecretRef::of(&value);
            let found =
                found.as_ref().map(|found| (found.id.as_str(), found.provider.as_ref().map(|p| p.as_str())));
            assert_eq!(found, expected, "{value}");
        };
        check(json!({"secret": "a-b"}), Some(("a-b", None)));
        check(json!({"secret": "a", "provider": "env"}), Some(("a", Some("env"))));
        check(json!({"secret": "a", "more": 1}), None);
        check(json!({"secret": 1}), None);
        check(json!({"secret": "a b"}), None);
        check(json!({"provider": "env"}), None);
        check(json!("a"), None);
    }

    #[test]
    fn an_id_is_part_of_a_variable() {
        assert_eq!(SecretId::new("stripe-key.v2").unwrap().variable(), "STRIPE_KEY_V2");
    }
}
