//! Puts layers on top of each other and remembers what lies below.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::origin::Origin;
use super::path::Path;

/// What a layer says of a key.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    pub(super) path: Path,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// A key with all that was said of it, the latest last.
#[derive(Debug, Clone)]
pub(super) struct Stack {
    pub(super) winner: Assignment,
    /// The nearest first.
    pub(super) below: Vec<Assignment>,
}

/// Merges assignments, lowest layer first: mappings merge, everything else replaces.
pub(super) fn merge(assignments: impl IntoIterator<Item = Assignment>) -> BTreeMap<Path, Stack> {
    let mut stacks: BTreeMap<Path, Stack> = BTreeMap::new();
    for assignment in assignments {
        let path = assignment.path.clone();
        // What lies under the same name in another shape: a mapping that becomes a value, and the other
        // way round.
        let under: Vec<Path> = stacks
            .range(path.clone()..)
            .take_while(|(other, _)| other.starts_with(&path))
            .map(|(other, _)| other.clone())
            .filter(|other| *other != path)
            .collect();
        let is_empty_map = assignment.value.as_object().is_some_and(Map::is_empty);
        if is_empty_map && !under.is_empty() {
            continue;
        }
        let above = (1..path.names().len()).map(|length| Path::new(&path.names()[..length]));
        let above: Vec<Path> = above.filter(|above| stacks.contains_key(above)).collect();
        let mut below = Vec::new();
        for gone in std::iter::once(path.clone()).chain(above).chain(under) {
            if let Some(stack) = stacks.remove(&gone) {
                below.push(stack.winner);
                below.extend(stack.below);
            }
        }
        stacks.insert(path, Stack { winner: assignment, below });
    }
    stacks
}

/// The mapping that keys and values make.
pub(super) fn assemble<'v>(values: impl IntoIterator<Item = (&'v [String], &'v Value)>) -> Value {
    let mut root = Value::Object(Map::new());
    for (names, value) in values {
        let mut at = &mut root;
        for name in names {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            let Value::Object(map) = at else { break };
            at = map.entry(name.clone()).or_insert(Value::Null);
        }
        *at = value.clone();
    }
    root
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Keys and values of a mapping, mappings taken apart.
    fn dissect(at: &Path, value: &Value, found: &mut Vec<(Path, Value)>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(name, inner)| dissect(&at.join(name), inner, found)),
            _ => found.push((at.clone(), value.clone())),
        }
    }

    #[test]
    fn mappings_merge_and_everything_else_replaces() {
        let check = |layers: &[Value], expected: Value| {
            let said = layers.iter().enumerate().flat_map(|(place, layer)| {
                let mut found = Vec::new();
                dissect(&Path::default(), layer, &mut found);
                found.into_iter().map(move |(path, value)| Assignment {
                    path,
                    value,
                    origin: Origin::Variable(place.to_string()),
                })
            });
            let merged = merge(said);
            let found = assemble(merged.iter().map(|(path, stack)| (path.names(), &stack.winner.value)));
            assert_eq!(found, expected);
        };
        check(&[json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": 3}})], json!({"a": {"b": 3, "c": 2}}));
        check(&[json!({"a": [1, 2]}), json!({"a": [3]})], json!({"a": [3]}));
        check(&[json!({"a": {"b": {"c": 1}}}), json!({"a": {"b": 2}})], json!({"a": {"b": 2}}));
        check(&[json!({"a": {"b": 2}}), json!({"a": {"b": {"c": 1}}})], json!({"a": {"b": {"c": 1}}}));
        check(&[json!({"a-b": 1, "a": {"b": 1}}), json!({"a": 2})], json!({"a-b": 1, "a": 2}));
    }

    #[test]
    fn an_empty_mapping_takes_nothing_away() {
        let of = |value: Value| Assignment { path: Path::new(["a"]), value, origin: Origin::Code };
        let deep = Assignment { path: Path::new(["a", "b"]), value: json!(1), origin: Origin::Code };
        let merged = merge([deep, of(json!({}))]);
        assert_eq!(merged.keys().map(ToString::to_string).collect::<Vec<_>>(), ["a.b"]);
    }
}
