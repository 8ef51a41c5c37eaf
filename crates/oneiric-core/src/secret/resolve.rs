//! References in settings, found and replaced.

use std::future::Future;
use std::pin::Pin;

use serde_json::{Map, Value};

use super::{SecretRef, Secrets};
use crate::Fault;

/// The settings of a provider with every reference replaced by its value: for the moment in which an
/// instance is built, and for nothing that is kept or printed.
///
/// # Errors
/// The first fault, with the key of the reference in its message.
pub async fn resolve_settings(
    settings: &Map<String, Value>,
    secrets: &Secrets,
) -> Result<Map<String, Value>, Fault> {
    let mut resolved = Map::new();
    for (name, value) in settings {
        resolved.insert(name.clone(), resolve(name.clone(), value, secrets).await?);
    }
    Ok(resolved)
}

/// Depth is bounded by the reader of settings.
fn resolve<'a>(
    key: String,
    value: &'a Value,
    secrets: &'a Secrets,
) -> Pin<Box<dyn Future<Output = Result<Value, Fault>> + Send + 'a>> {
    Box::pin(async move {
        if let Some(wanted) = SecretRef::of(value) {
            let secret = secrets.get(&wanted).await.map_err(|mut fault| {
                fault.message = format!("`{key}`: {}", fault.message);
                fault
            })?;
            return Ok(Value::from(secret.expose()));
        }
        match value {
            Value::Object(map) => {
                let mut resolved = Map::new();
                for (name, value) in map {
                    resolved.insert(name.clone(), resolve(format!("{key}.{name}"), value, secrets).await?);
                }
                Ok(Value::Object(resolved))
            }
            Value::Array(items) => {
                let mut resolved = Vec::with_capacity(items.len());
                for (place, item) in items.iter().enumerate() {
                    resolved.push(resolve(format!("{key}.{place}"), item, secrets).await?);
                }
                Ok(Value::Array(resolved))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(value.clone()),
        }
    })
}

/// Every reference in a value, with the dotted key at which it stands.
pub fn references(at: &str, value: &Value) -> Vec<(String, SecretRef)> {
    if let Some(found) = SecretRef::of(value) {
        return vec![(at.to_owned(), found)];
    }
    let below = |name: String, inner| {
        let key = if at.is_empty() { name } else { format!("{at}.{name}") };
        references(&key, inner)
    };
    match value {
        Value::Object(map) => map.iter().flat_map(|(name, inner)| below(name.clone(), inner)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(place, inner)| below(place.to_string(), inner)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}
