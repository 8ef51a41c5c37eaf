//! Why a question has no answer.

use std::fmt;

use crate::{Domain, Fault, Key, Provider};

use super::{Candidate, Query};

/// Which part of a question has no answer. Asking again cannot help until something is registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Nothing is registered in the domain.
    #[error("{domain} `{key}` is unknown: nothing is registered in domain `{domain}`{}", DidYouMean(nearest))]
    UnknownDomain {
        /// The domain asked for.
        domain: Domain,
        /// The key asked for.
        key: Key,
        /// The domain that was probably meant.
        nearest: Option<String>,
    },
    /// The domain has candidates, none of them under the key.
    #[error("{domain} `{key}` is unknown{}", DidYouMean(nearest))]
    UnknownKey {
        /// The domain asked for.
        domain: Domain,
        /// The key asked for.
        key: Key,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// The key has candidates, none of them of the provider.
    #[error("{domain} `{key}` has no provider `{provider}`; it has {}", Names(known))]
    UnknownProvider {
        /// The domain asked for.
        domain: Domain,
        /// The key asked for.
        key: Key,
        /// The provider asked for.
        provider: Provider,
        /// The providers of the key, best first.
        known: Vec<String>,
    },
    /// The key has candidates, none of which offers what is wanted.
    #[error(
        "no candidate of {domain} `{key}` offers {} {}; offered are {}",
        if *all { "all of" } else { "any of" },
        Names(wanted),
        Names(offered)
    )]
    MissingCapability {
        /// The domain asked for.
        domain: Domain,
        /// The key asked for.
        key: Key,
        /// What is wanted.
        wanted: Vec<String>,
        /// Whether all of it is.
        all: bool,
        /// What the candidates of the key (and of the provider, where one was asked for) offer.
        offered: Vec<String>,
    },
}

impl From<ResolveError> for Fault {
    fn from(error: ResolveError) -> Fault {
        let code = match error {
            ResolveError::UnknownDomain { .. } => "unknown-domain",
            ResolveError::UnknownKey { .. } => "unknown-key",
            ResolveError::UnknownProvider { .. } => "unknown-provider",
            ResolveError::MissingCapability { .. } => "missing-capability",
        };
        Fault::permanent(code, error.to_string())
    }
}

/// The error for a key that has candidates of which none is an answer.
pub(super) fn unanswered(
    domain: &Domain,
    key: &Key,
    candidates: &[Candidate],
    query: &Query<'_>,
) -> ResolveError {
    let (domain, key) = (domain.clone(), key.clone());
    let asked: Vec<_> = candidates
        .iter()
        .filter(|candidate| query.provider.is_none_or(|provider| provider == candidate.provider()))
        .collect();
    if let Some(provider) = query.provider.filter(|_| asked.is_empty()) {
        let known = distinct(candidates.iter().map(|candidate| candidate.provider().as_str()));
        return ResolveError::UnknownProvider { domain, key, provider: provider.clone(), known };
    }
    let mut offered =
        distinct(asked.iter().flat_map(|candidate| candidate.capabilities()).map(String::as_str));
    offered.sort();
    let wanted = query.wanted().map(str::to_owned).collect();
    ResolveError::MissingCapability { domain, key, wanted, all: query.require_all, offered }
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for name in names {
        if !seen.iter().any(|known| known == name) {
            seen.push(name.to_owned());
        }
    }
    seen
}

struct DidYouMean<'a>(&'a Option<String>);

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |name| write!(f, ", did you mean `{name}`?"))
    }
}

struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Enough to see a slip of the pen; a long list hides it.
        const SHOWN: usize = 8;
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, name) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}`{name}`", if index == 0 { "" } else { ", " })?;
        }
        match self.0.len().checked_sub(SHOWN) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, " and {more} more"),
        }
    }
}
