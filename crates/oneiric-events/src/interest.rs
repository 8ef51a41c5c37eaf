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
        match self.beyond_filters(scope, envelope) {
            None => Ok(true),
            Some(No::Undecided(error)) => Err(error),
            Some(_) => Ok(false),
        }
    }

    /// Whether a topic is wanted.
    pub(crate) fn wants_topic(&self, topic: &str) -> bool {
        self.topics.is_empty() || self.topics.iter().any(|pattern| pattern.matches(topic))
    }

    /// The first thing that keeps an event from being wanted whose topic is known to be.
    pub(crate) fn refusal(&self, scope: &EventScope<'_>, envelope: &Envelope) -> Option<No<'_>> {
        let filter = self.filters.iter().find(|filter| !filter.accepts(envelope));
        filter.map(No::Filter).or_else(|| self.beyond_filters(scope, envelope))
    }

    fn beyond_filters(&self, scope: &EventScope<'_>, envelope: &Envelope) -> Option<No<'_>> {
        let any = |patterns: &[Pattern], text: Option<&str>| {
            patterns.is_empty()
                || text.is_some_and(|text| patterns.iter().any(|pattern| pattern.matches(text)))
        };
        if let Some(least) = self.min_priority.filter(|least| envelope.priority < *least) {
            return Some(No::Priority(least));
        }
        if !self.tags.is_empty() && !self.tags.is_subset(&envelope.tags) {
            return Some(No::Tags);
        }
        if !any(&self.sources, envelope.source()) {
            return Some(No::Source);
        }
        if !any(&self.routing_keys, envelope.routing_key.as_deref()) {
            return Some(No::RoutingKey);
        }
        if self.predicate.as_ref().is_some_and(|predicate| !holds(predicate, envelope)) {
            return Some(No::Predicate);
        }
        match self.when.as_ref()?.evaluate_bool(scope) {
            Ok(true) => None,
            Ok(false) => Some(No::When),
            Err(error) => Some(No::Undecided(error)),
        }
    }
}

/// What keeps an event from being wanted.
#[derive(Debug)]
pub(crate) enum No<'i> {
    /// This one does not hold.
    Filter(&'i Filter),
    /// It is less urgent than this.
    Priority(Priority),
    /// It lacks a tag.
    Tags,
    /// It is from somebody else.
    Source,
    /// It is for somebody else.
    RoutingKey,
    /// The condition in Rust does not hold.
    Predicate,
    /// The condition in CEL does not hold.
    When,
    /// The condition in CEL cannot be decided.
    Undecided(ExprError),
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
