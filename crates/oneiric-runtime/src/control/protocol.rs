//! What is asked and answered.

use std::collections::BTreeMap;

use oneiric_core::lifecycle::{Status, Summary};
use oneiric_core::metrics::Family;
use oneiric_core::secret::SecretId;
use oneiric_core::{Domain, Key, Provider, RunId, Timestamp};
use oneiric_dag::NodeProgress;
use oneiric_events::HandlerStatus;
use oneiric_store::liveness;
use oneiric_supervisor::{InFlight, service};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Kind};
use crate::reload::Reloads;
use crate::status::ComponentStatus;

/// The longest line of either side, in bytes. A status row has about a kilobyte: enough for ten
/// thousand components.
pub(super) const MAX_LINE: u64 = 16 << 20;

/// What another process may ask for.
///
/// Shape: `{"verb":"swap","domain":"task","key":"charge","provider":"b","force":false}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// How the components stand.
    Status {
        /// Those of one domain only.
        domain: Option<Domain>,
        /// Those of one key only.
        key: Option<Key>,
    },
    /// Asks the components in service whether they are healthy.
    Health {
        /// Those of one domain only.
        domain: Option<Domain>,
        /// Those of one key only.
        key: Option<Key>,
        /// Whether components are asked, or only what is known of them is told.
        probe: bool,
    },
    /// Replaces what serves a key.
    Swap {
        /// The domain.
        domain: Domain,
        /// The key.
        key: Key,
        /// This provider's best candidate; without it, what the resolver says.
        provider: Option<Provider>,
        /// Bind a newcomer that is not healthy, too.
        force: bool,
    },
    /// Something in the store concerns the process: a command, what an operator said of a component, a run
    /// that is free.
    Ring {},
    /// What operators said of components is read anew, and then: what of them is in flight?
    Activity {
        /// Those of one domain only.
        domain: Option<Domain>,
        /// Those of one key only.
        key: Option<Key>,
    },
    /// How far the nodes of a run are that are under way in the process.
    Progress {
        /// The run.
        run: RunId,
    },
    /// How the handlers of events stand, and what they have counted.
    Events {},
    /// How the services stand.
    Services {},
    /// Starts, stops or restarts a service, and waits for what comes of it.
    Service {
        /// The service.
        key: Key,
        /// What is wanted.
        action: ServiceAction,
    },
    /// Everything that the process has counted.
    Metrics {},
    /// What is known of the secrets, without a value.
    Secrets {},
    /// Reads manifests and settings again.
    Reload {},
    /// Forgets secrets and swaps the components that were built with them.
    Rotate {
        /// Which; all where nothing is said.
        ids: Option<Vec<SecretId>>,
    },
}

/// What the process says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(ProcessStatus),
    /// To [`Request::Health`].
    Health(Box<ProcessHealth>),
    /// To [`Request::Swap`].
    Swapped(SwapDone),
    /// To [`Request::Ring`].
    Rung {
        /// The process.
        pid: u32,
    },
    /// To [`Request::Activity`].
    Activity(ProcessActivity),
    /// To [`Request::Progress`].
    Progress {
        /// The process.
        pid: u32,
        /// Those that have said something, by place; `None` where the run is not under way in the process.
        nodes: Option<Vec<NodeProgress>>,
    },
    /// To [`Request::Events`].
    Events(ProcessEvents),
    /// To [`Request::Services`].
    Services(ProcessServices),
    /// To [`Request::Service`].
    Service {
        /// The process.
        pid: u32,
        /// How it stands now.
        status: Box<service::Status>,
    },
    /// To [`Request::Metrics`].
    Metrics {
        /// The process.
        pid: u32,
        /// When it opened the state folder.
        started_at: Timestamp,
        /// What it has counted.
        families: Vec<Family>,
    },
    /// To [`Request::Secrets`].
    Secrets {
        /// The process.
        pid: u32,
        /// [`oneiric_core::secret::Status`] as JSON.
        status: Value,
    },
    /// To [`Request::Rotate`].
    Rotated {
        /// The process.
        pid: u32,
        /// Values that were forgotten.
        forgotten: usize,
        /// Components that now have the new value: `task/charge`.
        swapped: Vec<String>,
        /// Components that go on with the old one, and why.
        failed: Vec<String>,
    },
    /// To [`Request::Reload`].
    Reloaded {
        /// The process.
        pid: u32,
        /// How its reloads stand now.
        reloads: Box<Reloads>,
    },
    /// It was not done.
    Refused {
        /// What kind of trouble.
        kind: Kind,
        /// What went wrong.
        message: String,
        /// The way out.
        help: Option<String>,
    },
}

/// How the components of one process stand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// The process.
    pub pid: u32,
    /// When it opened the state folder.
    pub started_at: Timestamp,
    /// By domain and key.
    pub components: Vec<ComponentStatus>,
    /// Its swaps in one line.
    pub swap: Summary,
}

/// What is in flight in one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessActivity {
    /// The process.
    pub pid: u32,
    /// When it opened the state folder.
    pub started_at: Timestamp,
    /// By domain and key; only what has something in flight.
    pub in_flight: Vec<InFlight>,
}

/// How the handlers of events stand in one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessEvents {
    /// The process.
    pub pid: u32,
    /// When it opened the state folder.
    pub started_at: Timestamp,
    /// The highest priority first.
    pub handlers: Vec<HandlerStatus>,
}

/// What is wanted of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceAction {
    /// That it runs, with what it needs.
    Start,
    /// That it does not, nor what needs it.
    Stop,
    /// Both, one after the other.
    Restart,
}

/// How the services of one process stand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessServices {
    /// The process.
    pub pid: u32,
    /// When it opened the state folder.
    pub started_at: Timestamp,
    /// Whether it is the one that keeps them up.
    pub kept: bool,
    /// Why not.
    pub reason: Option<String>,
    /// In the order of their start.
    pub services: Vec<service::Status>,
}

/// How healthy the components of one process are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessHealth {
    /// The process.
    pub pid: u32,
    /// When it opened the state folder.
    pub started_at: Timestamp,
    /// By domain and key; only what was asked for at least once.
    pub lifecycle: Vec<Probed>,
    /// Its swaps in one line.
    pub lifecycle_summary: Summary,
    /// How many rows of the store are stuck, by kind; `None` where it could not be read, or by a process of
    /// an earlier release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness: Option<BTreeMap<liveness::Kind, u64>>,
    /// How its reloads stand; `None` of a process of an earlier release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reloads: Option<Reloads>,
    /// [`crate::health::Snapshot`] as JSON; `None` by a process of an earlier release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Value>,
    /// [`crate::health::Report`] as JSON; `None` by a process of an earlier release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Value>,
}

/// A component's status and its own answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probed {
    /// The status.
    #[serde(flatten)]
    pub status: Status,
    /// Whether it said that it is healthy; `None` where it was not asked or has no instance.
    pub probe_result: Option<bool>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub probe_error: Option<String>,
}

/// A swap that was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SwapDone {
    /// The process.
    pub pid: u32,
    /// The domain.
    pub domain: Domain,
    /// The key.
    pub key: Key,
    /// Whose instance serves now.
    pub provider: Provider,
    /// Whose instance served before.
    pub previous: Option<Provider>,
    /// From the beginning to the binding, in milliseconds.
    pub took_ms: f64,
    /// Whether the old instance is stopped already, or waits for its last user.
    pub old_stopped: bool,
}

impl From<Error> for Answer {
    fn from(error: Error) -> Self {
        Answer::from(&error)
    }
}

impl From<&Error> for Answer {
    fn from(error: &Error) -> Self {
        Answer::Refused { kind: error.kind(), message: error.to_string(), help: error.help() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_line_of_json() {
        let request = Request::Swap {
            domain: Domain::TASK,
            key: "charge".parse().unwrap(),
            provider: None,
            force: true,
        };
        let line = serde_json::to_string(&request).unwrap();
        assert_eq!(line, r#"{"verb":"swap","domain":"task","key":"charge","provider":null,"force":true}"#);
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
        assert!(serde_json::from_str::<Request>(r#"{"verb":"dance"}"#).is_err());
    }
}
