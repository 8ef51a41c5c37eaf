//! How the handlers of a process stand.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use oneiric_core::Key;
use serde::{Deserialize, Serialize};

use super::Courier;
use crate::pattern::Pattern;
use crate::stats::Counts;

/// How one handler of a process stands.
///
/// Shape in JSON: `{"handler":"shop.audit:shop","key":"shop.audit","topics":["order.*"],"in_hand":2,"shut":false,
/// "counts":{...}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandlerStatus {
    /// Its name: `key:provider`.
    pub handler: String,
    /// The key that is paused and drained.
    pub key: Key,
    /// The topics that it wants; empty is all.
    pub topics: Vec<Pattern>,
    /// Stored events that this process has in hand for it.
    pub in_hand: usize,
    /// Whether the gate keeps stored events from it: it is paused, say, or its breaker is open.
    pub shut: bool,
    /// What was counted since the process began.
    pub counts: Counts,
}

impl Courier {
    /// How every handler stands, the highest priority first.
    pub fn handlers(&self) -> Vec<HandlerStatus> {
        let table = self.0.dispatcher.table();
        let of = |live: &Arc<crate::table::Live>| HandlerStatus {
            handler: live.subscription.name.to_string(),
            key: live.subscription.key.clone(),
            topics: live.subscription.interest.topics.clone(),
            in_hand: live.in_hand.load(Ordering::Relaxed),
            shut: self.is_shut(&live.subscription.name),
            counts: live.counts(),
        };
        table.lives().iter().map(of).collect()
    }
}
