//! One accepted event on its way to one handler.

use std::fmt;
use std::str::FromStr;

use oneiric_core::roles::{EventId, Priority};
use oneiric_core::{BootId, Fault, Payload, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It is not its turn: another handler is in front of it.
    Held,
    /// It is due, or will be. Where it has an owner, the handler may be at work.
    Pending,
    /// The handler is at work, and an owner died over it before: that it began is on record, so that an event
    /// that kills its handler's process is found out.
    Running,
    /// The handler has succeeded.
    Done,
    /// The handler has failed for good: a dead letter.
    Dead,
    /// A handler in front of it has succeeded, so that this one is not asked.
    Skipped,
    /// The event was of no use any more before the handler had it.
    Expired,
}

impl DeliveryStatus {
    /// Every status.
    pub const ALL: [DeliveryStatus; 7] = [
        DeliveryStatus::Held,
        DeliveryStatus::Pending,
        DeliveryStatus::Running,
        DeliveryStatus::Done,
        DeliveryStatus::Dead,
        DeliveryStatus::Skipped,
        DeliveryStatus::Expired,
    ];

    /// The word in JSON, in views and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            DeliveryStatus::Held => "held",
            DeliveryStatus::Pending => "pending",
            DeliveryStatus::Running => "running",
            DeliveryStatus::Done => "done",
            DeliveryStatus::Dead => "dead",
            DeliveryStatus::Skipped => "skipped",
            DeliveryStatus::Expired => "expired",
        }
    }

    /// Whether nothing happens any more unless somebody asks for it.
    pub const fn is_over(self) -> bool {
        match self {
            DeliveryStatus::Held | DeliveryStatus::Pending | DeliveryStatus::Running => false,
            DeliveryStatus::Done
            | DeliveryStatus::Dead
            | DeliveryStatus::Skipped
            | DeliveryStatus::Expired => true,
        }
    }
}

impl fmt::Display for DeliveryStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text is not a status of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a status of a delivery; there are held, pending, running, done, dead, skipped, expired"
)]
pub struct UnknownDeliveryStatus(pub String);

impl FromStr for DeliveryStatus {
    type Err = UnknownDeliveryStatus;
    fn from_str(text: &str) -> Result<Self, UnknownDeliveryStatus> {
        Self::ALL.into_iter().find(|s| s.name() == text).ok_or_else(|| UnknownDeliveryStatus(text.to_owned()))
    }
}

/// What the handlers behind one in a chain wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainMode {
    /// For it to end, however it ends.
    #[default]
    Ordered,
    /// For it to fail: once one succeeds, nobody behind it is asked.
    FirstSuccess,
}

/// The part of a delivery that changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliveryState {
    /// Where it stands.
    pub status: DeliveryStatus,
    /// The boot that sees to it; `None` where nobody does.
    pub owner: Option<BootId>,
    /// The fence: raised by every claim and by the death of an owner.
    pub epoch: u64,
    /// How many tries have ended.
    pub attempts: u32,
    /// How many owners died over a try whose beginning is on record.
    pub deaths: u32,
    /// The earliest time of the next try.
    pub due_at: Timestamp,
    /// When the last status was reached.
    pub at: Timestamp,
    /// How long the last try took, in microseconds.
    pub took_us: u64,
    /// What the handler returned.
    pub value: Payload,
    /// Why the last try failed.
    pub fault: Option<Fault>,
}

impl DeliveryState {
    /// One that is due at once and that nobody owns.
    pub const fn due(at: Timestamp) -> Self {
        Self {
            status: DeliveryStatus::Pending,
            owner: None,
            epoch: 0,
            attempts: 0,
            deaths: 0,
            due_at: at,
            at,
            took_us: 0,
            value: Payload::NULL,
            fault: None,
        }
    }
}

/// An accepted event on its way to one handler. There is one for each event and handler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// The event.
    pub event: EventId,
    /// The handler's name: `key:provider`.
    pub handler: String,
    /// The event's; among those that are due, higher ones go first.
    pub priority: Priority,
    /// What those behind it in its chain wait for.
    pub chain: ChainMode,
    /// The handlers behind it in its chain, in their order.
    pub behind: Vec<String>,
    /// Where it stands.
    pub state: DeliveryState,
}
