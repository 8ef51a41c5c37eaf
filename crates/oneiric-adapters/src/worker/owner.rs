//! The task that owns one process of a pool: has it started, hears it, ends it.

use std::sync::Arc;
use std::time::Duration;

use oneiric_core::roles::Stream;
use oneiric_core::{Fault, Payload};
use tokio::sync::oneshot;

use super::calls::Taken;
use super::child::{Child, Moved};
use super::faults::{Why, bad_output, judge, too_large};
use super::message::{self, Message, Ready};
use super::pending::Pending;
use super::pool::Shared;
use super::start::{exit_of, start};

/// Lines longer than this are parsed on a blocking thread: a megabyte of JSON takes some milliseconds.
const INLINE_PARSE_BYTES: usize = 256 * 1024;

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
        pool.calls.leaving(seat.number);
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
        if orders.is_deaf {
            exit_of(pool, child, log).await;
            return take_rest(pool, seat.number, child, &mut heart).await;
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
                Moved::Exited(_) => return take_rest(pool, seat.number, child, &mut heart).await,
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

/// Hears what a process said before it exited: that counts.
async fn take_rest(pool: &Shared, seat: u64, child: &mut Child, heart: &mut Heart) -> Why {
    while child.take_rest() {
        if let Err(why) = hear(pool, seat, child, heart).await {
            return why;
        }
    }
    Why::Ended
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

    /// One period has passed. Returns `false` where a question was not answered in it, or cannot be asked.
    fn beats(&mut self, is_idle: bool, ask: impl FnOnce() -> bool) -> bool {
        if self.heard || !is_idle {
            (self.heard, self.asked) = (false, false);
            return true;
        }
        if !self.asked {
            self.asked = true;
            return ask();
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
            Ok(Message::Progress { id, progress }) => calls.progress(seat, id, progress),
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
