//! What serves one key, and the locks under which that changes.

use std::any::TypeId;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwapOption;

use crate::resolver::{Candidate, Query, Registry, ResolveError};
use crate::{Descriptor, Domain, Fault, Instance, Key, Provider, Role};

use super::error::LifecycleError;
use super::parts::SettingsSource;
use super::status::Status;
use super::unit::{Live, Unit};

/// Which instance is meant.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pin {
    /// What the key means to everybody: follows selections, swaps and the ranking.
    Follow,
    /// The best candidate of one provider that offers these capabilities.
    Provider {
        provider: Provider,
        /// Those of the question that the provider's candidate offers, in the question's order.
        capabilities: Vec<String>,
    },
    /// Exactly this candidate, known to the resolver or not.
    Exact(Arc<Descriptor>),
}

impl Pin {
    /// What a question means that was answered by `candidate`.
    pub(super) fn of(query: &Query<'_>, candidate: &Candidate) -> Self {
        let offered = query.wanted().filter(|name| candidate.offers(name)).map(str::to_owned);
        Pin::Provider { provider: candidate.provider().clone(), capabilities: offered.collect() }
    }

    pub(super) fn provider(&self) -> Option<&Provider> {
        match self {
            Pin::Follow => None,
            Pin::Provider { provider, .. } => Some(provider),
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

impl SlotId {
    /// The candidate that is meant as of now.
    pub(super) fn candidate(&self, registry: &Registry) -> Result<Arc<Descriptor>, ResolveError> {
        let query = match &self.pin {
            Pin::Exact(descriptor) => return Ok(Arc::clone(descriptor)),
            Pin::Follow => Query::default(),
            Pin::Provider { provider, capabilities } => {
                Query { provider: Some(provider), ..Query::with_all(capabilities) }
            }
        };
        Ok(Arc::clone(registry.resolve(&self.domain, &self.key, &query)?.descriptor()))
    }

    /// Whether the resolver still knows what is meant.
    pub(super) fn is_known(&self, registry: &Registry) -> bool {
        match &self.pin {
            Pin::Exact(exact) => registry
                .candidates(&self.domain, &self.key)
                .iter()
                .any(|candidate| candidate.descriptor() == exact),
            Pin::Follow | Pin::Provider { .. } => self.candidate(registry).is_ok(),
        }
    }
}

/// How many roles of a slot are found without its lock. Components play two or three.
const NOTED: usize = 4;

/// What serves one key.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: SlotId,
    /// Read without a lock by whoever uses the component; written under the lock of `book` only.
    pub(super) live: ArcSwapOption<Live>,
    /// Held by the one change that is under way.
    pub(super) turn: tokio::sync::Mutex<Turn>,
    // Its place in the order of first bindings, among all of the lifecycle; 0 is never. A swap keeps
    // it: those who lean on the component came up after its first instance, and go before its last.
    order: AtomicU64,
    // Whether `live` is something, and the first of `book`'s roles: what a look-up reads, at the price
    // of plain loads.
    is_up: AtomicBool,
    noted: [OnceLock<TypeId>; NOTED],
    book: Mutex<Book>,
}

/// What one change leaves to the next.
#[derive(Debug, Default)]
pub(super) struct Turn {
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
    /// What served before, while hooks may still object to what serves now.
    replaced: Option<Arc<Live>>,
    /// Nothing is bound any more.
    closed: bool,
}

/// A role that must not go away in a swap.
#[derive(Debug, Clone, Copy)]
struct Needed {
    id: TypeId,
    name: &'static str,
}

/// Why a newcomer was not bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unbound {
    /// Handles were given out for this role, and it does not play it.
    Lacks(&'static str),
    /// The slot is closed.
    Closed,
}

impl Slot {
    pub(super) fn new(id: SlotId) -> Self {
        let status = Status::new(id.domain.clone(), id.key.clone(), id.pin.provider().cloned());
        let book = Book { status, attempts: 0, roles: Vec::new(), replaced: None, closed: false };
        Self {
            id,
            live: ArcSwapOption::empty(),
            turn: tokio::sync::Mutex::default(),
            order: AtomicU64::new(0),
            is_up: AtomicBool::new(false),
            noted: Default::default(),
            book: Mutex::new(book),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Whether something serves that is known to play a role: it was asked for before, and no newcomer
    /// is bound without it.
    #[inline]
    pub(super) fn plays<R: ?Sized + Role>(&self) -> bool {
        let id = TypeId::of::<R>();
        self.is_up.load(Ordering::Acquire) && self.noted.iter().any(|noted| noted.get() == Some(&id))
    }

    /// Asks a role of every later newcomer, where what serves now plays it. `None` where nothing
    /// serves; the instance where it does not play the role.
    pub(super) fn need<R: ?Sized + Role>(&self) -> Option<Result<(), Arc<Unit>>> {
        let id = TypeId::of::<R>();
        let mut book = self.book();
        let live = self.live.load();
        let live = live.as_ref()?;
        if live.instance.place(id).is_none() {
            return Some(Err(Arc::clone(&live.unit)));
        }
        if book.roles.iter().all(|known| known.id != id) {
            if let Some(noted) = self.noted.get(book.roles.len()) {
                noted.get_or_init(|| id);
            }
            book.roles.push(Needed { id, name: R::NAME });
        }
        Some(Ok(()))
    }

    /// The first role that is needed and that an instance does not play.
    pub(super) fn lacks(&self, instance: &Instance) -> Option<&'static str> {
        self.book().lacks(instance)
    }

    /// Puts a unit into service; what served so far waits until the newcomer is settled or undone.
    /// `order` makes the place in the order of binding of a slot that has none.
    pub(super) fn bind(&self, unit: &Arc<Unit>, order: impl FnOnce() -> u64) -> Result<(), Unbound> {
        let mut book = self.book();
        if book.closed {
            return Err(Unbound::Closed);
        }
        // Again, and under the lock: a handle for one more role may have been given out meanwhile.
        if let Some(role) = book.lacks(&unit.instance) {
            return Err(Unbound::Lacks(role));
        }
        if self.order.load(Ordering::Relaxed) == 0 {
            self.order.store(order(), Ordering::Relaxed);
        }
        unit.ordered(self.order.load(Ordering::Relaxed));
        let live = Live::new(Arc::clone(unit));
        book.replaced = self.put(Some(Arc::new(live)));
        Ok(())
    }

    /// The newcomer stays. Returns what it replaced.
    pub(super) fn settle(&self) -> Option<Arc<Unit>> {
        let replaced = self.book().replaced.take()?;
        Some(Arc::clone(&replaced.unit))
    }

    /// The newcomer goes, and what it replaced serves again. Returns the newcomer.
    pub(super) fn undo(&self) -> Option<Arc<Unit>> {
        let mut book = self.book();
        if book.closed {
            return None;
        }
        let newcomer = self.put(book.replaced.take())?;
        Some(Arc::clone(&newcomer.unit))
    }

    fn put(&self, live: Option<Arc<Live>>) -> Option<Arc<Live>> {
        self.is_up.store(live.is_some(), Ordering::Release);
        self.live.swap(live)
    }

    /// The units that serve or could serve again.
    pub(super) fn units(&self) -> Vec<Arc<Unit>> {
        let book = self.book();
        let live = self.live.load_full();
        live.iter().chain(&book.replaced).map(|live| Arc::clone(&live.unit)).collect()
    }

    /// Nothing is bound from now on.
    pub(super) fn close(&self) {
        self.book().closed = true;
    }

    /// Takes everything out of service. Returns what was in it.
    pub(super) fn empty(&self, stop: impl FnOnce(&mut Status)) -> Vec<Arc<Unit>> {
        let mut book = self.book();
        stop(&mut book.status);
        let live = self.put(None);
        live.into_iter().chain(book.replaced.take()).map(|live| Arc::clone(&live.unit)).collect()
    }

    /// Whether the resolver now says something else than what serves, or its settings are others. A candidate that is gone has no
    /// successor: what serves goes on serving. One that only wants other events is served by the same instance.
    pub(super) fn is_overtaken(&self, registry: &Registry, settings: &dyn SettingsSource) -> bool {
        let live = self.live.load();
        let (Some(live), Ok(best)) = (live.as_ref(), self.id.candidate(registry)) else { return false };
        !best.is_built_as(&live.unit.descriptor) || settings.edition(&best) != live.unit.edition
    }

    /// The error of whoever comes after the end.
    pub(super) fn stopped(&self) -> LifecycleError {
        LifecycleError::Stopped { domain: self.id.domain.clone(), key: self.id.key.clone() }
    }

    /// The fault of a handle that finds nothing in service.
    pub(super) fn gone(&self) -> Fault {
        let SlotId { domain, key, .. } = &self.id;
        if self.book().closed {
            return Fault::shutdown(format!("{domain} `{key}` has been stopped"));
        }
        // It served on trial, and a hook objected; whoever asks for a handle brings it up again.
        Fault::transient("component-down", format!("{domain} `{key}` is not in service"))
    }
}

impl Book {
    fn lacks(&self, instance: &Instance) -> Option<&'static str> {
        self.roles.iter().find(|role| instance.place(role.id).is_none()).map(|role| role.name)
    }
}
