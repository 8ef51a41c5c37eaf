//! Reading the settings of a kit, strictly: an operator wrote them, once.

use oneiric_core::{Fault, nearest::nearest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The settings of a kit. The default is upstream's; every field has one and is written out, so that
/// its name is known.
pub(super) trait Settings: Default + Serialize + DeserializeOwned {
    /// What types cannot say: ranges, and words of a list.
    ///
    /// # Errors
    /// The name of the setting, and what it may hold.
    fn check(&self) -> Result<(), (&'static str, String)> {
        Ok(())
    }
}

/// Reads the settings of the kit `key`.
///
/// # Errors
/// The permanent fault `bad-settings`, which names the setting and what it may hold.
pub(super) fn read<S: Settings>(key: &'static str, given: &Map<String, Value>) -> Result<S, Fault> {
    let known = serde_json::to_value(S::default()).expect("settings are plain data");
    let known = known.as_object().expect("settings are a table");
    if let Some(stranger) = given.keys().find(|name| !known.contains_key(*name)) {
        let hint = match nearest(stranger, known.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are {}", known.keys().cloned().collect::<Vec<_>>().join(", ")),
        };
        return Err(bad(key, stranger, &format!("is unknown; {hint}")));
    }
    let settings: S = serde_path_to_error::deserialize(&Value::Object(given.clone())).map_err(|error| {
        bad(key, &error.path().to_string(), &format!("cannot be read: {}", error.inner()))
    })?;
    settings.check().map_err(|(name, why)| bad(key, name, &why))?;
    Ok(settings)
}

/// Reads the settings of the kit `key`, only to see whether they can be.
///
/// # Errors
/// As [`read`].
pub(super) fn check<S: Settings>(key: &'static str, given: &Map<String, Value>) -> Result<(), Fault> {
    read::<S>(key, given).map(drop)
}

/// Checks that a word is one of a list.
///
/// # Errors
/// As [`Settings::check`].
pub(super) fn one_of(name: &'static str, word: &str, allowed: &[&str]) -> Result<(), (&'static str, String)> {
    if allowed.contains(&word) {
        return Ok(());
    }
    let hint = nearest(word, allowed.iter().copied())
        .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    Err((name, format!("is `{word}`; allowed are {}{hint}", allowed.join(", "))))
}

/// Checks that a condition on a setting holds.
///
/// # Errors
/// As [`Settings::check`]; `why` says what it may hold.
pub(super) fn must(name: &'static str, holds: bool, why: &str) -> Result<(), (&'static str, String)> {
    if holds { Ok(()) } else { Err((name, format!("must be {why}"))) }
}

fn bad(key: &str, name: &str, why: &str) -> Fault {
    Fault::permanent("bad-settings", format!("setting `{name}` of `{key}` {why}"))
}
