//! The task that owns one process of a pool: starts it, hears it, ends it.

use std::sync::Arc;
use std::time::Duration;

use oneiric_core::roles::Stream;
use oneiric_core::{Class, Fault, Payload};
use tokio::sync::oneshot;

use super::calls::Taken;
use super::child::{Child, Moved};
use super::message::{self, Message, PROTOCOL, Ready, Unreadable};
use super::pending::Pending;
use super::pool::Shared;
use crate::process::spawning::unless_torn_down;
use crate::process::status::{self, End};

/// Lines longer than this are parsed on a blocking thread: a megabyte of JSON takes some milliseconds.
const INLINE_PARSE_BYTES: usize = 256 * 1024;

/// How many bytes of a line that is no message its fault shows.
const SHOWN_BYTES: usize = 200;

/// Why a process is not used any longer.
enum Why {
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

/// Owns the process of a seat until nobody needs it any more. Tells `opened` how the first start went.
pub(super) async fn own(
    pool: Arc<Shared>,
    seat: Taken,
    mut opened: Option<oneshot::Sender<Result<Ready, Fault>>>,
) {
    let _gone = Gone { pool: &pool, seat: seat.number };
    loop {
        let started = tokio::select! {
            biased;
            started = start(&pool) => started,
            () = closed(&pool, &seat) => Err(pool.calls.stopped()),
        };
        let (mut child, ready) = match started {
            Ok(started) => started,
            Err(fault) => {
                pool.calls.not_started(seat.number, fault.clone(), pool.spec.clock.monotonic());
                opened.take().map(|opened| opened.send(Err(fault)));
                return;
            }
        };
        tracing::debug!(worker = %pool.spec.name, name = ready.name, "worker ready");
        let concurrency = ready.concurrency.min(pool.spec.settings.concurrency) as usize;
        pool.calls.serving(seat.number, child.outbox.clone(), concurrency);
        opened.take().map(|opened| opened.send(Ok(ready)));

        let why = serve(&pool, &seat, &mut child).await;
        let log = &mut |line: &str| stray(&pool, seat.number, line);
        if let Why::Stopped = why {
            child.stop(pool.spec.settings.stop, pool.spec.clock.as_ref(), log).await;
        }
        let end = child.end(pool.spec.clock.as_ref(), log).await;
        let judged = |call: &Pending| judge(&pool, &why, end, child.last_line(), call);
        if !pool.calls.ended(seat.number, judged) {
            return;
        }
    }
}

/// Frees the seat, however its owner ends.
struct Gone<'a> {
    pool: &'a Shared,
    seat: u64,
}

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.pool.calls.gone(self.seat);
    }
}

async fn closed(pool: &Shared, seat: &Taken) {
    while !pool.calls.orders(seat.number).is_closed {
        seat.attention.notified().await;
    }
}

/// A line on standard error: of the only call under way, otherwise of nobody.
fn stray(pool: &Shared, seat: u64, line: &str) {
    if !pool.calls.line(seat, None, Stream::Stderr, line) {
        tracing::info!(worker = %pool.spec.name, "{line}");
    }
}

/// Starts a process and waits until it is ready.
async fn start(pool: &Shared) -> Result<(Child, Ready), Fault> {
    let (spec, name) = (&pool.spec, &pool.spec.name);
    let mut child = Child::start(spec)?;
    let log = &mut |line: &str| tracing::info!(worker = %name, "{line}");
    let mut over = spec.clock.sleep(spec.settings.ready);
    loop {
        while let Some(line) = child.lines.line() {
            match message::read(line) {
                Ok(Message::Ready(ready)) if ready.protocol == PROTOCOL => return Ok((child, ready)),
                Ok(Message::Ready(ready)) => {
                    let theirs = ready.protocol;
                    let message = format!("`{name}` speaks protocol {theirs}, here {PROTOCOL} is spoken");
                    return Err(Fault::permanent("worker-protocol", message));
                }
                Ok(Message::Fault { fault, .. }) => return Err(fault),
                Ok(Message::Log { line, .. }) => log(&line),
                Ok(Message::Pong | Message::Result { .. }) => {
                    let message = format!("`{name}` answered before it said that it is ready");
                    return Err(Fault::permanent("worker-protocol", message));
                }
                Err(unreadable) => return Err(bad_output(name, line, &unreadable)),
            }
        }
        if child.lines.is_too_long() {
            return Err(too_large(pool));
        }
        let moved = tokio::select! {
            biased;
            moved = child.moved(log) => Some(moved),
            () = &mut over => None,
        };
        let end = match moved {
            Some(Moved::Wrote) => continue,
            Some(Moved::Lost(error)) => return Err(unless_torn_down(&error, || lost(name, &error))),
            Some(Moved::Exited(status)) => {
                child.end(spec.clock.as_ref(), log).await;
                Some(End::from(status))
            }
            Some(Moved::Closed) => exit_of(pool, &mut child, log).await,
            None => {
                child.end(spec.clock.as_ref(), log).await;
                let within = spec.settings.ready;
                let message = format!("`{name}` was not ready within {within:?}{}", after(child.last_line()));
                return Err(Fault::transient("worker-start", message));
            }
        };
        return Err(stillborn(name, end, child.last_line()));
    }
}

/// The end of a process that closed its output: it is most likely about to exit.
async fn exit_of(pool: &Shared, child: &mut Child, log: &mut impl FnMut(&str)) -> Option<End> {
    const MOMENT: Duration = Duration::from_millis(500);
    let mut over = pool.spec.clock.sleep(MOMENT);
    let status = tokio::select! {
        biased;
        status = child.exited() => status.map(End::from),
        () = &mut over => None,
    };
    child.end(pool.spec.clock.as_ref(), log).await;
    status
}

/// A process that ended before it was ready. Its exit code says whether another try can help.
fn stillborn(name: &str, end: Option<End>, last_line: &str) -> Fault {
    let class = end.and_then(|end| status::judge(name, end, "").err()).map_or(Class::Transient, |f| f.class);
    let how = end.map_or_else(|| "closed its standard output".to_owned(), |end| end.to_string());
    Fault::new(class, "worker-start", format!("`{name}` {how} before it was ready{}", after(last_line)))
}

/// Hears the process until it is not used any longer.
async fn serve(pool: &Shared, seat: &Taken, child: &mut Child) -> Why {
    let spec = &pool.spec;
    let log = &mut |line: &str| stray(pool, seat.number, line);
    let mut heart = Heart::new(spec.settings.heartbeat);
    let mut beat = spec.clock.sleep(heart.period);
    loop {
        if let Err(why) = hear(pool, seat.number, child, &mut heart).await {
            return why;
        }
        let orders = pool.calls.orders(seat.number);
        if orders.is_closed {
            return Why::Stopped;
        }
        let left = orders.give_up_at.map(|at| at.saturating_sub(spec.clock.monotonic()));
        if left.is_some_and(|left| left.is_zero()) {
            return Why::Overdue;
        }
        let give_up = async {
            match left {
                Some(left) => spec.clock.sleep(left).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            moved = child.moved(log) => match moved {
                Moved::Wrote => {}
                Moved::Closed => {
                    exit_of(pool, child, log).await;
                    return Why::Ended;
                }
                Moved::Exited(_) => {
                    // What it said before it exited counts.
                    while child.take_rest() {
                        if let Err(why) = hear(pool, seat.number, child, &mut heart).await {
                            return why;
                        }
                    }
                    return Why::Ended;
                }
                Moved::Lost(_) => return Why::Ended,
            },
            () = seat.attention.notified() => {}
            () = give_up => {}
            () = &mut beat, if !heart.period.is_zero() => {
                beat = spec.clock.sleep(heart.period);
                if !heart.beats(orders.is_idle, || child.outbox.send(message::PING)) {
                    return Why::Mute;
                }
            }
        }
    }
}

/// Whether an idle process lives. It is asked only after a whole period without a word.
struct Heart {
    period: Duration,
    heard: bool,
    asked: bool,
}

impl Heart {
    fn new(period: Duration) -> Self {
        Self { period, heard: true, asked: false }
    }

    /// One period has passed. Returns `false` where a question was not answered in it.
    fn beats(&mut self, is_idle: bool, ask: impl FnOnce()) -> bool {
        if self.heard || !is_idle {
            (self.heard, self.asked) = (false, false);
            return true;
        }
        if !self.asked {
            self.asked = true;
            ask();
            return true;
        }
        false
    }
}

/// Acts on every whole line that was read.
async fn hear(pool: &Shared, seat: u64, child: &mut Child, heart: &mut Heart) -> Result<(), Why> {
    let (calls, name) = (&pool.calls, &pool.spec.name);
    while let Some(line) = child.lines.line() {
        heart.heard = true;
        let read = if line.len() <= INLINE_PARSE_BYTES {
            message::read(line).map_err(|unreadable| (bad_output(name, line, &unreadable), unreadable.id))
        } else {
            parse_aside(name.clone(), line.to_vec()).await
        };
        match read {
            Ok(Message::Result { id, output }) => {
                hear_errors(pool, seat, child);
                calls.answered(seat, id, Ok(Payload::from(output)));
            }
            Ok(Message::Fault { id: Some(id), fault }) => {
                hear_errors(pool, seat, child);
                calls.answered(seat, id, Err(fault));
            }
            Ok(Message::Log { id, stream, line }) => {
                child.catch_up(&mut |line: &str| stray(pool, seat, line));
                if !calls.line(seat, id, stream, &line) {
                    tracing::info!(worker = %name, "{line}");
                }
            }
            Ok(Message::Pong) => {}
            Ok(Message::Fault { id: None, fault }) => return Err(Why::Breach(fault)),
            Ok(Message::Ready(_)) => {
                let message = format!("`{name}` said twice that it is ready");
                return Err(Why::Breach(Fault::permanent("worker-protocol", message)));
            }
            Err((fault, Some(id))) => calls.answered(seat, id, Err(fault)),
            Err((fault, None)) => return Err(Why::Breach(fault)),
        }
    }
    if child.lines.is_too_long() {
        return Err(Why::Breach(too_large(pool)));
    }
    Ok(())
}

/// Takes what was written to standard error before an answer; a line without its end, too, where it can
/// only belong to the call that is answered.
fn hear_errors(pool: &Shared, seat: u64, child: &mut Child) {
    let log = &mut |line: &str| stray(pool, seat, line);
    child.catch_up(log);
    if pool.calls.is_alone(seat) {
        child.end_line(log);
    }
}

async fn parse_aside(name: String, line: Vec<u8>) -> Result<Message, (Fault, Option<u64>)> {
    let parse = move || {
        message::read(&line).map_err(|unreadable| (bad_output(&name, &line, &unreadable), unreadable.id))
    };
    tokio::task::spawn_blocking(parse)
        .await
        .unwrap_or_else(|error| Err((Fault::shutdown(format!("parsing was given up: {error}")), None)))
}

/// What becomes of a call whose process is gone.
fn judge(pool: &Shared, why: &Why, end: Option<End>, last_line: &str, call: &Pending) -> Fault {
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

fn bad_output(name: &str, line: &[u8], unreadable: &Unreadable) -> Fault {
    let start = String::from_utf8_lossy(&line[..line.len().min(SHOWN_BYTES)]);
    let why = &unreadable.why;
    let message = format!("`{name}` wrote a line that is no message ({why}); it begins {start:?}");
    Fault::permanent("bad-output", message)
}

fn too_large(pool: &Shared) -> Fault {
    let (name, most) = (&pool.spec.name, pool.spec.limits.stdout_bytes);
    Fault::permanent(
        "output-too-large",
        format!("`{name}` wrote a line with more than {most} bytes of result"),
    )
}

fn lost(name: &str, error: &std::io::Error) -> Fault {
    Fault::transient("worker-start", format!("lost sight of `{name}` while it started: {error}"))
}

fn after(last_line: &str) -> String {
    if last_line.is_empty() { String::new() } else { format!(": {last_line}") }
}
