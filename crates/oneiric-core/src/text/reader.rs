//! The text being read, and what was found wrong with it: one place for all formats and all documents.

use std::sync::Arc;

use super::MAX_PROBLEMS;
use super::problem::{Lines, ParseError, Place, Position, Problem, Span};
use super::tree::{Tree, Value};
use crate::nearest::nearest;

/// The text being read and what was found wrong with it so far.
#[derive(Debug)]
pub(crate) struct Reader<'t> {
    file: Arc<str>,
    lines: Lines<'t>,
    problems: Vec<Problem>,
    more: usize,
    /// Nodes of graphs so far, for the bound that manifests have on them.
    #[cfg_attr(not(feature = "manifest"), expect(dead_code, reason = "manifests need it"))]
    pub(crate) nodes: usize,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(file: &str, text: &'t str) -> Self {
        Self { file: Arc::from(file), lines: Lines::new(text), problems: Vec::new(), more: 0, nodes: 0 }
    }

    pub(crate) fn text(&self) -> &'t str {
        self.lines.text()
    }

    pub(crate) fn slice(&self, span: Span) -> &'t str {
        self.lines.slice(span)
    }

    pub(crate) fn position(&self, span: Span) -> Position {
        self.lines.position(span.offset)
    }

    /// Where a span stands.
    pub(crate) fn place(&self, span: Span) -> Place {
        let Position { line, column } = self.position(span);
        Place { file: self.file.clone(), line, column, offset: span.offset, length: span.length }
    }

    /// Whether nothing was found wrong so far.
    #[cfg_attr(not(feature = "settings"), expect(dead_code, reason = "settings need it"))]
    pub(crate) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Says what was found so far in other words.
    #[cfg_attr(not(feature = "settings"), expect(dead_code, reason = "settings need it"))]
    pub(crate) fn rewrite(&mut self, words: impl Fn(&str) -> String) {
        for problem in &mut self.problems {
            problem.message = words(&problem.message);
        }
    }

    pub(crate) fn problem(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        if self.problems.len() == MAX_PROBLEMS {
            self.more += 1;
            return;
        }
        let place = self.place(span);
        self.problems.push(Problem { place, message: message.into(), help });
    }

    /// `did you mean ...?`, where a known word is near. Silent once no further problem is kept, because
    /// a hostile file may hold a million unknown words.
    #[cfg_attr(not(feature = "manifest"), expect(dead_code, reason = "manifests need it"))]
    pub(crate) fn suggest<'a>(&self, given: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
        if self.problems.len() == MAX_PROBLEMS {
            return None;
        }
        nearest(given, known).map(|name| format!("did you mean `{name}`?"))
    }

    /// The result, unless something was wrong. `value` is `None` only where a problem said why.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Result<T, ParseError> {
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

/// Reports a value of the wrong kind, with the text to write where that can be guessed.
#[cfg_attr(not(feature = "manifest"), expect(dead_code, reason = "manifests need it"))]
pub(crate) fn mismatch(reader: &mut Reader<'_>, subject: &str, expected: &str, tree: &Tree<'_>) {
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
pub(crate) fn short(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

pub(crate) fn duplicate(key: &str) -> String {
    format!("key `{}` is given twice", short(key))
}

pub(crate) fn too_deep() -> String {
    format!("nested more than {} levels deep", super::MAX_DEPTH)
}

pub(crate) fn too_many_values() -> String {
    format!("more than {} values in one file", super::MAX_VALUES)
}

pub(crate) fn too_large(digits: &str) -> String {
    format!("`{}` does not fit in 64 bits", short(digits))
}
