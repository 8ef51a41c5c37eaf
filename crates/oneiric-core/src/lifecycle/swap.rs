//! One instance after another under the same key, and what is no longer meant.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;

use crate::metrics::{Family, Kind, OTHER, Series, Timing};
use crate::resolver::{Query, ResolveError};
use crate::{Descriptor, Domain, Key, Provider};

use super::Inner;
use super::error::LifecycleError;
use super::inventory::Then;
use super::slot::{Pin, Slot};

/// How many keys a refresh swaps at once: enough that one that is slow to start holds up few others,
/// few enough that a manifest with thousands of changes does not start them all in one moment.
const REFRESHED_AT_ONCE: usize = 16;

/// What to swap to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Swap<'a> {
    /// This provider's best candidate, selected from now on; without it, what the resolver says.
    pub provider: Option<&'a Provider>,
    /// Bind a newcomer that is not healthy, too.
    pub force: bool,
}

/// A swap that was done.
#[derive(Debug, Clone, PartialEq)]
pub struct Swapped {
    /// Whose instance serves now.
    pub provider: Provider,
    /// Whose instance served before.
    pub previous: Option<Provider>,
    /// From the beginning to the binding.
    pub took: Duration,
    /// Whether the old instance is stopped. Where not, somebody still uses it, and it is stopped
    /// after that.
    pub old_stopped: bool,
}

/// What a refresh came to, by domain and key.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Refreshed {
    /// Whose instances were to be replaced: how it went.
    pub swapped: Vec<(Domain, Key, Result<Swapped, LifecycleError>)>,
    /// Whose instances are still to be replaced: they were left alone as they were asked to be.
    pub held: Vec<(Domain, Key)>,
}

/// How long changes took, by domain, key, provider and outcome.
#[derive(Debug)]
pub(super) struct Swaps(Series<(String, String, String, &'static str), Timing>);

impl Default for Swaps {
    fn default() -> Self {
        Self(Series::new((OTHER.to_owned(), OTHER.to_owned(), OTHER.to_owned(), OTHER)))
    }
}

impl Swaps {
    pub(super) fn count(&self, newcomer: &Descriptor, outcome: &'static str, took: Duration) {
        let Descriptor { domain, key, provider, .. } = newcomer;
        self.0.at(&(domain.to_string(), key.to_string(), provider.to_string(), outcome)).add(took);
    }

    /// Under upstream's name.
    pub(super) fn family(&self) -> Family {
        let name = "oneiric_lifecycle_swap_duration_ms";
        let mut family = Family::new(name, Kind::Histogram, "How long changes of components took.");
        for ((domain, key, provider, outcome), timing) in self.0.all() {
            let labels =
                [("domain", &*domain), ("key", &*key), ("provider", &*provider), ("outcome", outcome)];
            family.put(labels, timing.read().in_millis());
        }
        family
    }
}

impl Inner {
    pub(super) async fn swap(
        &self,
        domain: &Domain,
        key: &Key,
        swap: Swap<'_>,
    ) -> Result<Swapped, LifecycleError> {
        let query = Query { provider: swap.provider, ..Query::default() };
        self.registry.load().resolve(domain, key, &query)?;
        let slot = self.shelves.slot(domain, key, &Pin::Follow);
        self.swap_slot(&slot, swap).await
    }

    async fn swap_slot(&self, slot: &Arc<Slot>, swap: Swap<'_>) -> Result<Swapped, LifecycleError> {
        let (changed, previous, provider) = {
            let mut turn = self.turn(slot).await?;
            let candidate = self.successor(slot, swap.provider)?;
            let previous = slot.live.load_full().map(|live| live.unit.descriptor.provider.clone());
            turn.failed = None;
            let changed = self.change(slot, &candidate, swap.force).await;
            if changed.result.is_ok()
                && let Some(provider) = swap.provider
            {
                self.register(|registry| registry.select(&slot.id.domain, &slot.id.key, provider.clone()));
            }
            (changed, previous, candidate.provider.clone())
        };
        let old_stopped = match &changed.goes {
            Some(goes) => self.put_down(goes, self.patience(), Then::Leave).await,
            None => true,
        };
        self.sweep(&slot.id).await;
        Ok(Swapped { provider, previous, took: changed.result?, old_stopped })
    }

    fn successor(&self, slot: &Slot, provider: Option<&Provider>) -> Result<Arc<Descriptor>, ResolveError> {
        let registry = self.registry.load();
        match provider {
            None => slot.id.candidate(&registry),
            Some(provider) => {
                let query = Query::of_provider(provider);
                Ok(Arc::clone(registry.resolve(&slot.id.domain, &slot.id.key, &query)?.descriptor()))
            }
        }
    }

    pub(super) async fn refresh(&self, may: impl Fn(&Domain, &Key) -> bool) -> Refreshed {
        let registry = self.registry.load_full();
        let unknown = self.shelves.unheld(|slot| !slot.id.is_known(&registry));
        let overtaken = |slot: &Arc<Slot>| slot.is_overtaken(&registry, &*self.settings);
        let (changed, held): (Vec<_>, Vec<_>) = self
            .shelves
            .all()
            .into_iter()
            .filter(overtaken)
            .partition(|slot| may(&slot.id.domain, &slot.id.key));
        let swaps = changed.into_iter().map(async |slot| {
            let swapped = self.swap_slot(&slot, Swap::default()).await;
            (slot.id.domain.clone(), slot.id.key.clone(), swapped)
        });
        let gone: Vec<_> = unknown.iter().flat_map(|slot| self.empty(slot)).collect();
        let gone = futures_util::future::join_all(
            gone.iter().map(|unit| self.put_down(unit, self.patience(), Then::Leave)),
        );
        let swaps = stream::iter(swaps).buffered(REFRESHED_AT_ONCE).collect::<Vec<_>>();
        let swapped = futures_util::future::join(swaps, gone).await.0;
        let mut held: Vec<_> =
            held.iter().map(|slot| (slot.id.domain.clone(), slot.id.key.clone())).collect();
        // A key may have slots for explicit providers beside its own.
        held.dedup();
        Refreshed { swapped, held }
    }
}
