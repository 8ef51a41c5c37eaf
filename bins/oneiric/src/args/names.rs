//! Domains and keys, as every command about components takes them.

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Args, Command};
use oneiric_core::{Domain, Key};

/// A domain by its name or its plural, in any case. Shells complete the well-known ones; an embedder's
/// own are taken, too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DomainParser;

impl TypedValueParser for DomainParser {
    type Value = Domain;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Domain, clap::Error> {
        let parser: fn(&str) -> Result<Domain, String> = domain;
        parser.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(
            Domain::WELL_KNOWN.into_iter().map(|domain| PossibleValue::new(domain.name().to_owned())),
        ))
    }
}

/// One key, by its place or by `--key`: upstream's handbook writes both.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct KeyArg {
    /// The key of the component
    #[arg(value_name = "KEY")]
    key: Option<Key>,
    /// The same as KEY
    #[arg(long = "key", value_name = "KEY", id = "named_key")]
    named: Option<Key>,
}

impl KeyArg {
    /// The key.
    pub(crate) fn key(&self) -> &Key {
        self.key.as_ref().or(self.named.as_ref()).expect("the group requires one of the two")
    }
}

/// A domain by its name or its plural, in any case.
fn domain(text: &str) -> Result<Domain, String> {
    let lower = text.to_lowercase();
    let known = Domain::WELL_KNOWN.into_iter().find(|domain| lower.strip_suffix('s') == Some(domain.name()));
    known.map_or_else(|| Domain::new(&lower).map_err(|error| error.to_string()), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_may_be_named_in_the_plural() {
        let check = |text, expected| assert_eq!(domain(text), Ok(expected));
        check("task", Domain::TASK);
        check("Tasks", Domain::TASK);
        check("news", Domain::new("news").unwrap());
        assert!(domain("a b").is_err());
    }
}
