//! Takes a [`Tree`] apart and collects what is wrong with it, the same way for all formats.

use std::sync::Arc;

use super::MAX_PROBLEMS;
use super::problem::{Lines, ParseError, Place, Position, Problem, Span};
use super::tree::{Tree, Value};
use crate::nearest::nearest;

/// The text being read and what was found wrong with it so far.
#[derive(Debug)]
pub(super) struct Reader<'t> {
    file: Arc<str>,
    lines: Lines<'t>,
    problems: Vec<Problem>,
    more: usize,
    /// Nodes of graphs so far, for the bound on them.
    pub(super) nodes: usize,
}

impl<'t> Reader<'t> {
    pub(super) fn new(file: &str, text: &'t str) -> Self {
        Self { file: Arc::from(file), lines: Lines::new(text), problems: Vec::new(), more: 0, nodes: 0 }
    }

    pub(super) fn text(&self) -> &'t str {
        self.lines.text()
    }

    pub(super) fn slice(&self, span: Span) -> &'t str {
        self.lines.slice(span)
    }

    pub(super) fn position(&self, span: Span) -> Position {
        self.lines.position(span.offset)
    }

    pub(super) fn problem(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        if self.problems.len() == MAX_PROBLEMS {
            self.more += 1;
            return;
        }
        let Position { line, column } = self.position(span);
        let place = Place { file: self.file.clone(), line, column, offset: span.offset, length: span.length };
        self.problems.push(Problem { place, message: message.into(), help });
    }

    /// `did you mean ...?`, where a known word is near. Silent once no further problem is kept, because
    /// a hostile file may hold a million unknown words.
    pub(super) fn suggest<'a>(&self, given: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
        if self.problems.len() == MAX_PROBLEMS {
            return None;
        }
        nearest(given, known).map(|name| format!("did you mean `{name}`?"))
    }

    /// The result, unless something was wrong. `value` is `None` only where a problem said why.
    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<T, ParseError> {
        if value.is_none() && self.problems.is_empty() {
            self.problem(Span::default(), "the text cannot be read", None);
        }
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => {
                self.problems.sort_by_key(|problem| problem.place.offset);
                Err(ParseError { problems: self.problems, more: self.more })
            }
        }
    }
}

/// The keys that a kind of mapping knows.
#[derive(Debug)]
pub(super) struct Shape {
    /// What it is, for messages: `node`.
    pub(super) what: &'static str,
    /// Its keys.
    pub(super) names: &'static [&'static str],
    /// Second names of keys: `("key", "id")`.
    pub(super) aliases: &'static [(&'static str, &'static str)],
}

impl Shape {
    fn find(&self, key: &str) -> Option<&'static str> {
        let alias = self.aliases.iter().find(|(alias, _)| *alias == key).map(|(_, name)| *name);
        alias.or_else(|| self.names.iter().find(|name| **name == key).copied())
    }

    fn unknown(&self, reader: &mut Reader<'_>, span: Span, key: &str) {
        // Past a dozen a list of names stops being help.
        const LISTED: usize = 12;
        let known = self.names.iter().copied().chain(self.aliases.iter().map(|(alias, _)| *alias));
        let listed = || (self.names.len() <= LISTED).then(|| format!("known are {}", self.names.join(", ")));
        let help = reader.suggest(key, known).or_else(listed);
        reader.problem(span, format!("unknown key `{}` in {}", short(key), self.what), help);
    }
}

/// A mapping that is being taken apart.
#[derive(Debug)]
pub(super) struct Fields<'t> {
    shape: &'static Shape,
    /// Of the whole mapping.
    pub(super) span: Span,
    found: Vec<(&'static str, Tree<'t>)>,
}

impl<'t> Fields<'t> {
    /// Opens a mapping and reports the keys that it does not know. A key whose value is null counts as
    /// absent, as in upstream's model.
    pub(super) fn open(reader: &mut Reader<'t>, shape: &'static Shape, tree: Tree<'t>) -> Option<Self> {
        let span = tree.span;
        let Value::Map(pairs) = tree.value else {
            mismatch(reader, shape.what, "a mapping", &tree);
            return None;
        };
        let mut found: Vec<(&'static str, Tree<'t>)> = Vec::with_capacity(pairs.len());
        for (key, tree) in pairs {
            match shape.find(&key.text) {
                None => shape.unknown(reader, key.span, &key.text),
                Some(name) if found.iter().any(|(taken, _)| *taken == name) => {
                    reader.problem(
                        key.span,
                        format!("`{name}` is given twice in {}, once by its second name", shape.what),
                        Some("keep one of them".to_owned()),
                    );
                }
                Some(name) => found.push((name, tree)),
            }
        }
        Some(Self { shape, span, found })
    }

    fn take(&mut self, name: &'static str) -> Option<Tree<'t>> {
        let index = self.found.iter().position(|(found, _)| *found == name)?;
        let (_, tree) = self.found.swap_remove(index);
        (!matches!(tree.value, Value::Null)).then_some(tree)
    }

    /// Whether a key is there, null or not.
    pub(super) fn given(&self, name: &str) -> bool {
        self.found.iter().any(|(found, _)| *found == name)
    }

    /// The value of a key, or `None` where it is absent or was reported.
    pub(super) fn optional<T>(
        &mut self,
        reader: &mut Reader<'t>,
        name: &'static str,
        read: impl FnOnce(&mut Reader<'t>, &'static str, Tree<'t>) -> Option<T>,
    ) -> Option<T> {
        let tree = self.take(name)?;
        read(reader, name, tree)
    }

    /// The value of a key that has to be there; its absence is reported at the mapping.
    pub(super) fn required<T>(
        &mut self,
        reader: &mut Reader<'t>,
        name: &'static str,
        read: impl FnOnce(&mut Reader<'t>, &'static str, Tree<'t>) -> Option<T>,
    ) -> Option<T> {
        let Some(tree) = self.take(name) else {
            let place = Span { length: 0, ..self.span };
            reader.problem(place, format!("{} has no `{name}`", self.shape.what), None);
            return None;
        };
        read(reader, name, tree)
    }
}

/// Reports a value of the wrong kind under a key.
pub(super) fn wrong(reader: &mut Reader<'_>, name: &str, expected: &str, tree: &Tree<'_>) {
    mismatch(reader, &format!("`{name}`"), expected, tree);
}

/// Reports a value of the wrong kind, with the text to write where that can be guessed.
pub(super) fn mismatch(reader: &mut Reader<'_>, subject: &str, expected: &str, tree: &Tree<'_>) {
    let help = match (&tree.value, expected) {
        (Value::Number(_) | Value::Bool(_), "text") => {
            Some(format!("put it in quotes: \"{}\"", short(reader.slice(tree.span))))
        }
        (Value::Text(text), "a list") => Some(format!("write a list: [{}]", short(text))),
        (Value::Text(text), "a truth value") => match text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "y" | "true" => Some("write true".to_owned()),
            "no" | "off" | "n" | "false" => Some("write false".to_owned()),
            _ => Some("write true or false".to_owned()),
        },
        (Value::Text(text), "a number" | "a whole number") if text.parse::<f64>().is_ok() => {
            Some("remove the quotes".to_owned())
        }
        _ => None,
    };
    let found = match &tree.value {
        Value::Text(text) => format!("the text `{}`", short(text)),
        Value::Bool(_) | Value::Number(_) => format!("`{}`", short(reader.slice(tree.span))),
        other => other.kind().to_owned(),
    };
    reader.problem(tree.span, format!("{subject} must be {expected}, found {found}"), help);
}

/// At most sixty characters of a text from the file.
pub(super) fn short(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

pub(super) fn duplicate(key: &str) -> String {
    format!("key `{}` is given twice", short(key))
}

pub(super) fn too_deep() -> String {
    format!("nested more than {} levels deep", super::MAX_DEPTH)
}

pub(super) fn too_many_values() -> String {
    format!("more than {} values in one file", super::MAX_VALUES)
}

pub(super) fn too_large(digits: &str) -> String {
    format!("`{}` does not fit in 64 bits", short(digits))
}
