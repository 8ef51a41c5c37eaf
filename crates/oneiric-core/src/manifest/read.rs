//! Takes a tree apart by the keys that a manifest knows, the same way for all formats.

use crate::text::problem::Span;
use crate::text::reader::{Reader, mismatch, short};
use crate::text::tree::{Tree, Value};

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
