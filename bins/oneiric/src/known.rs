//! What to say of a component that is not there, where the resolver is not asked or does not see it all.

use oneiric_core::nearest::nearest;
use oneiric_core::resolver::ResolveError;
use oneiric_core::{Domain, Key, Registry};

use crate::exit::Code;
use crate::failure::Failure;

/// Domains and keys, sorted.
#[derive(Debug)]
pub(crate) struct Known<'a>(Vec<(&'a Domain, &'a Key)>);

impl<'a> Known<'a> {
    /// These.
    pub(crate) fn of(names: impl IntoIterator<Item = (&'a Domain, &'a Key)>) -> Self {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        Self(names)
    }

    /// Those that the resolver knows.
    pub(crate) fn registered(registry: &'a Registry) -> Self {
        Self::of(registry.domains().flat_map(|domain| {
            registry.active(domain).map(|found| (&found.descriptor().domain, &found.descriptor().key))
        }))
    }

    /// That what was asked for is there. A well-known domain may be empty.
    ///
    /// # Errors
    /// Names the nearest name, or the domain that has the key.
    pub(crate) fn expect(&self, domain: Option<&Domain>, key: Option<&Key>) -> Result<(), Failure> {
        let fits = |at: &Domain| domain.is_none_or(|domain| domain == at);
        let there = |(at, found): &(&Domain, &Key)| fits(at) && key.is_none_or(|key| key == *found);
        if self.0.iter().any(there) {
            return Ok(());
        }
        let Some(key) = key else {
            return match domain.filter(|domain| !domain.is_well_known()) {
                Some(domain) => Err(self.no_domain(domain)),
                None => Ok(()),
            };
        };
        let what = domain.map_or("component", Domain::name);
        let keys = self.0.iter().filter(|(at, _)| fits(at)).map(|(_, key)| key.as_str());
        let near = match nearest(key.as_str(), keys) {
            Some(near) => format!(" (did you mean `{near}`?)"),
            None => String::new(),
        };
        let failure = Failure::said(Code::Resolution, format!("{what} `{key}` is unknown{near}"));
        Err(failure.help(self.elsewhere(key).unwrap_or_else(|| {
            "`oneiric status` shows what there is; name a manifest with `--manifest PATH`".to_owned()
        })))
    }

    fn no_domain(&self, domain: &Domain) -> Failure {
        let known = self.0.iter().map(|(at, _)| at.name());
        let known = Domain::WELL_KNOWN.iter().map(Domain::name).chain(known);
        let near = match nearest(domain.name(), known) {
            Some(near) => format!(" (did you mean `{near}`?)"),
            None => String::new(),
        };
        Failure::said(Code::Resolution, format!("nothing is registered in domain `{domain}`{near}"))
            .help("well-known are adapter, service, task, event, workflow and action")
    }

    /// Where the key would be found.
    pub(crate) fn elsewhere(&self, key: &Key) -> Option<String> {
        let domain = self.0.iter().find(|(_, found)| *found == key)?.0;
        Some(format!("there is a component of that key in domain `{domain}`: add `--domain {domain}`"))
    }
}

/// The resolver's no, with the domain that would have the key.
pub(crate) fn unknown(error: ResolveError, registry: &Registry) -> Failure {
    match &error {
        ResolveError::UnknownDomain { key, .. } | ResolveError::UnknownKey { key, .. } => {
            match Known::registered(registry).elsewhere(key) {
                Some(help) => Failure::said(Code::Resolution, error.to_string()).help(help),
                None => error.into(),
            }
        }
        ResolveError::UnknownProvider { .. } | ResolveError::MissingCapability { .. } => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_told_with_what_is_near() {
        let (charge, queue): (Key, Key) = ("charge".parse().unwrap(), "queue".parse().unwrap());
        let known = Known::of([(&Domain::TASK, &charge), (&Domain::ADAPTER, &queue)]);
        let check = |domain: Option<&str>, key: Option<&str>, expected: Option<&str>| {
            let domain = domain.map(|name| Domain::new(name).unwrap());
            let key = key.map(|name| name.parse::<Key>().unwrap());
            let found = known.expect(domain.as_ref(), key.as_ref());
            assert_eq!(found.err().map(|failure| failure.to_string()).as_deref(), expected);
        };
        check(None, None, None);
        check(Some("task"), Some("charge"), None);
        check(Some("service"), None, None);
        check(None, Some("chrge"), Some("component `chrge` is unknown (did you mean `charge`?)"));
        check(Some("adapter"), Some("charge"), Some("adapter `charge` is unknown"));
        check(Some("taks"), None, Some("nothing is registered in domain `taks` (did you mean `task`?)"));
    }

    #[test]
    fn a_key_of_another_domain_is_pointed_at() {
        let key: Key = "charge".parse().unwrap();
        let known = Known::of([(&Domain::TASK, &key)]);
        assert!(known.elsewhere(&key).unwrap().ends_with("add `--domain task`"));
    }
}
