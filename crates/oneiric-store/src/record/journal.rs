//! What happened in a run, in order: the events that were put to the state machine.
//!
//! Replaying a run's journal through the machine gives its rows. An event holds everything the
//! machine needs, time, chance and the slots it was granted included.

use oneiric_core::{Digest, Fault, Payload, RunId, Timestamp};
use serde::{Deserialize, Serialize};

/// What a resume does with nodes whose outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownNodes {
    /// They stay unknown, and the run pauses again.
    #[default]
    Keep,
    /// Somebody looked: it did not happen, or happening twice is fine.
    Retry,
    /// Somebody looked: count it as failed.
    Fail,
}

/// What was found out about a try whose outcome was unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// Its effect has happened; the output is known.
    Done,
    /// It has not happened: the node may be tried again.
    NotDone,
    /// Who was asked could not say: a person decides.
    Unknown,
}

/// One thing that happened in a run.
///
/// `slots` is how many nodes the machine may start on this occasion, the slot of the try that just
/// ended included; what it does not need it gives back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The first owner begins.
    Started {
        /// Slots to fill.
        slots: u32,
    },
    /// A new owner goes on after an interruption: what was in flight is decided now.
    Resumed {
        /// What becomes of nodes whose outcome is unknown.
        unknown: UnknownNodes,
        /// How many owners have died since somebody last began or went on with it: claims count them in the
        /// run's row, which a replay does not see.
        #[serde(default, skip_serializing_if = "is_zero")]
        deaths: u32,
        /// Slots to fill.
        slots: u32,
    },
    /// A try succeeded.
    Succeeded {
        /// The node's place in the plan.
        node: u32,
        /// Which try.
        attempt: u32,
        /// Its output. The journal does not repeat it: it stands in the checkpoint, and reading the
        /// journal does not bring it back.
        #[serde(skip)]
        output: Payload,
        /// Slots to fill.
        slots: u32,
    },
    /// A try failed.
    Failed {
        /// The node's place in the plan.
        node: u32,
        /// Which try.
        attempt: u32,
        /// Why.
        fault: Fault,
        /// 64 random bits for the jitter of the delay.
        chance: u64,
        /// Slots to fill.
        slots: u32,
    },
    /// The wait before a further try is over.
    Due {
        /// The node's place in the plan.
        node: u32,
        /// The try that failed, or was held; a journal of an early release does not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
        /// Slots to fill.
        slots: u32,
    },
    /// Slots became free elsewhere in the process.
    Granted {
        /// Slots to fill.
        slots: u32,
    },
    /// The gate let a try wait: it was not begun, and does not count.
    Held {
        /// The node's place in the plan.
        node: u32,
        /// Which try.
        attempt: u32,
        /// When it is asked again; `None` waits for [`Event::Released`].
        until: Option<Timestamp>,
        /// Who said so and why.
        fault: Fault,
        /// Slots to fill.
        slots: u32,
    },
    /// What held nodes back may be over: they ask again.
    Released {
        /// Their places in the plan.
        nodes: Vec<u32>,
        /// Slots to fill.
        slots: u32,
    },
    /// Somebody wants nodes that wait to be tried at once.
    Retried {
        /// Their places in the plan.
        nodes: Vec<u32>,
        /// Slots to fill.
        slots: u32,
    },
    /// It was found out what became of a try whose outcome was unknown.
    Reconciled {
        /// The node's place in the plan.
        node: u32,
        /// What was found.
        found: Found,
        /// The output, where it was done. Not repeated by the journal; see [`Event::Succeeded`].
        #[serde(skip)]
        output: Payload,
        /// Slots to fill.
        slots: u32,
    },
    /// Somebody wants it to pause: nothing further starts, what runs finishes.
    PauseRequested {
        /// Who or why, for the record.
        reason: String,
    },
    /// Somebody takes a pause back that has not come into effect yet.
    PauseWithdrawn {
        /// Slots to fill.
        slots: u32,
    },
    /// Somebody gives it another deadline.
    Extended {
        /// The new one.
        deadline: Timestamp,
    },
    /// Somebody wants it to stop: nothing further starts, what runs is asked to stop.
    CancelRequested {
        /// Who or why, for the record.
        reason: String,
        /// What runs is dropped instead of being asked.
        #[serde(default)]
        hard: bool,
    },
    /// The run's time is up.
    TimedOut,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
fn is_zero(deaths: &u32) -> bool {
    *deaths == 0
}

impl Event {
    /// The word in JSON: `succeeded`.
    pub const fn name(&self) -> &'static str {
        match self {
            Event::Started { .. } => "started",
            Event::Resumed { .. } => "resumed",
            Event::Succeeded { .. } => "succeeded",
            Event::Failed { .. } => "failed",
            Event::Due { .. } => "due",
            Event::Granted { .. } => "granted",
            Event::Held { .. } => "held",
            Event::Released { .. } => "released",
            Event::Retried { .. } => "retried",
            Event::Reconciled { .. } => "reconciled",
            Event::PauseRequested { .. } => "pause_requested",
            Event::PauseWithdrawn { .. } => "pause_withdrawn",
            Event::Extended { .. } => "extended",
            Event::CancelRequested { .. } => "cancel_requested",
            Event::TimedOut => "timed_out",
        }
    }
}

/// One line of a run's journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// The run.
    pub run: RunId,
    /// Its place in the run, from 1, without a gap.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// The fence under which it was written.
    pub epoch: u64,
    /// What happened.
    pub event: Event,
}

impl JournalEntry {
    /// The entry as every backend reads it back: outputs stand in checkpoints, not here.
    #[must_use]
    pub fn without_output(&self) -> Self {
        let mut entry = self.clone();
        if let Event::Succeeded { output, .. } | Event::Reconciled { output, .. } = &mut entry.event {
            *output = Payload::NULL;
        }
        entry
    }

    /// The link of a chain: the fingerprint of everything before this entry, and of the entry. Whoever
    /// changes, drops or swaps an entry changes every link behind it.
    ///
    /// `before` is the link of the entry in front, `event` this one's event as JSON text.
    pub fn link(&self, before: Option<&Digest>, event: &str) -> Digest {
        let mut bytes = Vec::with_capacity(32 + 16 + 24 + event.len());
        bytes.extend_from_slice(before.map_or(&[0; 32], |digest| digest.as_bytes()));
        bytes.extend_from_slice(self.run.as_bytes());
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(&self.at.as_micros().to_be_bytes());
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(event.as_bytes());
        Digest::of(&bytes)
    }
}
