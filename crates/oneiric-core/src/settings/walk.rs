//! Checks a tree against the schema and takes it apart into keys and values.

use serde_json::{Map, Number};

use super::locate::{Near, near};
use super::merge::assemble;
use super::path::Path;
use super::schema::{Field, Kind};
use super::{MAX_KEYS, mask};
use crate::nearest::nearest;
use crate::secret::SecretRef;
use crate::text::MAX_PROBLEMS;
use crate::text::problem::Span;
use crate::text::reader::short;
use crate::text::tree::{Tree, Value};

/// A key that was set.
#[derive(Debug)]
pub(super) struct Found {
    /// The key's own name.
    pub(super) path: Path,
    pub(super) value: serde_json::Value,
    pub(super) span: Span,
    /// It was set by a second name.
    pub(super) alias: bool,
}

/// Something that is wrong.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// A walk through one layer.
#[derive(Debug)]
pub(super) struct Walk<'s> {
    root: &'s Field,
    at: Path,
    pub(super) found: Vec<Found>,
    pub(super) wrong: Vec<Wrong>,
    /// Where values stand that are not to be shown: secrets, and what an unknown key holds, which may be
    /// a secret under a misspelt name.
    pub(super) hidden: Vec<Span>,
}

impl<'s> Walk<'s> {
    pub(super) const fn new(root: &'s Field, at: Path) -> Self {
        Self { root, at, found: Vec::new(), wrong: Vec::new(), hidden: Vec::new() }
    }

    /// Checks a value where `field` is.
    pub(super) fn value(&mut self, field: &Field, tree: Tree<'_>) {
        if self.found.len() == MAX_KEYS {
            let message = format!("more than {MAX_KEYS} keys in one layer");
            if self.wrong.iter().all(|wrong| wrong.message != message) {
                self.problem(tree.span, message, None);
            }
            return;
        }
        match (&field.kind, tree.value) {
            (Kind::Section(fields), Value::Map(pairs)) => {
                for (name, tree) in pairs {
                    self.at.push(name.text.as_ref());
                    match fields.get(name.text.as_ref()) {
                        Some(field) => self.value(field, tree),
                        None => {
                            self.hide(&tree);
                            self.unknown(name.span);
                        }
                    }
                    self.at.pop();
                }
            }
            (Kind::Map { names, value }, Value::Map(pairs)) => {
                for (name, tree) in pairs {
                    if let Err(message) = names.check(&name.text) {
                        let message = format!("`{}`: {message}", self.at);
                        self.problem(name.span, message, None);
                    }
                    self.at.push(name.text.as_ref());
                    self.value(value, tree);
                    self.at.pop();
                }
            }
            // All keys of a section may be commented out.
            (Kind::Section(_) | Kind::Map { .. }, Value::Null) => {}
            (Kind::Any, value) => self.any(Tree { span: tree.span, value }, field.secret),
            (_, Value::Null) if field.nullable => self.take(field, serde_json::Value::Null, tree.span),
            (_, value) => {
                let tree = Tree { span: tree.span, value };
                if field.guards_secrets() || is_telling("", &tree) {
                    self.hide(&tree);
                }
                if let Some(value) = self.plain(field, &tree) {
                    self.take(field, value, tree.span);
                }
            }
        }
    }

    /// Settings in a shape of their own: mappings are taken apart, so that layers merge; a reference to a
    /// secret stays whole.
    fn any(&mut self, tree: Tree<'_>, secret: bool) {
        let span = tree.span;
        match tree.value {
            Value::Map(pairs) if !pairs.is_empty() => {
                if pairs.len() <= 2 {
                    let json = Tree { span, value: Value::Map(pairs.clone()) }.into_json();
                    if SecretRef::of(&json).is_some() {
                        self.found.push(Found { path: self.at.clone(), value: json, span, alias: false });
                        return;
                    }
                }
                for (name, tree) in pairs {
                    self.at.push(name.text.as_ref());
                    self.any(tree, false);
                    self.at.pop();
                }
            }
            value => {
                let tree = Tree { span, value };
                if secret || is_telling(self.at.names().last().map_or("", String::as_str), &tree) {
                    self.hide(&tree);
                }
                if self.found.len() < MAX_KEYS {
                    let value = tree.into_json();
                    self.found.push(Found { path: self.at.clone(), value, span, alias: false });
                }
            }
        }
    }

    /// A value that is no mapping with keys of its own; `None` where something is wrong with it.
    fn plain(&mut self, field: &Field, tree: &Tree<'_>) -> Option<serde_json::Value> {
        match (&field.kind, &tree.value) {
            (Kind::Text(names), Value::Text(text)) => match names.check(text) {
                Ok(()) => Some(text.as_ref().into()),
                Err(message) => {
                    self.problem(tree.span, format!("`{}`: {message}", self.at), None);
                    None
                }
            },
            // TOML has no null.
            (_, Value::Text(text)) if field.nullable && text == "null" => Some(serde_json::Value::Null),
            (Kind::Bool, Value::Bool(value)) => Some((*value).into()),
            (Kind::Whole { least, most }, Value::Number(number)) => {
                let whole = number.as_i128().filter(|whole| (least..=most).contains(&whole));
                self.or_mismatch(whole.and_then(Number::from_i128).map(Into::into), field, tree)
            }
            (Kind::Number { least, most }, Value::Number(number)) => {
                let value = number.as_f64().filter(|value| (*least..=*most).contains(value));
                self.or_mismatch(value.map(tidy_number), field, tree)
            }
            (Kind::Choice(choice), Value::Text(text)) => {
                let found = choice.find(text).map(serde_json::Value::from);
                if found.is_none() {
                    let words = choice.words.iter().map(String::as_str);
                    let help = nearest(text, words).map(|word| format!("did you mean `{word}`?"));
                    let message =
                        format!("`{}` must be {}, found {}", self.at, field.expected(), shown(field, tree));
                    self.problem(tree.span, message, help);
                }
                found
            }
            (Kind::List(item), Value::List(items)) => {
                let before = self.wrong.len();
                let read: Vec<_> = items
                    .iter()
                    .enumerate()
                    .map(|(place, tree)| {
                        self.at.push(place.to_string());
                        let value = self.item(item, tree);
                        self.at.pop();
                        value
                    })
                    .collect();
                (self.wrong.len() == before).then(|| read.into())
            }
            _ => self.or_mismatch(None, field, tree),
        }
    }

    /// An item of a list: as a whole, because lists replace each other.
    fn item(&mut self, field: &Field, tree: &Tree<'_>) -> serde_json::Value {
        if matches!(field.kind, Kind::Section(_) | Kind::Map { .. } | Kind::Any) {
            let mut inner = Walk::new(self.root, self.at.clone());
            inner.value(field, tree.clone());
            self.wrong.append(&mut inner.wrong);
            self.hidden.append(&mut inner.hidden);
            let depth = self.at.names().len();
            return assemble(inner.found.iter().map(|found| (&found.path.names()[depth..], &found.value)));
        }
        self.plain(field, tree).unwrap_or_default()
    }

    fn or_mismatch(
        &mut self,
        value: Option<serde_json::Value>,
        field: &Field,
        tree: &Tree<'_>,
    ) -> Option<serde_json::Value> {
        if value.is_none() {
            let message = format!("`{}` must be {}, found {}", self.at, field.expected(), shown(field, tree));
            self.problem(tree.span, message, help(field, tree));
        }
        value
    }

    fn take(&mut self, field: &Field, value: serde_json::Value, span: Span) {
        let path = field.alias.clone().unwrap_or_else(|| self.at.clone());
        self.found.push(Found { path, value, span, alias: field.is_alias() });
    }

    fn hide(&mut self, tree: &Tree<'_>) {
        match &tree.value {
            Value::List(items) => items.iter().for_each(|item| self.hide(item)),
            Value::Map(pairs) => pairs.iter().for_each(|(_, tree)| self.hide(tree)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => self.hidden.push(tree.span),
        }
    }

    pub(super) fn problem(&mut self, span: Span, message: String, help: Option<String>) {
        self.wrong.push(Wrong { span, message, help });
    }

    fn unknown(&mut self, span: Span) {
        // A hostile file may hold a million unknown names.
        if self.wrong.len() > MAX_PROBLEMS {
            return self.problem(span, "unknown key".to_owned(), None);
        }
        let help = match near(self.root, &self.at) {
            Near::Key(path) => format!("did you mean `{path}`?"),
            Near::Known(text) => text,
        };
        self.problem(span, format!("unknown key `{}`", short(&self.at.to_string())), Some(help));
    }
}

/// Numbers without a fraction are written without one: `30`, whether `30` or `30.0` was given.
pub(super) fn tidy_number(value: f64) -> serde_json::Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT { (value as i64).into() } else { value.into() }
}

/// Whether a value looks like a secret under this name, or holds something that does.
fn is_telling(name: &str, tree: &Tree<'_>) -> bool {
    let json = tree.clone().into_json();
    mask::value(name, &json) != json
}

/// A value for a message; what is or holds a secret by its kind only.
fn shown(field: &Field, tree: &Tree<'_>) -> String {
    match &tree.value {
        other if field.guards_secrets() || is_telling("", tree) => other.kind().to_owned(),
        Value::Text(text) if text.is_empty() => "nothing".to_owned(),
        Value::Text(text) => format!("the text `{}`", short(text)),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(number) if number.is_f64() => {
            format!("`{}`", tidy_number(number.as_f64().unwrap_or_default()))
        }
        Value::Number(number) => format!("`{number}`"),
        other => other.kind().to_owned(),
    }
}

fn help(field: &Field, tree: &Tree<'_>) -> Option<String> {
    match (&field.kind, &tree.value) {
        (Kind::Text(_), Value::Number(_) | Value::Bool(_)) => Some("put it in quotes".to_owned()),
        (Kind::Bool, Value::Text(_)) => Some("write true or false, without quotes".to_owned()),
        (Kind::Whole { .. } | Kind::Number { .. }, Value::Text(text)) if text.parse::<f64>().is_ok() => {
            Some("remove the quotes".to_owned())
        }
        (Kind::List(_), Value::Text(_)) => Some("write a list: [a, b]".to_owned()),
        (_, Value::Null) => Some("leave the key out for its default".to_owned()),
        _ => None,
    }
}

/// A value from code as a tree that stands nowhere.
pub(super) fn tree_of(value: serde_json::Value) -> Tree<'static> {
    let value = match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(value) => Value::Number(value),
        serde_json::Value::String(text) => Value::Text(text.into()),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(tree_of).collect()),
        serde_json::Value::Object(map) => Value::Map(map_of(map)),
    };
    Tree { span: Span::default(), value }
}

fn map_of(map: Map<String, serde_json::Value>) -> Box<[(crate::text::tree::Name<'static>, Tree<'static>)]> {
    map.into_iter()
        .map(|(text, value)| {
            (crate::text::tree::Name { span: Span::default(), text: text.into() }, tree_of(value))
        })
        .collect()
}
