//! JSON into a [`Tree`]. `serde_json` decides what JSON is; the walk after it only finds the places.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::problem::Span;
use super::reader::{Reader, duplicate, too_deep, too_large, too_many_values};
use super::tree::{Name, Pairs, Tree, Value};
use super::{MAX_DEPTH, MAX_VALUES};

/// Reads a text; `None` where the reader was told what is wrong.
pub(crate) fn read<'t>(reader: &mut Reader<'t>) -> Option<Tree<'t>> {
    let text = reader.text();
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        let offset = offset(text, error.line(), error.column());
        let (message, help) = explain(text, offset, &error.to_string());
        reader.problem(Span::new(offset, offset), message, help);
        return None;
    }
    Walk { reader, text, at: 0, values: 0 }.value(0)
}

fn explain(text: &str, offset: usize, error: &str) -> (String, Option<String>) {
    let closes = text[offset..].starts_with(['}', ']']);
    if closes && text[..offset].trim_end().ends_with(',') {
        return ("a comma with nothing after it".to_owned(), Some("remove the comma".to_owned()));
    }
    let message = error.split(" at line ").next().unwrap_or(error);
    (message.replace("EOF", "the text ends"), None)
}

/// `serde_json` counts columns in bytes and points behind the last one that it took.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start = match line.checked_sub(2) {
        Some(breaks) => {
            text.bytes().enumerate().filter(|(_, b)| *b == b'\n').nth(breaks).map_or(0, |(i, _)| i + 1)
        }
        None => 0,
    };
    let offset = (start + column.saturating_sub(1)).min(text.len());
    text.floor_char_boundary(offset)
}

/// A walk over a text that is known to be JSON. A `None` without a problem cannot happen in such a
/// text; it would surface as an error without one rather than as a panic.
struct Walk<'r, 't> {
    reader: &'r mut Reader<'t>,
    text: &'t str,
    at: usize,
    values: usize,
}

impl<'t> Walk<'_, 't> {
    fn value(&mut self, depth: usize) -> Option<Tree<'t>> {
        let first = self.peek()?;
        let start = self.at;
        self.values += 1;
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            let message = if depth > MAX_DEPTH { too_deep() } else { too_many_values() };
            self.reader.problem(Span::new(start, start + 1), message, None);
            return None;
        }
        let value = match first {
            b'{' => self.map(depth)?,
            b'[' => self.list(depth)?,
            b'"' => Value::Text(self.string()?),
            _ => self.word()?,
        };
        Some(Tree { span: Span::new(start, self.at), value })
    }

    fn map(&mut self, depth: usize) -> Option<Value<'t>> {
        let mut pairs = Pairs::default();
        self.at += 1;
        while self.peek()? != b'}' {
            let start = self.at;
            let text = self.string()?;
            let name = Name { span: Span::new(start, self.at), text };
            self.peek()?;
            self.at += 1;
            let tree = self.value(depth + 1)?;
            if let Err(name) = pairs.insert(name, tree) {
                self.reader.problem(name.span, duplicate(&name.text), None);
            }
            if self.peek()? == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        Some(Value::Map(pairs.into_boxed_slice()))
    }

    fn list(&mut self, depth: usize) -> Option<Value<'t>> {
        let mut items = Vec::new();
        self.at += 1;
        while self.peek()? != b']' {
            items.push(self.value(depth + 1)?);
            if self.peek()? == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        Some(Value::List(items.into_boxed_slice()))
    }

    fn string(&mut self) -> Option<Cow<'t, str>> {
        let start = self.at;
        let mut end = start + 1;
        let mut escaped = false;
        loop {
            match self.text.as_bytes().get(end)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    end += 2;
                }
                _ => end += 1,
            }
        }
        self.at = end + 1;
        if !escaped {
            return self.text.get(start + 1..end).map(Cow::Borrowed);
        }
        match serde_json::from_str(self.text.get(start..=end)?) {
            Ok(text) => Some(Cow::Owned(text)),
            Err(_) => {
                let help = "both halves of a surrogate pair have to be there".to_owned();
                self.reader.problem(Span::new(start, end + 1), "an escape is no character", Some(help));
                None
            }
        }
    }

    fn word(&mut self) -> Option<Value<'t>> {
        let rest = self.text.get(self.at..)?;
        let end = rest.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
        let start = self.at;
        self.at += end;
        match &rest[..end] {
            "null" => Some(Value::Null),
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            number => Value::number(number).or_else(|| {
                self.reader.problem(Span::new(start, self.at), too_large(number), None);
                None
            }),
        }
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.text.as_bytes().get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }
}
