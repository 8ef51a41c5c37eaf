//! What is asked for when a workflow is run.

use std::fmt;
use std::time::Duration;

use oneiric_core::id::IdError;
use oneiric_core::roles::EventId;
use oneiric_core::{Key, Payload, Provider, RunId};
use oneiric_store::RunRecord;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What causes a run that the embedding program asks for.
pub const PROGRAM: &str = "program";

/// A wish to run a workflow. Only the workflow is necessary.
///
/// ```
/// use oneiric_runtime::RunRequest;
///
/// #[derive(serde::Serialize)]
/// struct Order { item: &'static str }
///
/// let request = RunRequest::of("order", &Order { item: "tea" })?;
/// assert_eq!(request.input.value()["item"], "tea");
/// # Ok::<(), oneiric_runtime::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// Which workflow.
    pub workflow: Key,
    /// The run's context: what nodes see as `inputs`, and what a node without a payload is given.
    pub input: Payload,
    /// The id of the run; made where there is none. A second run of one id is refused.
    pub id: Option<RunId>,
    /// Who asks, for the record.
    pub actor: Option<String>,
    /// What causes it, for the record: [`PROGRAM`] unless said.
    pub trigger: String,
    /// What it belongs to, such as the id of the request that asks for it; for the record.
    pub correlation: Option<String>,
    /// The trace that it belongs to, as W3C writes it; for the record.
    pub traceparent: Option<String>,
    /// What the manifest is overridden with.
    pub options: RunOptions,
}

impl RunRequest {
    /// A request with nothing but the necessary; fill in the public fields as needed.
    pub fn new(workflow: Key) -> Self {
        Self {
            workflow,
            input: Payload::NULL,
            id: None,
            actor: None,
            trigger: PROGRAM.to_owned(),
            correlation: None,
            traceparent: None,
            options: RunOptions::default(),
        }
    }

    /// A request with an input of a type of your own; `&()` for none.
    ///
    /// # Errors
    /// [`Error::Name`] where the key is none, [`Error::Shape`] for an input that JSON cannot hold.
    pub fn of<T: Serialize + ?Sized>(
        workflow: impl TryInto<Key, Error: Into<IdError>>,
        input: &T,
    ) -> Result<Self, Error> {
        let workflow = workflow.try_into().map_err(Into::into)?;
        let input = Payload::of(input)
            .map_err(|source| Error::Shape { what: format!("the input of `{workflow}`"), source })?;
        Ok(Self { input, ..Self::new(workflow) })
    }
}

/// What a run overrides in its manifest; stored with the run, so that a resume does the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOptions {
    /// The provider of the workflow; the best-ranked where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// The most nodes at a time, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<u32>,
    /// The longest time of the whole run, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The event that started it; not an override, and nothing follows from it. A run that repeats another one
    /// was started by the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<StartedBy>,
}

/// The event that started a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedBy {
    /// Its id; of several the last one's.
    pub event: EventId,
    /// Whose trigger did: `key:provider`.
    pub handler: String,
    /// How many events there were.
    pub events: u64,
}

impl StartedBy {
    /// What a stored run says of it; `None` where no event did.
    pub fn of(record: &RunRecord) -> Option<Self> {
        RunOptions::deserialize(&record.options).ok()?.started_by
    }
}

impl fmt::Display for StartedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "started by event {} through handler {}", self.event, self.handler)?;
        match self.events.saturating_sub(1) {
            0 => Ok(()),
            1 => f.write_str(", with one before it"),
            more => write!(f, ", with {more} before it"),
        }
    }
}

impl RunOptions {
    /// The longest time of the whole run.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout_ms.map(Duration::from_millis)
    }
}
