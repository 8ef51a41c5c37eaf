//! `event_delivery`: how events reach their handlers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Seconds;

/// How events reach their handlers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EventDelivery {
    /// How long one call of a handler may take whose entry says nothing of it.
    pub handler_timeout: Seconds,
    /// How many events may wait in memory for a handler whose entry says nothing of it.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub buffer: u32,
    /// How many stored events this process takes in hand at a time for one handler; the others wait in the
    /// store.
    #[schemars(range(min = 1, max = 100_000))]
    pub in_hand: u32,
    /// How long accepted events are kept for replay once every handler is done with them; dead letters are
    /// kept as long.
    pub keep_seconds: Seconds,
}

/// ACB's numbers: half a minute for a handler, a thousand events in a buffer, dead letters for a week. Two
/// hundred and fifty-six in hand keep a handler busy that takes ten a second for as long as a lease.
impl Default for EventDelivery {
    fn default() -> Self {
        Self {
            handler_timeout: Seconds::new(30.0),
            buffer: 1000,
            in_hand: 256,
            keep_seconds: Seconds::new(7.0 * 24.0 * 3600.0),
        }
    }
}
