//! Which layer won, and what lies below it. No secret is in here.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::locate::{Near, locate, near};
use super::mask;
use super::merge::{Stack, assemble};
use super::origin::Origin;
use super::path::Path;
use super::schema::{Field, Kind};
use crate::secret::MASK;

/// For every key where its value came from. Values that are secret are `***` from the beginning.
#[derive(Debug, Clone)]
pub struct Provenance {
    keys: BTreeMap<Path, Known>,
    root: Arc<Field>,
    prefix: String,
}

#[derive(Debug, Clone)]
struct Known {
    value: Value,
    origin: Origin,
    shadows: Vec<Shadowed>,
}

/// A value that another one hides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shadowed {
    /// The key, where it was another one: `a` hides `a.b` where it is no mapping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `***` where it is secret.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

/// All that there is to say of a key.
///
/// Shape: `{"key":"remote.max_retries","value":5,"origin":{"layer":"file","place":"..."},"shadows":[...],
/// "type":"a whole number from 0 to 1000","default":3,"variable":"ONEIRIC_REMOTE__MAX_RETRIES",
/// "description":"..."}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Its own name.
    pub key: String,
    /// `***` where it is secret.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
    /// What it hides, the nearest first.
    pub shadows: Vec<Shadowed>,
    /// What may stand there.
    #[serde(rename = "type")]
    pub expected: String,
    /// What it is where nobody says otherwise.
    pub default: Value,
    /// The variable that sets it, where there can be one.
    pub variable: Option<String>,
    /// What it is for.
    pub description: String,
}

/// There is no such key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnknownKey {
    /// Lowercase, no full stop.
    pub message: String,
    /// The way out.
    pub help: String,
}

impl Provenance {
    pub(super) fn new(stacks: BTreeMap<Path, Stack>, root: Arc<Field>, prefix: String) -> Self {
        let keys = stacks.into_iter().map(|(path, stack)| {
            let shadows = stack.below.into_iter().map(|below| Shadowed {
                value: shown(&root, &below.path, &below.value),
                key: (below.path != path).then(|| below.path.to_string()),
                origin: below.origin,
            });
            let known = Known {
                shadows: shadows.collect(),
                value: shown(&root, &path, &stack.winner.value),
                origin: stack.winner.origin,
            };
            (path, known)
        });
        Self { keys: keys.collect(), root: Arc::clone(&root), prefix }
    }

    /// Everything about one key.
    ///
    /// # Errors
    /// [`UnknownKey`] where there is none of that name, or where it is a section.
    pub fn explain(&self, key: &str) -> Result<Explanation, UnknownKey> {
        let unknown = |help| UnknownKey { message: format!("there is no setting `{key}`"), help };
        let path = Path::parse(key).map_err(unknown)?;
        let (path, field) = locate(&self.root, path.names()).map_err(|place| {
            match near(&self.root, &Path::new(&path.names()[..=place])) {
                Near::Key(path) => unknown(format!("did you mean `{path}`?")),
                Near::Known(text) => unknown(text),
            }
        })?;
        let (path, field) = match &field.alias {
            Some(own) if !own.names().is_empty() => (own.clone(), field),
            _ => (path, field),
        };
        let below: Vec<String> = match &field.kind {
            Kind::Section(fields) => fields
                .iter()
                .filter(|(_, field)| !field.is_alias())
                .map(|(name, _)| path.join(name).to_string())
                .collect(),
            _ => self.below(&path).map(ToString::to_string).collect(),
        };
        if matches!(field.kind, Kind::Section(_)) || !below.is_empty() {
            return Err(UnknownKey {
                message: format!("`{path}` is a section"),
                help: format!("name one of its keys: {}", below.join(", ")),
            });
        }
        Ok(self.of(path, field))
    }

    /// Every key that has a value, with everything about it. `all`: those with their default, too.
    pub fn explanations(&self, all: bool) -> impl Iterator<Item = Explanation> {
        self.keys.iter().filter(move |(_, known)| all || known.origin != Origin::Default).filter_map(
            |(path, _)| {
                let (path, field) = locate(&self.root, path.names()).ok()?;
                Some(self.of(path, field))
            },
        )
    }

    /// The settings as they could stand in a file; `all`: those with their default, too.
    pub fn tree(&self, all: bool) -> Value {
        let said = self.keys.iter().filter(|(_, known)| all || known.origin != Origin::Default);
        assemble(said.map(|(path, known)| (path.names(), &known.value)))
    }

    /// Where a key's value came from; `None` where nobody set it and it has no default.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.keys.get(&Path::parse(key).ok()?).map(|known| &known.origin)
    }

    fn below<'p>(&'p self, path: &'p Path) -> impl Iterator<Item = &'p Path> {
        let below = self.keys.range(path.clone()..).map(|(other, _)| other);
        below.take_while(|other| other.starts_with(path)).filter(move |other| *other != path)
    }

    fn of(&self, path: Path, field: &Field) -> Explanation {
        let known = self.keys.get(&path);
        Explanation {
            key: path.to_string(),
            value: known.map_or(Value::Null, |known| known.value.clone()),
            origin: known.map_or(Origin::Default, |known| known.origin.clone()),
            shadows: known.map(|known| known.shadows.clone()).unwrap_or_default(),
            expected: field.expected(),
            default: field.default.clone().unwrap_or_default(),
            variable: path.variable(&self.prefix),
            description: field.description.clone(),
        }
    }
}

/// A value as it may be shown.
fn shown(root: &Field, path: &Path, value: &Value) -> Value {
    let name = path.names().last().map_or("", String::as_str);
    match locate(root, path.names()) {
        Ok((_, field)) if field.secret => {
            if value.is_null() {
                Value::Null
            } else {
                MASK.into()
            }
        }
        // A key with a schema says itself whether it is secret; `secret_id` is not.
        Ok((_, field)) if !matches!(field.kind, Kind::Any) => mask::value("", value),
        _ => mask::value(name, value),
    }
}
