//! Pausing and draining components, over all processes on a store.
//!
//! What operators say is a row of the store, so that it outlives every process. A live process reads the
//! rows again when its bell rings, before it answers; so whoever has heard an answer knows that the process
//! accepts nothing more. That is what a drain waits for: every live process has seen the mark, and has
//! nothing in flight.

mod drain;
mod flight;
mod operator;

use std::sync::{Arc, Weak};
use std::time::Duration;

use oneiric_core::id::IdError;
use oneiric_core::{Domain, Key};
use oneiric_store::{ActivityRecord, StoreError};

pub use drain::{DrainReport, Drained};
pub use flight::{Flight, ProcessFlight};
pub use operator::Operator;
// What the functions of this module take and give.
pub use oneiric_supervisor::{Change, InFlight, Marks, Wish, activity::MAX_NOTE};

use crate::error::Error;
use crate::oneiric::{Inner, Oneiric};
use operator::Here;

/// How often a process reads what operators said although no bell rang: one that could not be told finds
/// out by itself.
const UNTOLD: Duration = Duration::from_secs(60);

/// What operators said of a component, and what of it is in flight here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentActivity {
    /// What was said; the default where nothing was.
    pub record: ActivityRecord,
    /// Runs, tries and calls under way in this process.
    pub in_flight: u64,
}

impl Oneiric {
    /// Takes no new work for a component: no run, no try of a node, no call. What is in flight goes on, and
    /// nodes that need the component are held until [`Oneiric::resume_component`]. Lasts, in every process on the
    /// store, until then. When this returns it is durable, and this process has seen it; the others have as
    /// far as they answer.
    ///
    /// Without a note, the one that is there stays.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::Setting`] for a note that is too long, [`Error::Store`].
    pub async fn pause_component(
        &self,
        domain: impl TryInto<Domain, Error: Into<IdError>>,
        key: impl TryInto<Key, Error: Into<IdError>>,
        note: Option<&str>,
    ) -> Result<ActivityRecord, Error> {
        self.say(domain, key, Wish::Pause, note).await
    }

    /// Takes work for a component again, whether it was paused or draining. Held nodes go on.
    ///
    /// # Errors
    /// As [`Oneiric::pause_component`].
    pub async fn resume_component(
        &self,
        domain: impl TryInto<Domain, Error: Into<IdError>>,
        key: impl TryInto<Key, Error: Into<IdError>>,
    ) -> Result<ActivityRecord, Error> {
        self.say(domain, key, Wish::Accept, None).await
    }

    /// Takes no new work for a component, and waits until nothing of it is in flight in any live process on
    /// the store, at most `deadline`. It goes on refusing work after that, until [`Oneiric::resume_component`].
    ///
    /// Where the future is dropped, the component drains on and nobody waits.
    ///
    /// # Errors
    /// As [`Oneiric::pause_component`]. That the deadline passed is in the report.
    pub async fn drain_component(
        &self,
        domain: impl TryInto<Domain, Error: Into<IdError>>,
        key: impl TryInto<Key, Error: Into<IdError>>,
        note: Option<&str>,
        deadline: Duration,
    ) -> Result<DrainReport, Error> {
        let (domain, key) = (domain.try_into().map_err(Into::into)?, key.try_into().map_err(Into::into)?);
        let change = Change { wish: Wish::Drain, note: note.map(str::to_owned) };
        let operator = self.operator();
        operator.change(&domain, &key, &change).await?;
        operator.drained(&domain, &key, deadline, |_| {}).await
    }

    /// Who changes and watches what components take, for callers that want more than [`Oneiric::pause_component`] and
    /// [`Oneiric::drain_component`] do.
    pub fn operator(&self) -> Operator {
        let parts = self.executor().parts();
        let operator = Operator::new(Arc::clone(&parts.store), Arc::clone(&parts.clock));
        operator.here(Here { boot: parts.lease.boot(), oneiric: self.clone() })
    }

    /// What operators said of one component, as this process knows it.
    pub fn marks(&self, domain: &Domain, key: &Key) -> Marks {
        self.activities().marks(domain, key)
    }

    /// What operators said of components, and what is in flight here, by domain and key. Of a component
    /// that is not in it, nothing was said and nothing is in flight.
    pub fn activity(&self) -> Vec<ComponentActivity> {
        let activity = self.activities();
        let now = self.executor().parts().clock.now();
        let mut found: Vec<_> = activity
            .records()
            .iter()
            .map(|record| ComponentActivity { record: record.clone(), in_flight: 0 })
            .collect();
        for InFlight { domain, key, count } in activity.all_in_flight() {
            let known = found.iter_mut().find(|one| one.record.domain == domain && one.record.key == key);
            match known {
                Some(one) => one.in_flight = count,
                None => {
                    let record = ActivityRecord::accepting(domain, key, now);
                    found.push(ComponentActivity { record, in_flight: count });
                }
            }
        }
        found.sort_by(|a, b| (&a.record.domain, &a.record.key).cmp(&(&b.record.domain, &b.record.key)));
        found
    }

    async fn say(
        &self,
        domain: impl TryInto<Domain, Error: Into<IdError>>,
        key: impl TryInto<Key, Error: Into<IdError>>,
        wish: Wish,
        note: Option<&str>,
    ) -> Result<ActivityRecord, Error> {
        let (domain, key) = (domain.try_into().map_err(Into::into)?, key.try_into().map_err(Into::into)?);
        self.operator().change(&domain, &key, &Change { wish, note: note.map(str::to_owned) }).await
    }

    /// Reads what operators said. When this returns, nothing more is accepted that they had closed before
    /// it was called.
    pub(crate) async fn reread_activity(&self) -> Result<(), StoreError> {
        // One at a time: an older reading must not come after a newer one.
        let _turn = self.0.rereading.lock().await;
        let records = self.store().activities().await?;
        let before = self.activities().records();
        let is_news = *before != *records;
        let turned = self.activities().set(records);
        if is_news {
            self.health_changed();
        }
        if turned {
            self.executor().reconsider();
            self.0.services.supervisor().reconsider();
            self.0.courier.reconsider();
            // Runs may wait to begin.
            self.ring_here();
        }
        Ok(())
    }
}

/// Reads what operators said every now and then, whether or not somebody rang. Runs until it is dropped.
pub(crate) async fn reread_untold(inner: Weak<Inner>, clock: Arc<dyn oneiric_core::Clock>) {
    loop {
        clock.sleep(UNTOLD).await;
        let Some(inner) = inner.upgrade() else { return };
        if let Err(error) = Oneiric(inner).reread_activity().await {
            // What was known goes on to count.
            tracing::error!(%error, "cannot read what operators said of components");
        }
    }
}
