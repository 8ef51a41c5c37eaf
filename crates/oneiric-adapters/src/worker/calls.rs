//! Who waits, who is being served by which process, and who comes next.
//!
//! Plain decisions under one lock; nothing here waits. A process has a seat from before it is started
//! until it has ended, and the task that owns it asks here what there is to do.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oneiric_core::roles::{Progress, Stream};
use oneiric_core::{Fault, Payload};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::WorkerSettings;
use super::message;
use super::outbox::Outbox;
use super::pending::Pending;
use super::starts::Starts;

/// All calls of one pool.
#[derive(Debug)]
pub(super) struct Calls {
    state: Mutex<State>,
    settings: WorkerSettings,
    /// For messages.
    name: String,
    /// Told when a call or a process has ended.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    is_closed: bool,
    waiting: VecDeque<(u64, Vec<u8>, Pending)>,
    seats: BTreeMap<u64, Seat>,
    seats_ever: u64,
    /// How many calls at once the last process announced.
    concurrency: usize,
    starts: Starts,
}

/// The place of one process.
#[derive(Debug)]
struct Seat {
    /// Where to write, once the process is ready.
    serving: Option<(Arc<Outbox>, usize)>,
    calls: BTreeMap<u64, Pending>,
    /// The process reads no more.
    is_deaf: bool,
    attention: Arc<Notify>,
}

impl Seat {
    fn has_room(&self) -> bool {
        self.serving.as_ref().is_some_and(|(_, concurrency)| self.calls.len() < *concurrency)
    }
}

/// A seat that was taken: the number of the process, and how its owner is told to look again.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) number: u64,
    pub(super) attention: Arc<Notify>,
}

/// Where a call is.
#[derive(Debug)]
pub(super) enum Submitted {
    /// The process of this seat has it.
    Served(u64),
    /// It stands in line; there is a seat where a further process has to be started.
    Waiting(Option<Taken>),
}

/// What an owner has to know before it waits.
#[derive(Debug)]
pub(super) struct Orders {
    /// The pool is being stopped.
    pub(super) is_closed: bool,
    /// No call is under way.
    pub(super) is_idle: bool,
    /// The process reads no more, so that it has ended or has to be.
    pub(super) is_deaf: bool,
    /// When to kill the process, because a call did not stop.
    pub(super) give_up_at: Option<Duration>,
}

impl Calls {
    pub(super) fn new(name: String, settings: WorkerSettings) -> Self {
        let state = Mutex::new(State { concurrency: 1, ..State::default() });
        Self { state, settings, name, changed: Notify::new() }
    }

    /// Takes a call; it is served at once where there is room.
    ///
    /// # Errors
    /// Transient `overloaded` where too many wait, the last failure where processes keep dying at their
    /// start, and a shutdown.
    pub(super) fn submit(
        &self,
        id: u64,
        line: Vec<u8>,
        pending: Pending,
        now: Duration,
    ) -> Result<Submitted, Fault> {
        let mut state = self.state();
        if state.is_closed {
            return Err(self.stopped());
        }
        if state.seats.is_empty()
            && let Some(fault) = state.starts.refusal(now)
        {
            return Err(fault);
        }
        let (mut line, mut pending) = (line, pending);
        while state.waiting.is_empty()
            && let Some((number, seat)) = state.seats.iter_mut().find(|(_, seat)| seat.has_room())
        {
            match seat.serve(id, line, pending) {
                None => return Ok(Submitted::Served(*number)),
                Some(back) => (line, pending) = back,
            }
        }
        state.waiting.retain(|(.., pending)| !pending.is_abandoned());
        let starting = state.seats.values().filter(|seat| seat.serving.is_none()).count();
        let expected = starting * state.concurrency;
        let starts_another =
            state.waiting.len() >= expected && state.seats.len() < self.settings.workers as usize;
        // Those whom a starting process will serve do not count as waiting.
        let most = self.settings.waiting as usize + expected;
        if !starts_another && state.waiting.len() >= most {
            let message = format!("`{}`: {} calls wait already", self.name, state.waiting.len());
            return Err(Fault::transient("overloaded", message));
        }
        state.waiting.push_back((id, line, pending));
        let starts = starts_another && state.starts.refusal(now).is_none();
        Ok(Submitted::Waiting(starts.then(|| state.take_seat())))
    }

    /// A seat for the first process.
    pub(super) fn first_seat(&self) -> Taken {
        self.state().take_seat()
    }

    /// The process of a seat is ready.
    pub(super) fn serving(&self, seat: u64, outbox: Arc<Outbox>, concurrency: usize) {
        let mut state = self.state();
        state.starts = Starts::default();
        state.concurrency = concurrency;
        if let Some(seat) = state.seats.get_mut(&seat) {
            seat.serving = Some((outbox, concurrency));
            seat.is_deaf = false;
        }
        state.dispatch(&self.name);
    }

    /// The process of a seat did not start; whoever has nobody else to wait for gets the fault.
    pub(super) fn not_started(&self, seat: u64, fault: Fault, now: Duration) {
        let mut state = self.state();
        state.seats.remove(&seat);
        state.starts.failed(fault.clone(), now);
        if state.seats.is_empty() {
            for (.., pending) in std::mem::take(&mut state.waiting) {
                pending.answer(Err(fault.clone()));
            }
        }
        self.changed.notify_waiters();
    }

    /// The process of a seat is about to be ended: it is given no further call.
    pub(super) fn leaving(&self, seat: u64) {
        if let Some(seat) = self.state().seats.get_mut(&seat) {
            seat.serving = None;
        }
    }

    /// The process of a seat has ended: whoever it served gets the fault that `why` gives. Returns
    /// whether it should be started again, because somebody waits.
    pub(super) fn ended(&self, seat: u64, why: impl Fn(&Pending) -> Fault) -> bool {
        let mut state = self.state();
        let goes_on = !state.is_closed && !state.waiting.is_empty();
        let calls = match state.seats.get_mut(&seat) {
            Some(seat) => {
                seat.serving = None;
                std::mem::take(&mut seat.calls)
            }
            None => BTreeMap::new(),
        };
        if !goes_on {
            state.seats.remove(&seat);
        }
        for pending in calls.into_values() {
            let fault = why(&pending);
            pending.answer(Err(fault));
        }
        self.changed.notify_waiters();
        goes_on
    }

    /// The owner of a seat is gone, with whatever it was doing.
    pub(super) fn gone(&self, seat: u64) {
        let mut state = self.state();
        if let Some(seat) = state.seats.remove(&seat) {
            for pending in seat.calls.into_values() {
                pending.answer(Err(self.stopped()));
            }
        }
        if state.seats.is_empty() {
            for (.., pending) in std::mem::take(&mut state.waiting) {
                pending.answer(Err(self.stopped()));
            }
        }
        self.changed.notify_waiters();
    }

    /// The answer to a call; one that nobody waits for is passed over.
    pub(super) fn answered(&self, seat: u64, id: u64, answer: Result<Payload, Fault>) {
        let mut state = self.state();
        let Some(pending) = state.seats.get_mut(&seat).and_then(|seat| seat.calls.remove(&id)) else {
            return;
        };
        pending.answer(answer);
        state.dispatch(&self.name);
        drop(state);
        self.changed.notify_waiters();
    }

    /// A line of a call, or of the only call under way where it names none. Returns whether it belonged
    /// to any.
    pub(super) fn line(&self, seat: u64, id: Option<u64>, stream: Stream, line: &str) -> bool {
        let mut state = self.state();
        let Some(seat) = state.seats.get_mut(&seat) else { return false };
        let pending = match id {
            Some(id) => seat.calls.get_mut(&id),
            None if seat.calls.len() == 1 => seat.calls.values_mut().next(),
            None => None,
        };
        pending.map(|pending| pending.line(stream, line)).is_some()
    }

    /// How far a call is, or the only call under way where it names none; of any other it is passed over.
    pub(super) fn progress(&self, seat: u64, id: Option<u64>, progress: Progress) {
        let state = self.state();
        let Some(seat) = state.seats.get(&seat) else { return };
        let pending = match id {
            Some(id) => seat.calls.get(&id),
            None if seat.calls.len() == 1 => seat.calls.values().next(),
            None => None,
        };
        if let Some(pending) = pending {
            pending.progress(progress);
        }
    }

    /// Whether exactly one call is under way.
    pub(super) fn is_alone(&self, seat: u64) -> bool {
        self.state().seats.get(&seat).is_some_and(|seat| seat.calls.len() == 1)
    }

    /// A call should stop, and its process is killed where it has not by `give_up_at`. One that still
    /// waits is answered with `fault`.
    pub(super) fn cancel(&self, id: u64, give_up_at: Duration, fault: Fault) {
        let mut state = self.state();
        if let Some(at) = state.waiting.iter().position(|(waiting, ..)| *waiting == id) {
            if let Some((.., pending)) = state.waiting.remove(at) {
                pending.answer(Err(fault));
            }
            return;
        }
        for seat in state.seats.values_mut() {
            let Some(pending) = seat.calls.get_mut(&id) else { continue };
            let earlier = pending.give_up_at.is_some_and(|before| before <= give_up_at);
            if pending.give_up_at.is_none()
                && let Some((outbox, _)) = &seat.serving
            {
                outbox.send(&message::cancel(id));
            }
            if !earlier {
                pending.give_up_at = Some(give_up_at);
            }
            seat.attention.notify_one();
        }
    }

    /// What the owner of a seat has to know.
    pub(super) fn orders(&self, seat: u64) -> Orders {
        let state = self.state();
        let calls = state.seats.get(&seat).map(|seat| &seat.calls);
        Orders {
            is_closed: state.is_closed,
            is_idle: calls.is_none_or(BTreeMap::is_empty),
            is_deaf: state.seats.get(&seat).is_some_and(|seat| seat.is_deaf),
            give_up_at: calls.and_then(|calls| calls.values().filter_map(|call| call.give_up_at).min()),
        }
    }

    /// Whether an earlier call with this key is still under way, although nobody waits for it.
    pub(super) fn is_under_way(&self, key: &str) -> bool {
        let state = self.state();
        let mut calls = state.seats.values().flat_map(|seat| seat.calls.values());
        calls.any(|call| call.is_abandoned() && call.key.as_deref() == Some(key))
    }

    /// Completes when a call or a process ends after this.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Whether a call would be served at once.
    pub(super) fn has_room(&self) -> bool {
        self.state().seats.values().any(Seat::has_room)
    }

    /// What is known of the processes without asking one.
    ///
    /// # Errors
    /// Why the last one did not start, where none is left.
    pub(super) fn health(&self) -> Result<(), Fault> {
        let state = self.state();
        match state.starts.last_fault() {
            _ if state.is_closed => Err(self.stopped()),
            Some(fault) if state.seats.is_empty() => Err(fault.clone()),
            _ => Ok(()),
        }
    }

    /// Nothing is taken any more; whoever waits is sent away, and the owners are told.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        for (.., pending) in std::mem::take(&mut state.waiting) {
            pending.answer(Err(self.stopped()));
        }
        for seat in state.seats.values() {
            seat.attention.notify_one();
        }
    }

    /// What a call is that meets the end of the component.
    pub(super) fn stopped(&self) -> Fault {
        Fault::shutdown(format!("`{}` was stopped", self.name))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_seat(&mut self) -> Taken {
        let (number, attention) = (self.seats_ever, Arc::new(Notify::new()));
        self.seats_ever += 1;
        let seat =
            Seat { serving: None, calls: BTreeMap::new(), is_deaf: false, attention: attention.clone() };
        self.seats.insert(number, seat);
        Taken { number, attention }
    }

    /// Serves those who wait, as far as there is room.
    fn dispatch(&mut self, name: &str) {
        while let Some(seat) = self.seats.values_mut().find(|seat| seat.has_room()) {
            let Some((id, line, pending)) = self.waiting.pop_front() else { return };
            if pending.is_abandoned() {
                continue;
            }
            match seat.serve(id, line, pending) {
                None => {}
                // Once is an accident; a process that is never there when it is called is a fault.
                Some((_, pending)) if pending.returned => {
                    let message = format!("`{name}` ended before it took the call");
                    pending.answer(Err(Fault::transient("worker-died", message)));
                }
                Some((line, mut pending)) => {
                    pending.returned = true;
                    self.waiting.push_front((id, line, pending));
                }
            }
        }
    }
}

impl Seat {
    /// Hands a call to the process. Gives it back where the process is gone: then nobody is served here
    /// until its owner has found out.
    fn serve(&mut self, id: u64, line: Vec<u8>, pending: Pending) -> Option<(Vec<u8>, Pending)> {
        match &self.serving {
            Some((outbox, _)) if outbox.send(&line) => {
                self.calls.insert(id, pending);
                None
            }
            _ => {
                self.serving = None;
                self.is_deaf = true;
                self.attention.notify_one();
                Some((line, pending))
            }
        }
    }
}
