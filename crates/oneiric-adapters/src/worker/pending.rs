//! A call that waits for its answer, seen from the pool.

use std::time::Duration;

use oneiric_core::roles::{Progress, Pulse, Stream};
use oneiric_core::{Fault, Payload};
use tokio::sync::mpsc::UnboundedSender;

use crate::Limits;
use crate::foreign::told;

/// What a caller is told. The channel is unbounded; what goes through it is not: the lines of a call
/// have a budget, and there is one answer.
#[derive(Debug)]
pub(super) enum Event {
    Line(Stream, String),
    Answer(Result<Payload, Fault>),
}

/// A call that has not been answered.
#[derive(Debug)]
pub(super) struct Pending {
    to: UnboundedSender<Event>,
    /// The idempotency key, of a task.
    pub(super) key: Option<String>,
    /// Whether it went back into the line once, because the process that it was for was gone.
    pub(super) returned: bool,
    /// When its process is killed, on the monotonic clock; set once the call should stop.
    pub(super) give_up_at: Option<Duration>,
    /// By which a task says how far it is.
    pulse: Option<Pulse>,
    limits: Limits,
    budgets: [Budget; 2],
}

/// What one stream of a call has logged.
#[derive(Debug, Default)]
struct Budget {
    bytes: usize,
    dropped: u64,
}

impl Pending {
    pub(super) fn new(
        to: UnboundedSender<Event>,
        key: Option<String>,
        pulse: Option<Pulse>,
        limits: Limits,
    ) -> Self {
        Self { to, key, returned: false, give_up_at: None, pulse, limits, budgets: Default::default() }
    }

    /// The call is alive, and this far.
    pub(super) fn progress(&self, progress: Progress) {
        if let Some(pulse) = &self.pulse {
            pulse.tell(progress);
        }
    }

    /// Whether nobody waits for the answer any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.to.is_closed()
    }

    /// Hands on one line, as far as the limits allow.
    pub(super) fn line(&mut self, stream: Stream, line: &str) {
        // Here and not with the caller: it costs the channel nothing, however often it is said.
        if let Some(progress) = told(stream, line) {
            return self.progress(progress);
        }
        let budget = &mut self.budgets[index(stream)];
        if budget.dropped > 0 || budget.bytes.saturating_add(line.len()) > self.limits.log_bytes {
            budget.dropped += 1;
            return;
        }
        budget.bytes += line.len() + 1;
        let line = if line.len() > self.limits.line_bytes {
            format!("{} [cut]", &line[..line.floor_char_boundary(self.limits.line_bytes)])
        } else {
            line.to_owned()
        };
        let _ = self.to.send(Event::Line(stream, line));
    }

    /// Gives the answer, after a note about lines that were dropped.
    pub(super) fn answer(self, answer: Result<Payload, Fault>) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let dropped = self.budgets[index(stream)].dropped;
            if dropped > 0 {
                let bytes = self.limits.log_bytes;
                let note = format!("[{dropped} further lines dropped: a call may log {bytes} bytes]");
                let _ = self.to.send(Event::Line(stream, note));
            }
        }
        let _ = self.to.send(Event::Answer(answer));
    }
}

const fn index(stream: Stream) -> usize {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
    }
}
