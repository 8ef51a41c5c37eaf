//! The place of a value in settings: `remote.auth.token`, `tasks.selections."shop.charge"`.

use std::fmt;

/// Names from the outside in. Empty for the settings as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(Vec<String>);

impl Path {
    /// From names.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    /// Reads a dotted path; a name that holds a dot stands in double quotes.
    ///
    /// # Errors
    /// What is wrong with the text, for a person.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut names = Vec::new();
        let mut rest = text.trim();
        loop {
            let (name, after) = match rest.strip_prefix('"') {
                Some(quoted) => {
                    let end = quoted.find('"').ok_or_else(|| "a double quote is not closed".to_owned())?;
                    (&quoted[..end], &quoted[end + 1..])
                }
                None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
            };
            if name.is_empty() {
                return Err("a name between two dots is empty".to_owned());
            }
            names.push(name.to_owned());
            match after.strip_prefix('.') {
                Some(more) => rest = more,
                None if after.is_empty() => return Ok(Self(names)),
                None => return Err("a dot must follow a closing quote".to_owned()),
            }
        }
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    pub(super) fn push(&mut self, name: impl Into<String>) {
        self.0.push(name.into());
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    /// This path and one name more.
    #[must_use]
    pub(super) fn join(&self, name: &str) -> Self {
        let mut longer = self.clone();
        longer.push(name);
        longer
    }

    pub(super) fn starts_with(&self, other: &Path) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The variable that sets this key: `ONEIRIC_REMOTE__ENABLED`. `None` where a name of it cannot be
    /// written in one.
    pub(super) fn variable(&self, prefix: &str) -> Option<String> {
        let writable = |name: &String| {
            name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
                && !name.contains("__")
                && !name.starts_with('_')
                && !name.ends_with('_')
        };
        let names = self.0.iter().map(|name| writable(name).then(|| name.to_ascii_uppercase()));
        Some(format!("{prefix}{}", names.collect::<Option<Vec<_>>>()?.join("__")))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.0.iter().enumerate() {
            let dot = if place == 0 { "" } else { "." };
            let quote = if name.contains('.') || name.is_empty() { "\"" } else { "" };
            write!(f, "{dot}{quote}{name}{quote}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_and_written() {
        let check = |text: &str, expected: Result<&[&str], &str>| {
            let found = Path::parse(text);
            match expected {
                Ok(names) => {
                    let found = found.unwrap();
                    assert_eq!(found.names(), names);
                    assert_eq!(found.to_string(), text);
                }
                Err(message) => assert_eq!(found.unwrap_err(), message, "{text}"),
            }
        };
        check("a", Ok(&["a"]));
        check("a.b-c.d", Ok(&["a", "b-c", "d"]));
        check("a.\"b.c\".d", Ok(&["a", "b.c", "d"]));
        check("", Err("a name between two dots is empty"));
        check("a..b", Err("a name between two dots is empty"));
        check("a.", Err("a name between two dots is empty"));
        check("a.\"b", Err("a double quote is not closed"));
        check("\"a\"b", Err("a dot must follow a closing quote"));
    }

    #[test]
    fn a_key_has_a_variable_where_its_names_allow_it() {
        let check = |text, expected: Option<&str>| {
            assert_eq!(Path::parse(text).unwrap().variable("ONEIRIC_").as_deref(), expected);
        };
        check("remote.auth.header_name", Some("ONEIRIC_REMOTE__AUTH__HEADER_NAME"));
        check("cache_dir", Some("ONEIRIC_CACHE_DIR"));
        check("tasks.selections.\"a.b\"", None);
        check("adapters.selections.a-b", None);
    }
}
