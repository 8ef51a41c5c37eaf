//! Reading a payload field by field, with errors that name the field.

use oneiric_core::{Fault, nearest::nearest};
use serde_json::Value;

/// The payload of one built-in.
pub(super) struct Fields<'a> {
    factory: &'static str,
    payload: &'a Value,
}

impl<'a> Fields<'a> {
    pub(super) fn new(factory: &'static str, payload: &'a Value) -> Self {
        Self { factory, payload }
    }

    /// The field, or `None` where it is absent, `null`, or the payload is no object.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.payload.get(name).filter(|value| !value.is_null())
    }

    /// The field.
    ///
    /// # Errors
    /// A permanent fault where it is absent or `null`; suggests the field that was probably meant.
    pub(super) fn require(&self, name: &str) -> Result<&'a Value, Fault> {
        self.get(name).ok_or_else(|| {
            let given = self.payload.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
            match nearest(name, given) {
                Some(near) if near != name => self.bad(name, format!("is missing; is `{near}` meant?")),
                _ => self.bad(name, "is missing"),
            }
        })
    }

    /// The permanent fault for a field that does not hold what it should.
    pub(super) fn bad(&self, name: &str, why: impl std::fmt::Display) -> Fault {
        Fault::permanent("bad-payload", format!("`{name}` in the payload of `{}` {why}", self.factory))
    }
}
