//! The chain of stores, with a cache in front of it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::status::{Status, StatusEntry};
use super::{Secret, SecretId, SecretRef};
use crate::roles::SecretStore;
use crate::{Clock, Fault, Provider};

/// How long "nobody has it" is believed, at most. Long enough that a loop over a missing secret does not
/// become a loop over remote calls, short enough that somebody who sets it does not wonder.
pub const MISS_TTL: Duration = Duration::from_secs(5);

/// The most answers that are kept. Ids come from settings and manifests; thousands of them are a
/// mistake, and the oldest can be asked for again.
pub const MAX_CACHED: usize = 4096;

/// The name under which inline values are reported.
pub const INLINE: &str = "inline";

/// Secrets by their ids. A clone is the same chain and cache.
///
/// A store that fails ends the question: the next one might hold an older value, and nobody would notice.
/// Values given inline are asked last.
#[derive(Clone)]
pub struct Secrets(Arc<Inner>);

struct Inner {
    stores: Vec<(Provider, Arc<dyn SecretStore>)>,
    inline: BTreeMap<String, Secret>,
    ttl: Duration,
    refresh: Option<Duration>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    answers: HashMap<SecretRef, Kept>,
    flights: HashMap<SecretRef, Arc<OnceCell<Answer>>>,
    /// Raised by every rotation: what was asked for before it is not kept.
    turn: u64,
    prefetched: bool,
}

/// What the chain said: who has it, or that nobody does.
type Answer = Result<Option<(Provider, Secret)>, Fault>;

struct Kept {
    answer: Option<(Provider, Secret)>,
    until: Duration,
}

/// Puts a chain together; see [`Secrets::builder`].
pub struct SecretsBuilder(Inner);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("stores", &self.stores().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SecretsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsBuilder").finish_non_exhaustive()
    }
}

impl SecretsBuilder {
    /// Adds a store behind those that are there.
    #[must_use]
    pub fn store(mut self, name: Provider, store: Arc<dyn SecretStore>) -> Self {
        self.0.stores.push((name, store));
        self
    }

    /// Values in plain text, asked last.
    #[must_use]
    pub fn inline(mut self, values: BTreeMap<String, Secret>) -> Self {
        self.0.inline = values;
        self
    }

    /// How long a value is used before the stores are asked again; zero asks every time.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.0.ttl = ttl;
        self
    }

    /// How often whoever owns the chain rotates it; only reported here.
    #[must_use]
    pub fn refresh(mut self, interval: Option<Duration>) -> Self {
        self.0.refresh = interval;
        self
    }

    /// The chain.
    pub fn build(self) -> Secrets {
        Secrets(Arc::new(self.0))
    }
}

impl Secrets {
    /// Begins an empty chain that keeps nothing; expiry is measured on the clock's monotonic time.
    pub fn builder(clock: Arc<dyn Clock>) -> SecretsBuilder {
        SecretsBuilder(Inner {
            stores: Vec::new(),
            inline: BTreeMap::new(),
            ttl: Duration::ZERO,
            refresh: None,
            clock,
            state: Mutex::default(),
        })
    }

    /// The stores in the order in which they are asked, the inline values included.
    pub fn stores(&self) -> impl Iterator<Item = &str> {
        let inline = (!self.0.inline.is_empty()).then_some(INLINE);
        self.0.stores.iter().map(|(name, _)| name.as_str()).chain(inline)
    }

    /// The value of a secret. Calls for the same one at the same time ask the stores once.
    ///
    /// Dropping the future loses nothing: another caller that waits for the same answer goes on with it.
    ///
    /// # Errors
    /// `secret-not-found` (permanent) names the stores that were asked and how to set it;
    /// `unknown-secret-store` (permanent) where the reference names a store that is not in the chain;
    /// else what a store said.
    pub async fn get(&self, wanted: &SecretRef) -> Result<Secret, Fault> {
        match self.find(wanted).await? {
            Some((_, secret)) => Ok(secret),
            None => Err(self.not_found(wanted)),
        }
    }

    /// Which store has a secret; `None` where none does.
    ///
    /// # Errors
    /// As [`Secrets::get`].
    pub async fn holder(&self, wanted: &SecretRef) -> Result<Option<Provider>, Fault> {
        Ok(self.find(wanted).await?.map(|(holder, _)| holder))
    }

    async fn find(&self, wanted: &SecretRef) -> Answer {
        let (flight, turn) = {
            let mut state = self.state();
            let now = self.0.clock.monotonic();
            if let Some(kept) = state.answers.get(wanted).filter(|kept| now < kept.until) {
                return Ok(kept.answer.clone());
            }
            (Arc::clone(state.flights.entry(wanted.clone()).or_default()), state.turn)
        };
        let answer = flight.get_or_init(|| self.ask(wanted)).await.clone();
        let mut state = self.state();
        // The first one back puts the answer away; others of the same flight find it done.
        if state.flights.get(wanted).is_some_and(|current| Arc::ptr_eq(current, &flight)) {
            state.flights.remove(wanted);
            if let (Ok(answer), true) = (&answer, state.turn == turn) {
                self.keep(&mut state, wanted, answer.clone());
            }
        }
        answer
    }

    async fn ask(&self, wanted: &SecretRef) -> Answer {
        let Inner { stores, inline, .. } = self.0.as_ref();
        let asked = |name: &str| wanted.provider.as_ref().is_none_or(|only| only.as_str() == name);
        let inline_asked = asked(INLINE);
        if !inline_asked && !stores.iter().any(|(name, _)| asked(name.as_str())) {
            let only = wanted.provider.as_ref().map_or("", |only| only.as_str());
            let known = self.stores().collect::<Vec<_>>().join(", ");
            let message =
                format!("secret `{}` is to come from `{only}`, known stores are {known}", wanted.id);
            return Err(Fault::permanent("unknown-secret-store", message));
        }
        for (name, store) in stores.iter().filter(|(name, _)| asked(name.as_str())) {
            if let Some(secret) = store.get(&wanted.id).await? {
                return Ok(Some((name.clone(), secret)));
            }
        }
        let own = inline.get(wanted.id.as_str()).filter(|_| inline_asked);
        let name = || Provider::new(INLINE).expect("letters are a name");
        Ok(own.map(|secret| (name(), secret.clone())))
    }

    fn keep(&self, state: &mut State, wanted: &SecretRef, answer: Option<(Provider, Secret)>) {
        let ttl = if answer.is_some() { self.0.ttl } else { self.0.ttl.min(MISS_TTL) };
        if ttl.is_zero() {
            return;
        }
        if state.answers.len() >= MAX_CACHED {
            let oldest = state.answers.iter().min_by_key(|(_, kept)| kept.until).map(|(id, _)| id.clone());
            if let Some(oldest) = oldest {
                state.answers.remove(&oldest);
            }
        }
        let until = self.0.clock.monotonic().saturating_add(ttl);
        state.answers.insert(wanted.clone(), Kept { answer, until });
    }

    fn not_found(&self, wanted: &SecretRef) -> Fault {
        let asked = |name: &str| wanted.provider.as_ref().is_none_or(|only| only.as_str() == name);
        let names: Vec<&str> = self.stores().filter(|name| asked(name)).collect();
        let stores = self.0.stores.iter().filter(|(name, _)| asked(name.as_str()));
        let ways: Vec<String> = stores.filter_map(|(_, store)| store.how_to_set(&wanted.id)).collect();
        let names = if names.is_empty() { "no store".to_owned() } else { names.join(", ") };
        let ways = if ways.is_empty() { String::new() } else { format!("; {}", ways.join(", or ")) };
        Fault::permanent(
            "secret-not-found",
            format!("secret `{}` was not found, asked: {names}{ways}", wanted.id),
        )
    }

    /// Forgets the cached answers of these secrets, or all, and tells the stores to do the same. The next
    /// question asks them anew. How many values were forgotten; misses do not count.
    ///
    /// # Errors
    /// The first fault of a store, after all of them were told.
    pub async fn rotate(&self, ids: Option<&[SecretId]>) -> Result<usize, Fault> {
        let forgotten = {
            let mut state = self.state();
            state.turn += 1;
            // Who waits for an answer gets it; who asks from now on begins anew.
            state.flights.clear();
            let mut forgotten = 0;
            state.answers.retain(|wanted, kept| {
                let goes = ids.is_none_or(|ids| ids.contains(&wanted.id));
                forgotten += usize::from(goes && kept.answer.is_some());
                !goes
            });
            forgotten
        };
        let mut first = None;
        let wanted: Vec<Option<&SecretId>> = ids.map_or(vec![None], |ids| ids.iter().map(Some).collect());
        for (_, store) in &self.0.stores {
            for id in &wanted {
                first = first.or(store.invalidate(*id).await.err());
            }
        }
        first.map_or(Ok(forgotten), Err)
    }

    /// Asks for secrets before they are needed. What could not be had, with the reason; afterwards the
    /// chain counts as ready where all could.
    pub async fn prefetch(&self, wanted: impl IntoIterator<Item = SecretRef>) -> Vec<(SecretRef, Fault)> {
        let mut missing = Vec::new();
        for wanted in wanted {
            if let Err(fault) = self.get(&wanted).await {
                missing.push((wanted, fault));
            }
        }
        self.state().prefetched = missing.is_empty();
        missing
    }

    /// What is known of the chain, without a value.
    pub fn status(&self) -> Status {
        let state = self.state();
        let now = self.0.clock.monotonic();
        let mut entries: Vec<StatusEntry> = state
            .answers
            .iter()
            .filter(|(_, kept)| now < kept.until)
            .map(|(wanted, kept)| StatusEntry {
                id: wanted.id.to_string(),
                from: kept.answer.as_ref().map(|(name, _)| name.to_string()),
            })
            .collect();
        entries.sort_unstable();
        entries.dedup();
        Status {
            provider: self.stores().collect::<Vec<_>>().join(","),
            cache_ttl_seconds: self.0.ttl.as_secs_f64(),
            refresh_interval: self.0.refresh.map(|interval| interval.as_secs_f64()),
            inline_entries: self.0.inline.len(),
            prefetched: state.prefetched,
            status: if state.prefetched { "ready" } else { "pending" },
            entries,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves no half of a change here.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
