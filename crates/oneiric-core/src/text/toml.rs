//! TOML into a [`Tree`]. Dates become text.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Span;
use super::reader::{Reader, duplicate, short, too_deep, too_large, too_many_values};
use super::tree::{Name, Tree, Value};
use super::{MAX_DEPTH, MAX_TOML_BYTES, MAX_VALUES};

/// Reads a text; `None` where the reader was told what is wrong.
pub(crate) fn read<'t>(reader: &mut Reader<'t>) -> Option<Tree<'t>> {
    let text = reader.text();
    if text.len() > MAX_TOML_BYTES {
        let message = format!("{} bytes of TOML, at most {MAX_TOML_BYTES} are allowed", text.len());
        reader.problem(Span::default(), message, Some("write it as YAML or JSON".to_owned()));
        return None;
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().unwrap_or(text.len()..text.len());
        let span = Span::new(at.start, at.end);
        let message = match error.message() {
            "duplicate key" => duplicate(reader.slice(span)),
            other => other.to_owned(),
        };
        reader.problem(span, message, None);
    }
    if !errors.is_empty() {
        return None;
    }
    let span = table.span();
    let value = Convert { reader, values: 0 }.map(table.into_inner(), 0)?;
    Some(Tree { span: Span::new(span.start, span.end), value })
}

struct Convert<'r, 't> {
    reader: &'r mut Reader<'t>,
    values: usize,
}

impl<'t> Convert<'_, 't> {
    fn value(&mut self, value: Spanned<DeValue<'t>>, depth: usize) -> Option<Tree<'t>> {
        let range = value.span();
        let span = Span::new(range.start, range.end);
        self.values += 1;
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            let message = if depth > MAX_DEPTH { too_deep() } else { too_many_values() };
            self.reader.problem(span, message, None);
            return None;
        }
        let value = match value.into_inner() {
            DeValue::String(text) => Value::Text(text),
            DeValue::Boolean(value) => Value::Bool(value),
            DeValue::Datetime(_) => Value::Text(self.reader.slice(span).into()),
            DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
                Ok(value) => Value::Number(value.into()),
                Err(_) => return self.refuse(span, too_large(digits.as_str())),
            },
            DeValue::Float(digits) => {
                let value = digits.as_str().parse().ok().and_then(serde_json::Number::from_f64);
                match value {
                    Some(value) => Value::Number(value),
                    None => {
                        let message = format!("`{}` is not a finite number", short(digits.as_str()));
                        return self.refuse(span, message);
                    }
                }
            }
            DeValue::Array(items) => {
                let items: Option<Vec<_>> =
                    items.into_iter().map(|item| self.value(item, depth + 1)).collect();
                Value::List(items?.into_boxed_slice())
            }
            DeValue::Table(table) => self.map(table, depth)?,
        };
        Some(Tree { span, value })
    }

    /// The table is sorted by key; the order of the text is restored.
    fn map(&mut self, table: DeTable<'t>, depth: usize) -> Option<Value<'t>> {
        let mut pairs = Vec::with_capacity(table.len());
        for (key, value) in table {
            let range = key.span();
            let name = Name { span: Span::new(range.start, range.end), text: key.into_inner() };
            pairs.push((name, self.value(value, depth + 1)?));
        }
        pairs.sort_by_key(|(name, _)| name.span.offset);
        Some(Value::Map(pairs.into_boxed_slice()))
    }

    fn refuse(&mut self, span: Span, message: String) -> Option<Tree<'t>> {
        self.reader.problem(span, message, None);
        None
    }
}
