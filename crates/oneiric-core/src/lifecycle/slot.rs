//! What serves one key, and the lock under which that changes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;

use crate::{Descriptor, Domain, Fault, Instance, Key, Provider};

use super::error::LifecycleError;
use super::live::{Live, Users};
use super::status::Status;

/// Which instance is meant.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pin {
    /// What the key means to everybody: follows selections, swaps and the ranking.
    Follow,
    /// The best candidate of one provider.
    Provider(Provider),
    /// Exactly this candidate, known to the resolver or not.
    Exact(Arc<Descriptor>),
}

impl Pin {
    pub(super) fn provider(&self) -> Option<&Provider> {
        match self {
            Pin::Follow => None,
            Pin::Provider(provider) => Some(provider),
            Pin::Exact(descriptor) => Some(&descriptor.provider),
        }
    }
}

/// What identifies a slot.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SlotId {
    pub(super) domain: Domain,
    pub(super) key: Key,
    pub(super) pin: Pin,
}

/// What serves one key.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: SlotId,
    /// Read without a lock by whoever uses the component.
    pub(super) live: ArcSwapOption<Live>,
    /// Held by the one change that is under way.
    pub(super) turn: tokio::sync::Mutex<Turn>,
    // When its instance was bound, among all of the lifecycle; 0 is never.
    bound: AtomicU64,
    book: Mutex<Book>,
}

/// What one change leaves to the next.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Learns when the users of `live` have left.
    pub(super) users: Option<Users>,
    /// Why the last first activation failed: whoever waited for it gets the same answer.
    pub(super) failed: Option<LifecycleError>,
}

/// What is told about the slot, and what is asked of every newcomer.
#[derive(Debug)]
struct Book {
    status: Status,
    /// Finished attempts to bring an instance up.
    attempts: u64,
    /// The roles that handles were given out for.
    roles: Vec<Needed>,
}

/// A role that must not go away in a swap.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needed {
    pub(super) name: &'static str,
    pub(super) plays: fn(&Instance) -> bool,
}

impl Slot {
    pub(super) fn new(id: SlotId) -> Self {
        let status = Status::new(id.domain.clone(), id.key.clone(), id.pin.provider().cloned());
        Self {
            id,
            live: ArcSwapOption::empty(),
            turn: tokio::sync::Mutex::default(),
            bound: AtomicU64::new(0),
            book: Mutex::new(Book { status, attempts: 0, roles: Vec::new() }),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn bound(&self, sequence: u64) {
        self.bound.store(sequence, Ordering::Relaxed);
    }

    /// Its place in the order of binding.
    pub(super) fn order(&self) -> u64 {
        self.bound.load(Ordering::Relaxed)
    }

    pub(super) fn status(&self) -> Status {
        self.book().status.clone()
    }

    pub(super) fn record(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.book().status);
    }

    pub(super) fn attempts(&self) -> u64 {
        self.book().attempts
    }

    pub(super) fn count_attempt(&self) {
        self.book().attempts += 1;
    }

    /// Asks this role of every later newcomer.
    pub(super) fn need(&self, role: Needed) {
        let mut book = self.book();
        if book.roles.iter().all(|known| known.name != role.name) {
            book.roles.push(role);
        }
    }

    /// The first role that is needed and that an instance does not play.
    pub(super) fn lacks(&self, instance: &Instance) -> Option<&'static str> {
        self.book().roles.iter().find(|role| !(role.plays)(instance)).map(|role| role.name)
    }

    /// The fault of a handle whose instance is no more.
    pub(super) fn gone(&self) -> Fault {
        let SlotId { domain, key, .. } = &self.id;
        Fault::shutdown(format!("{domain} `{key}` has been stopped"))
    }
}
