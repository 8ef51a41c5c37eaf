//! What can go wrong between a manifest and a run, and what kind of trouble it is.

use std::sync::Arc;
use std::time::Duration;

use oneiric_core::gate::{Denial, Step, Wait};
use oneiric_core::id::IdError;
use oneiric_core::lifecycle::{LifecycleError, Phase};
use oneiric_core::manifest::ParseError;
use oneiric_core::payload::ShapeError;
use oneiric_core::resolver::ResolveError;
use oneiric_core::roles::EnvelopeError;
use oneiric_core::settings::SettingsError;
use oneiric_core::{Fault, Key, RunId};
use oneiric_dag::{Incomplete, OutputError, RunError};
use oneiric_events::SubscriptionError;
use oneiric_store::{CommitError, RunStatus, StoreError};
use serde::{Deserialize, Serialize};

/// The kind of trouble, from which exit codes and HTTP statuses follow. The most specific wins where
/// several apply; they are sorted from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Work failed, or the gate refused it.
    Execution,
    /// A file, a flag or a database is not as it must be.
    Configuration,
    /// Something named is not known.
    Resolution,
    /// Something is not allowed.
    Security,
}

/// What can go wrong between a manifest and a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A manifest cannot be read at all.
    #[error("cannot read the manifest {path}: {reason}")]
    Read {
        /// As it was named.
        path: String,
        /// Why.
        reason: String,
        /// The way out.
        help: String,
    },
    /// A manifest was read and is wrong.
    #[error("{problems}")]
    Manifest {
        /// What is wrong, with places.
        problems: ParseError,
        /// The text, for showing the places.
        text: Arc<[u8]>,
    },
    /// A component is not known.
    #[error(transparent)]
    Unknown(#[from] ResolveError),
    /// A workflow has no graph in its manifest entry.
    #[error("workflow `{0}` has no `dag`")]
    NoGraph(Key),
    /// Tasks that nodes name are not known.
    #[error("{problems}")]
    UnknownTask {
        /// One for each of these nodes, with its place.
        problems: ParseError,
        /// The text of the manifest, for showing the places.
        text: Arc<[u8]>,
    },
    /// Workflows that triggers name are not known.
    #[error("{problems}")]
    UnknownWorkflow {
        /// One for each of these triggers, with the place of its entry.
        problems: ParseError,
        /// The text of the manifest, for showing the places.
        text: Arc<[u8]>,
    },
    /// No runtime builds a component's factory.
    #[error("{domain} `{key}`: nothing here builds the factory `{factory}`")]
    NoRuntime {
        /// The component's domain.
        domain: String,
        /// Its key.
        key: Key,
        /// Its factory.
        factory: String,
        /// What is built here.
        help: String,
    },
    /// A component's factory is not allowed.
    #[error("{domain} `{key}`: {reason}")]
    NotAllowed {
        /// The component's domain.
        domain: String,
        /// Its key.
        key: Key,
        /// Why, and the way out.
        reason: String,
    },
    /// A component cannot be built as its entry says.
    #[error("{domain} `{key}`: {fault}")]
    Component {
        /// The component's domain.
        domain: String,
        /// Its key.
        key: Key,
        /// Why.
        fault: Fault,
    },
    /// A component does not play the role that it is needed for.
    #[error("{domain} `{key}` does not play the role `{role}`; it plays {plays}")]
    MissingRole {
        /// The component's domain.
        domain: String,
        /// Its key.
        key: Key,
        /// The role.
        role: &'static str,
        /// Those it does play.
        plays: String,
    },
    /// A component did not come up, or its lifecycle is over.
    #[error(transparent)]
    Lifecycle(LifecycleError),
    /// A text that was given for a name is none.
    #[error(transparent)]
    Name(#[from] IdError),
    /// A value is not what a type says: the input of a run.
    #[error("{what}: {source}")]
    Shape {
        /// Which value.
        what: String,
        /// What is wrong with it.
        source: ShapeError,
    },
    /// An event is not as it must be.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// What a component says about its events cannot be.
    #[error("event handler `{key}`: {error}")]
    Subscription {
        /// Its key.
        key: Key,
        /// What is wrong.
        error: Box<SubscriptionError>,
    },
    /// A call of a component failed.
    #[error("{domain} `{key}`: {fault}")]
    Call {
        /// The component's domain.
        domain: String,
        /// Its key.
        key: Key,
        /// What it said.
        fault: Fault,
    },
    /// A store of secrets could not do what it was asked.
    #[error("secrets: {0}")]
    Secrets(Fault),
    /// The value of a setting or an argument is not possible.
    #[error("{what}: {reason}")]
    Setting {
        /// Which.
        what: String,
        /// Why.
        reason: String,
    },
    /// The settings are not as they must be.
    #[error(transparent)]
    Settings(SettingsError),
    /// Manifests and settings are not read again.
    #[error("{reason}")]
    NoReload {
        /// Why not.
        reason: String,
        /// The way out.
        help: String,
    },
    /// There is no such run.
    #[error("run {0} is unknown")]
    UnknownRun(String),
    /// There is no such event in the log.
    #[error("event {0} is unknown")]
    UnknownEvent(String),
    /// No subscription of this process has that name or key.
    #[error("event handler `{handler}` is unknown{}", near.as_ref().map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default())]
    UnknownHandler {
        /// What was asked for.
        handler: String,
        /// What it may have been meant to be.
        near: Option<String>,
    },
    /// A live process works on the run.
    #[error("run {run} is being worked on by process {pid}")]
    Busy {
        /// The run.
        run: RunId,
        /// That process.
        pid: String,
    },
    /// The process that has a run has not done in time what was asked of it. It will, or whoever has the
    /// run next.
    #[error("process {pid}, which has run {run}, did not {verb} it within {waited:?}")]
    Unanswered {
        /// The run.
        run: RunId,
        /// That process.
        pid: String,
        /// What was asked.
        verb: &'static str,
        /// How long it was waited for.
        waited: Duration,
    },
    /// What was asked of a run does not apply to it as it stands.
    #[error("run {run} {why}")]
    Stale {
        /// The run.
        run: RunId,
        /// What stands in the way.
        why: String,
    },
    /// The idempotency key, or the id, of a request belongs to a run that something else was asked of.
    #[error("run {0} was made by another request with the same key or id")]
    Reused(
        /// That run.
        RunId,
    ),
    /// A run is still under way.
    #[error("run {run} is {status}: it can be repeated once it has ended or is paused")]
    UnderWay {
        /// The run.
        run: RunId,
        /// Where it stands.
        status: RunStatus,
    },
    /// The run has ended.
    #[error("run {run} is {status}")]
    Over {
        /// The run.
        run: RunId,
        /// How.
        status: RunStatus,
    },
    /// The manifests of a run are not in the store as they were.
    #[error("run {run}: {reason}")]
    Bundle {
        /// The run.
        run: RunId,
        /// Why.
        reason: String,
    },
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The gate said no.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The engine could not.
    #[error(transparent)]
    Engine(RunError),
    /// A run did not complete.
    #[error(transparent)]
    Incomplete(#[from] Incomplete),
    /// An output of a run is not there, or not what a type says.
    #[error(transparent)]
    Output(#[from] OutputError),
}

fn first_file(problems: &ParseError) -> Option<&str> {
    problems.problems.first().map(|problem| &*problem.place.file)
}

impl From<RunError> for Error {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Denied(denial) => Error::Denied(denial),
            RunError::Commit(CommitError::Store(error)) => Error::Store(error),
            other => Error::Engine(other),
        }
    }
}

impl From<LifecycleError> for Error {
    fn from(error: LifecycleError) -> Self {
        match error {
            LifecycleError::Unknown(error) => Error::Unknown(error),
            LifecycleError::NotAllowed { domain, key, reason } => {
                Error::NotAllowed { domain: domain.to_string(), key, reason }
            }
            LifecycleError::NoRuntime { domain, key, factory, runtimes } => {
                let names: Vec<_> = runtimes.iter().map(|name| format!("`{name}:`")).collect();
                let help = format!("factories that are built here: {}", names.join(", "));
                Error::NoRuntime { domain: domain.to_string(), key, factory, help }
            }
            LifecycleError::MissingRole { domain, key, role, plays, .. } => {
                let plays: Vec<_> = plays.iter().map(|role| format!("`{role}`")).collect();
                let plays = if plays.is_empty() { "none".to_owned() } else { plays.join(", ") };
                Error::MissingRole { domain: domain.to_string(), key, role, plays }
            }
            LifecycleError::Failed { domain, key, phase: Phase::Build, fault, .. } => {
                Error::Component { domain: domain.to_string(), key, fault: *fault }
            }
            other @ (LifecycleError::Failed { .. } | LifecycleError::Stopped { .. }) => {
                Error::Lifecycle(other)
            }
        }
    }
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        RunError::Commit(error).into()
    }
}

impl Error {
    /// What kind of trouble this is.
    pub fn kind(&self) -> Kind {
        match self {
            // By convention a runtime names what it does not know with a code of this form.
            Error::Component { fault, .. } if fault.code.starts_with("unknown-") => Kind::Resolution,
            Error::Read { .. }
            | Error::Manifest { .. }
            | Error::NoGraph(_)
            | Error::Component { .. }
            | Error::Name(_)
            | Error::Shape { .. }
            | Error::Envelope(_)
            | Error::Subscription { .. }
            | Error::Setting { .. }
            | Error::Settings(_)
            | Error::Bundle { .. } => Kind::Configuration,
            Error::Unknown(_)
            | Error::UnknownTask { .. }
            | Error::UnknownWorkflow { .. }
            | Error::NoRuntime { .. }
            | Error::MissingRole { .. }
            | Error::UnknownRun(_)
            | Error::UnknownEvent(_)
            | Error::UnknownHandler { .. } => Kind::Resolution,
            Error::NotAllowed { .. } => Kind::Security,
            Error::Lifecycle(LifecycleError::Failed { phase: Phase::Settings, .. }) => Kind::Configuration,
            Error::Lifecycle(_) | Error::Secrets(_) => Kind::Execution,
            Error::Busy { .. }
            | Error::Unanswered { .. }
            | Error::Stale { .. }
            | Error::UnderWay { .. }
            | Error::Over { .. }
            | Error::Reused(_)
            | Error::Denied(_)
            | Error::NoReload { .. }
            | Error::Call { .. } => Kind::Execution,
            Error::Store(error) => match error {
                StoreError::Open { .. }
                | StoreError::Corrupt { .. }
                | StoreError::Empty { .. }
                | StoreError::Newer { .. }
                | StoreError::Shared { .. }
                | StoreError::Unsupported(_) => Kind::Configuration,
                _ => Kind::Execution,
            },
            Error::Engine(RunError::Restore { .. }) => Kind::Configuration,
            Error::Engine(_) | Error::Incomplete(_) => Kind::Execution,
            Error::Output(OutputError::Unknown { .. }) => Kind::Resolution,
            Error::Output(_) => Kind::Execution,
        }
    }

    /// The file that is wrong, where it is one.
    pub(crate) fn file(&self) -> Option<&str> {
        match self {
            Error::Read { path, .. } => Some(path),
            Error::Manifest { problems, .. }
            | Error::UnknownTask { problems, .. }
            | Error::UnknownWorkflow { problems, .. } => first_file(problems),
            Error::Settings(error) => error.sources.first().and_then(|source| first_file(&source.problems)),
            _ => None,
        }
    }

    /// What has to happen before the same may be asked again, where asking again can help: somebody closed what
    /// is asked for, or this process is going down.
    pub fn wait(&self) -> Option<Wait> {
        match self {
            Error::Denied(Denial { wait, .. }) => Some(*wait).filter(|wait| *wait != Wait::Never),
            Error::Engine(RunError::Denied(Denial { wait, .. })) => {
                Some(*wait).filter(|wait| *wait != Wait::Never)
            }
            Error::Engine(RunError::ShuttingDown) => Some(Wait::Change),
            _ => None,
        }
    }

    /// The way out, where there is one to name beside the message.
    pub fn help(&self) -> Option<String> {
        match self {
            Error::Read { help, .. } | Error::NoRuntime { help, .. } | Error::NoReload { help, .. } => {
                Some(help.clone())
            }
            Error::NoGraph(_) => Some("give its manifest entry a `dag` with `nodes`".to_owned()),
            Error::UnknownRun(_) => Some("`oneiric run list` shows the runs of this state folder".to_owned()),
            Error::UnknownEvent(_) => {
                Some("`oneiric event list` shows the events of this state folder".to_owned())
            }
            Error::UnknownHandler { .. } => Some(
                "`oneiric list --domain event` shows the handlers; name their manifest with `--manifest PATH`".to_owned(),
            ),
            Error::Denied(Denial { step: Step::Activity, .. }) => Some(
                "`oneiric activity` shows why; `oneiric resume KEY --domain DOMAIN` takes work again"
                    .to_owned(),
            ),
            Error::Unanswered { run, .. } => Some(format!(
                "it is not forgotten: it will be done by whoever has the run; `oneiric run explain {run}` tells"
            )),
            Error::Reused(_) => Some("ask with a key or an id of its own".to_owned()),
            Error::UnderWay { run, .. } => {
                Some(format!("wait for it, or end it with `oneiric run cancel {run}`"))
            }
            Error::Busy { pid, .. } => Some(format!("wait for it, or stop it with `kill -INT {pid}`")),
            Error::Bundle { .. } | Error::Engine(RunError::Restore { .. }) => {
                Some("`oneiric store check` examines the whole store".to_owned())
            }
            _ => None,
        }
    }
}
