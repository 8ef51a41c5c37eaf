//! Which events somebody wants.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use oneiric_core::Expr;
use oneiric_core::expr::ExprError;
use oneiric_core::roles::{Envelope, Priority};

use crate::filter::Filter;
use crate::pattern::Pattern;
use crate::scope::EventScope;

/// A condition in Rust.
pub type Predicate = Arc<dyn Fn(&Envelope) -> bool + Send + Sync>;

/// Which events somebody wants: everything that is said must hold.
#[derive(Clone, Default)]
pub struct Interest {
    /// Topics; empty is all.
    pub topics: Vec<Pattern>,
    /// Upstream's conditions.
    pub filters: Vec<Filter>,
    /// A condition in CEL over [`crate::EVENT_VARIABLES`].
    pub when: Option<Expr>,
    /// Tags that the event must have.
    pub tags: BTreeSet<String>,
    /// Sources that it may be from; empty is any, or none.
    pub sources: Vec<Pattern>,
    /// Routing keys that it may have; empty is any, or none.
    pub routing_keys: Vec<Pattern>,
    /// How urgent it must be.
    pub min_priority: Option<Priority>,
    /// A condition in Rust. One that panics does not hold.
    pub predicate: Option<Predicate>,
}

impl Interest {
    /// Whoever wants a topic.
    pub fn topic(pattern: Pattern) -> Self {
        Self { topics: vec![pattern], ..Self::default() }
    }

    /// Whether an event is wanted whose topic and filters are known to fit.
    ///
    /// # Errors
    /// [`ExprError`] where the condition in CEL cannot be decided for this event: the event is not wanted.
    pub(crate) fn accepts(&self, scope: &EventScope<'_>, envelope: &Envelope) -> Result<bool, ExprError> {
        let any = |patterns: &[Pattern], text: Option<&str>| {
            patterns.is_empty()
                || text.is_some_and(|text| patterns.iter().any(|pattern| pattern.matches(text)))
        };
        let wanted = self.min_priority.is_none_or(|least| envelope.priority >= least)
            && (self.tags.is_empty() || self.tags.is_subset(&envelope.tags))
            && any(&self.sources, envelope.source())
            && any(&self.routing_keys, envelope.routing_key.as_deref())
            && self.predicate.as_ref().is_none_or(|predicate| holds(predicate, envelope));
        match &self.when {
            Some(when) if wanted => when.evaluate_bool(scope),
            _ => Ok(wanted),
        }
    }
}

/// A predicate is foreign code: its panic is its own affair.
fn holds(predicate: &Predicate, envelope: &Envelope) -> bool {
    catch_unwind(AssertUnwindSafe(|| predicate(envelope))).unwrap_or(false)
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interest")
            .field("topics", &self.topics)
            .field("filters", &self.filters)
            .field("when", &self.when)
            .field("predicate", &self.predicate.is_some())
            .finish_non_exhaustive()
    }
}

/// Predicates are equal where they are the same one.
impl PartialEq for Interest {
    fn eq(&self, other: &Self) -> bool {
        let same = match (&self.predicate, &other.predicate) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same && self.topics == other.topics
            && self.filters == other.filters
            && self.when == other.when
            && self.tags == other.tags
            && self.sources == other.sources
            && self.routing_keys == other.routing_keys
            && self.min_priority == other.min_priority
    }
}
