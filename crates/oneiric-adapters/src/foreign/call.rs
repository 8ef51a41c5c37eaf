//! One call to something foreign, whichever role it is played in.

#[cfg(feature = "process")]
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::roles::TaskContext;
#[cfg(feature = "process")]
use oneiric_core::roles::{Progress, Stream};
use oneiric_core::{Fault, Payload};

/// In which role a component is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Task,
    Event,
    Action,
}

impl Role {
    /// Every role that something foreign can play.
    pub(crate) const ALL: [Role; 3] = [Role::Task, Role::Event, Role::Action];

    /// Its name on every wire: `task`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Role::Task => "task",
            Role::Event => "event",
            Role::Action => "action",
        }
    }
}

/// A call: what is asked, and what is known about who asks.
#[derive(Debug, Clone)]
pub(crate) struct Call<'a> {
    /// The component, for log lines that no run owns.
    #[cfg_attr(not(feature = "process"), expect(dead_code, reason = "only processes write lines"))]
    pub(crate) component: &'a str,
    /// The role.
    pub(crate) role: Role,
    /// The input; an event comes as its envelope.
    pub(crate) input: Payload,
    /// The run behind the call; only a task has one.
    pub(crate) cx: Option<&'a TaskContext<'a>>,
}

impl Call<'_> {
    /// Hands on one line that the other side wrote; one that tells progress is no line of a log.
    #[cfg(feature = "process")]
    pub(crate) fn line(&self, stream: Stream, line: &str) {
        if let Some(progress) = told(stream, line) {
            if let Some(cx) = self.cx {
                cx.pulse.tell(progress);
            }
            return;
        }
        match self.cx {
            Some(cx) => cx.log.line(cx, stream, line),
            None => tracing::info!(component = self.component, role = self.role.name(), "{line}"),
        }
    }

    /// Whether the call was cancelled; a call without a run is cancelled by being dropped only.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cx.is_some_and(|cx| cx.cancel.is_cancelled())
    }

    /// Completes when the call is cancelled.
    pub(crate) async fn cancelled(&self) {
        match self.cx {
            Some(cx) => cx.cancel.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// How long a cancelled call may take to stop.
    #[cfg(feature = "process")]
    pub(crate) fn grace(&self) -> Duration {
        self.cx.map_or(Duration::ZERO, |cx| cx.grace)
    }

    /// What a call is that was stopped because it was cancelled.
    pub(crate) fn cancelled_fault(&self, name: &str) -> Fault {
        Fault::transient("cancelled", format!("`{name}` was cancelled"))
    }
}

/// What a line tells of how far a call is: one on standard error that begins with `::progress`.
#[cfg(feature = "process")]
pub(crate) fn told(stream: Stream, line: &str) -> Option<Progress> {
    match stream {
        Stream::Stdout => None,
        Stream::Stderr => Progress::of_line(line),
    }
}

/// Carries calls over to the other side.
#[async_trait]
pub(crate) trait Caller: Send + Sync + 'static {
    /// Calls once. Dropping the future stops the work on the other side as far as that is possible.
    async fn call(&self, call: Call<'_>) -> Result<Payload, Fault>;

    /// Whether the other side can be called.
    async fn health(&self) -> Result<(), Fault>;

    /// Ends what is left when nobody calls any more.
    async fn stop(&self) -> Result<(), Fault>;
}
