//! YAML into a [`Tree`], from the parser's events and on a stack of its own: a text that is nested to
//! the bound costs heap and not the caller's stack, and every duplicate key is found, not the first.

mod scalar;

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Tag};

use super::problem::Span;
use super::reader::{Reader, duplicate, too_deep, too_many_values};
use super::tree::{Name, Pairs, Tree, Value};
use super::{MAX_DEPTH, MAX_VALUES};

/// Reads a text; `None` where the reader was told what is wrong.
pub(crate) fn read<'t>(reader: &mut Reader<'t>) -> Option<Tree<'t>> {
    let options = granit_parser::options! {
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        emit_comments: false,
    };
    let mut parser = Parser::new_from_str_with_options(reader.text(), options);
    let mut build =
        Build { reader, open: Vec::new(), anchors: HashMap::new(), values: 0, documents: 0, root: None };
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => build.event(event, span_of(&span))?,
            Err(error) => {
                build.syntax(&error);
                return None;
            }
        }
    }
    let end = Span::default();
    Some(build.root.unwrap_or(Tree { span: end, value: Value::Null }))
}

fn span_of(span: &granit_parser::Span) -> Span {
    let range = span.byte_range().unwrap_or_default();
    Span::new(range.start, range.end)
}

struct Build<'r, 't> {
    reader: &'r mut Reader<'t>,
    open: Vec<Open<'t>>,
    anchors: HashMap<usize, Tree<'t>>,
    values: usize,
    documents: usize,
    root: Option<Tree<'t>>,
}

/// A list or mapping whose end has not come yet.
struct Open<'t> {
    span: Span,
    anchor: usize,
    content: Content<'t>,
}

enum Content<'t> {
    List(Vec<Tree<'t>>),
    Map { pairs: Pairs<'t>, key: Option<Key<'t>>, merged: Vec<Tree<'t>> },
}

enum Key<'t> {
    Name(Name<'t>),
    Merge,
}

impl<'t> Build<'_, 't> {
    /// Takes one event; `None` where going on makes no sense.
    fn event(&mut self, event: Event<'t>, span: Span) -> Option<()> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let help = Some("a file is one document".to_owned());
                    self.reader.problem(span, "a second document starts here", help);
                    return None;
                }
                Some(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                if style == ScalarStyle::Plain && text == "<<" && tag.is_none() && self.expect_merge() {
                    return Some(());
                }
                let (value, problem) = scalar::resolve(text, style, tag.as_deref());
                if let Some((message, help)) = problem {
                    self.reader.problem(span, message, help);
                }
                self.count(1, 0, span)?;
                self.place(Tree { span, value }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.start(span, anchor, tag.as_deref(), "seq", Content::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                let content = Content::Map { pairs: Pairs::default(), key: None, merged: Vec::new() };
                self.start(span, anchor, tag.as_deref(), "map", content)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Open { span, anchor, content } = self.open.pop()?;
                let value = match content {
                    Content::List(items) => Value::List(items.into_boxed_slice()),
                    Content::Map { mut pairs, merged, .. } => {
                        for tree in merged {
                            self.merge(&mut pairs, tree)?;
                        }
                        Value::Map(pairs.into_boxed_slice())
                    }
                };
                self.place(Tree { span, value }, anchor)
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            // Everything else is presentation; an unresolved alias is an error of the parser's own.
            _ => Some(()),
        }
    }

    fn start(
        &mut self,
        span: Span,
        anchor: usize,
        tag: Option<&Tag>,
        natural: &str,
        content: Content<'t>,
    ) -> Option<()> {
        if let Some(tag) = tag.filter(|tag| tag.core_suffix() != Some(natural) && !scalar::is_plain(tag)) {
            self.reader.problem(span, scalar::unsupported(tag), None);
        }
        self.count(1, 0, span)?;
        self.open.push(Open { span, anchor, content });
        Some(())
    }

    /// Counts values and looks at the depth of what is about to be placed, `height` levels tall.
    fn count(&mut self, values: usize, height: usize, span: Span) -> Option<()> {
        self.values += values;
        let message = if self.open.len() + height > MAX_DEPTH {
            too_deep()
        } else if self.values > MAX_VALUES {
            too_many_values()
        } else {
            return Some(());
        };
        self.reader.problem(span, message, None);
        None
    }

    /// Puts a finished value where it belongs: into the open list or mapping, or at the root.
    fn place(&mut self, tree: Tree<'t>, anchor: usize) -> Option<()> {
        if anchor > 0 {
            let (values, _) = tree.size();
            self.count(values, 0, tree.span)?;
            self.anchors.insert(anchor, tree.clone());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(tree),
            Some(Content::List(items)) => items.push(tree),
            Some(Content::Map { pairs, key, merged }) => match key.take() {
                None => *key = Some(Key::Name(name(self.reader, tree)?)),
                Some(Key::Merge) => merged.push(tree),
                Some(Key::Name(name)) => {
                    if let Err(name) = pairs.insert(name, tree) {
                        self.reader.problem(name.span, duplicate(&name.text), None);
                    }
                }
            },
        }
        Some(())
    }

    /// Whether a mapping is open whose next key this is; then it is a merge key.
    fn expect_merge(&mut self) -> bool {
        match self.open.last_mut().map(|open| &mut open.content) {
            Some(Content::Map { key: key @ None, .. }) => {
                *key = Some(Key::Merge);
                true
            }
            _ => false,
        }
    }

    /// A copy of what was anchored, standing where it is named.
    fn alias(&mut self, anchor: usize, span: Span) -> Option<()> {
        let Some((values, height)) = self.anchors.get(&anchor).map(Tree::size) else {
            self.reader.problem(span, "an alias names a value that it is part of", None);
            return None;
        };
        self.count(values, height, span)?;
        let mut tree = self.anchors.get(&anchor)?.clone();
        tree.stand_at(span);
        self.place(tree, 0)
    }

    /// Adds the keys of a merged mapping that are not there yet: what is written in place goes first,
    /// then the mappings in their order.
    fn merge(&mut self, pairs: &mut Pairs<'t>, tree: Tree<'t>) -> Option<()> {
        match tree.value {
            Value::Map(merged) => {
                for (name, tree) in merged {
                    // A key that is there already goes before the merged one.
                    let _ = pairs.insert(name, tree);
                }
                Some(())
            }
            Value::List(trees) if trees.iter().all(|tree| matches!(tree.value, Value::Map(_))) => {
                trees.into_iter().try_for_each(|tree| self.merge(pairs, tree))
            }
            other => {
                let message = format!("`<<` must be a mapping or a list of mappings, found {}", other.kind());
                self.reader.problem(tree.span, message, None);
                Some(())
            }
        }
    }

    fn syntax(&mut self, error: &ScanError) {
        let offset = error.marker().byte_offset().unwrap_or(self.reader.text().len());
        let message = match error.kind() {
            ErrorKind::RecursionLimitExceeded => too_deep(),
            _ => error.info(),
        };
        self.reader.problem(Span::new(offset, offset), message, None);
    }
}

/// A key is text; numbers, truth values and null become the text that Python's JSON gives them.
fn name<'t>(reader: &mut Reader<'t>, tree: Tree<'t>) -> Option<Name<'t>> {
    let text = match tree.value {
        Value::Text(text) => text,
        Value::Number(number) => number.to_string().into(),
        Value::Bool(value) => value.to_string().into(),
        Value::Null => "null".into(),
        Value::List(_) | Value::Map(_) => {
            let found = tree.value.kind();
            reader.problem(tree.span, format!("a key must be text, found {found}"), None);
            return None;
        }
    };
    Some(Name { span: tree.span, text })
}
