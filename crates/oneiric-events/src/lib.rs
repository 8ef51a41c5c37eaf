//! Events of Oneiric: who wants which, and how they get there.
//!
//! | for | there is |
//! |---|---|
//! | which events are meant | [`Pattern`], [`Filter`], [`Interest`] |
//! | who handles them, and how | [`Subscription`], [`Handler`], [`typed`] |
//! | why they do or do not get one | [`Dispatcher::explain`], [`Verdict`] |
//! | in memory, with answers | [`Dispatcher::dispatch`], [`Dispatched`], [`Outcome`] |
//! | in memory, fire and forget | [`Dispatcher::emit`], [`Passed`] |
//! | fetching events | [`Dispatcher::subscribe_pull`], [`Pull`] |
//! | stored, until every handler is done | [`accept`], [`Courier`] |
//! | once more, and for how long | [`Repeat`], [`retention`] |
//! | why one has not arrived | [`delivery::explain`] |
//! | starting workflows | [`Trigger`], [`window`], [`bucket`] |
//!
//! Deciding is pure: a [`Pattern`], a [`Filter`] and a table of subscriptions are values, and so are what an
//! accepted event writes ([`accept`]) and what becomes of a delivery ([`delivery`]). Runs are `oneiric-dag`'s;
//! who wants both to happen in one transaction merges what each of them returns.

mod accept;
mod buffer;
mod call;
mod courier;
pub mod delivery;
mod dispatcher;
mod emit;
mod explain;
mod filter;
mod handler;
mod interest;
mod outcome;
mod pattern;
mod plan;
mod pull;
mod replay;
pub mod retention;
mod scope;
mod slots;
mod stamp;
mod stats;
mod subscription;
mod table;
mod trigger;
mod worker;

// What handles events is the core's; a subscription is nothing without it.
pub use oneiric_core::linked::{Typed, typed};

pub use accept::{Acceptance, accept};
pub use call::Parts;
pub use courier::{Accepted, Courier, CourierParts, Emitted, Entered, HandlerStatus};
pub use dispatcher::{Dispatcher, Subscribed};
pub use emit::{Passed, Refused};
pub use explain::{Explained, Turn, Verdict};
pub use filter::{Filter, FilterError, FilterPath};
pub use handler::Handler;
pub use interest::{Interest, Predicate};
pub use outcome::{Dispatched, Outcome};
pub use pattern::index::Index;
pub use pattern::{Pattern, PatternError};
pub use plan::Plan;
pub use pull::Pull;
pub use replay::{Fate, Repeat, Repeated};
pub use scope::EVENT_VARIABLES;
pub use stamp::{VERSION, from_rfc3339, rfc3339, stamp};
pub use stats::{BUCKETS_MS, Counts, DurationCounts};
pub use subscription::{Defaults, Subscription, SubscriptionError, name};
pub use trigger::{
    Gather, MAX_BATCH, MAX_STARTS, Singleton, Throttle, Trigger, TriggerError, bucket, window,
};
