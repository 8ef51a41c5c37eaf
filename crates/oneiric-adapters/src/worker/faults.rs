//! What it means for calls that a process is not used any longer.

use oneiric_core::{Class, Fault};

use super::message::Unreadable;
use super::pending::Pending;
use super::pool::Shared;
use crate::process::status::{self, End};

/// How many bytes of a line that is no message its fault shows.
const SHOWN_BYTES: usize = 200;

/// Why a process is not used any longer.
pub(super) enum Why {
    /// It exited, or closed its output.
    Ended,
    /// It broke the protocol: whoever it served gets this.
    Breach(Fault),
    /// A call did not stop when it should.
    Overdue,
    /// It does not answer while idle.
    Mute,
    /// The pool is stopped.
    Stopped,
}

/// What becomes of a call whose process is gone.
pub(super) fn judge(pool: &Shared, why: &Why, end: Option<End>, last_line: &str, call: &Pending) -> Fault {
    let name = &pool.spec.name;
    if call.give_up_at.is_some() {
        return Fault::transient("cancelled", format!("`{name}` was cancelled"));
    }
    let how = match why {
        Why::Stopped => return pool.calls.stopped(),
        Why::Breach(fault) => return fault.clone(),
        Why::Overdue => "was killed because another call did not stop".to_owned(),
        Why::Mute => "was killed because it did not answer".to_owned(),
        Why::Ended => match end {
            Some(end) => format!("{end} during the call"),
            None => "closed its standard output during the call".to_owned(),
        },
    };
    let message = format!("`{name}` {how}{}", after(last_line));
    Fault::new(pool.spec.loss, "worker-died", message)
}

pub(super) fn bad_output(name: &str, line: &[u8], unreadable: &Unreadable) -> Fault {
    let start = String::from_utf8_lossy(&line[..line.len().min(SHOWN_BYTES)]);
    let why = &unreadable.why;
    let message = format!("`{name}` wrote a line that is no message ({why}); it begins {start:?}");
    Fault::permanent("bad-output", message)
}

pub(super) fn too_large(pool: &Shared) -> Fault {
    let (name, most) = (&pool.spec.name, pool.spec.limits.stdout_bytes);
    Fault::permanent(
        "output-too-large",
        format!("`{name}` wrote a line with more than {most} bytes of result"),
    )
}

pub(super) fn lost(name: &str, error: &std::io::Error) -> Fault {
    Fault::transient("worker-start", format!("lost sight of `{name}` while it started: {error}"))
}

pub(super) fn after(last_line: &str) -> String {
    if last_line.is_empty() { String::new() } else { format!(": {last_line}") }
}

/// A process that ended before it was ready. Its exit code says whether another try can help.
pub(super) fn stillborn(name: &str, end: Option<End>, last_line: &str) -> Fault {
    let class = end.and_then(|end| status::judge(name, end, "").err()).map_or(Class::Transient, |f| f.class);
    let how = end.map_or_else(|| "closed its standard output".to_owned(), |end| end.to_string());
    Fault::new(class, "worker-start", format!("`{name}` {how} before it was ready{}", after(last_line)))
}
