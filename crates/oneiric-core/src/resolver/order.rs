//! The order of candidates, stated once.

use crate::Provider;

use super::Candidate;

/// What is asked of a key. The default asks for the winner.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<'a> {
    /// Only this provider will do.
    pub provider: Option<&'a Provider>,
    /// What the candidate should be able to do; blank names are ignored.
    pub capabilities: &'a [String],
    /// `true` keeps only candidates that offer all of `capabilities`; `false` keeps those that offer
    /// any and ranks them by how many.
    pub require_all: bool,
}

impl<'a> Query<'a> {
    /// Asks for one provider.
    pub fn of_provider(provider: &'a Provider) -> Self {
        Self { provider: Some(provider), ..Self::default() }
    }

    /// Asks for candidates that offer all of these.
    pub fn with_all(capabilities: &'a [String]) -> Self {
        Self { capabilities, require_all: true, ..Self::default() }
    }

    /// Asks for candidates that offer any of these, those with more of them first.
    pub fn with_any(capabilities: &'a [String]) -> Self {
        Self { capabilities, ..Self::default() }
    }

    /// The capabilities that count: trimmed, without blanks.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &'a str> {
        self.capabilities.iter().map(|name| name.trim()).filter(|name| !name.is_empty())
    }

    /// Whether the candidates it keeps may stand in another order than without it. Those of one
    /// provider, or with all of the capabilities, are equal in what the question adds to the rank.
    pub(super) fn reorders(&self) -> bool {
        !self.require_all && !self.capabilities.is_empty()
    }
}

/// Where a candidate stands. Greater is better; fields are compared in the order written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// The question names its provider.
    pub explicit: bool,
    /// The operator selected its provider.
    pub selected: bool,
    /// How many of the wanted capabilities it offers.
    pub capabilities: usize,
    /// Its priority.
    pub priority: i32,
    /// Its stack level.
    pub stack_level: i32,
    /// When it was registered; later is better.
    pub sequence: u64,
}

/// Why a candidate is no answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exclusion {
    /// Another provider was asked for.
    Provider,
    /// It offers this many of the wanted capabilities, which is too few.
    Capabilities {
        /// How many it offers.
        offered: usize,
        /// How many are wanted.
        wanted: usize,
    },
}

/// The step of the order at which one candidate beat another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criterion {
    /// It is of the provider asked for.
    Provider,
    /// It is of the provider selected.
    Selection,
    /// It offers more of what is wanted.
    Capabilities,
    /// It has the higher priority.
    Priority,
    /// It has the higher stack level.
    StackLevel,
    /// It was registered later.
    Registration,
}

impl Criterion {
    /// The name in `explain`: `stack_level`.
    pub const fn name(self) -> &'static str {
        match self {
            Criterion::Provider => "explicit_provider",
            Criterion::Selection => "selection_override",
            Criterion::Capabilities => "capability_match",
            Criterion::Priority => "priority",
            Criterion::StackLevel => "stack_level",
            Criterion::Registration => "registration_order",
        }
    }
}

/// The whole order: explicit provider, selection override, capability match, priority, stack level,
/// latest registration (decision 3).
///
/// # Errors
/// [`Exclusion`] where the candidate is no answer at all.
pub fn rank(
    candidate: &Candidate,
    selection: Option<&Provider>,
    query: &Query<'_>,
) -> Result<Rank, Exclusion> {
    let descriptor = candidate.descriptor();
    if query.provider.is_some_and(|asked| *asked != descriptor.provider) {
        return Err(Exclusion::Provider);
    }
    let (mut wanted, mut offered) = (0, 0);
    for name in query.wanted() {
        wanted += 1;
        offered += usize::from(candidate.offers(name));
    }
    let enough = if query.require_all { wanted } else { wanted.min(1) };
    if offered < enough {
        return Err(Exclusion::Capabilities { offered, wanted });
    }
    Ok(Rank {
        explicit: query.provider.is_some(),
        selected: selection == Some(&descriptor.provider),
        capabilities: offered,
        priority: descriptor.priority,
        stack_level: descriptor.stack_level,
        sequence: candidate.sequence(),
    })
}

impl Rank {
    /// Where `self` and `other` first differ. No two candidates of a registry share a sequence, so
    /// the last step always decides.
    pub fn decided_by(&self, other: &Rank) -> Criterion {
        if self.explicit != other.explicit {
            Criterion::Provider
        } else if self.selected != other.selected {
            Criterion::Selection
        } else if self.capabilities != other.capabilities {
            Criterion::Capabilities
        } else if self.priority != other.priority {
            Criterion::Priority
        } else if self.stack_level != other.stack_level {
            Criterion::StackLevel
        } else {
            Criterion::Registration
        }
    }

    /// Upstream's tuple: override match, capability matches, priority, stack level, sequence.
    pub fn score(&self) -> [i64; 5] {
        [
            i64::from(self.selected),
            i64::try_from(self.capabilities).unwrap_or(i64::MAX),
            i64::from(self.priority),
            i64::from(self.stack_level),
            i64::try_from(self.sequence).unwrap_or(i64::MAX),
        ]
    }
}
