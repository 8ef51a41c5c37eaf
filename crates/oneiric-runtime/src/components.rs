//! Components from outside: resolved in a role, explained, swapped, asked how they are.

use std::sync::Arc;

use oneiric_core::id::IdError;
use oneiric_core::lifecycle::{Handle, Probe, Status, Swap, Swapped};
use oneiric_core::resolver::{Explanation, Query};
use oneiric_core::{Domain, Key, Provider, Role};

use crate::error::Error;
use crate::oneiric::Oneiric;

impl Oneiric {
    /// The component that a key means in the domain of the role: `resolve::<dyn Task>("charge")`.
    ///
    /// Brings it up where nothing serves yet. The handle follows hot swaps and lasts as long as this
    /// orchestrator.
    ///
    /// # Errors
    /// [`Error`] of resolving, building and starting it; [`Error::Name`] where the key is none.
    pub async fn resolve<R: ?Sized + Role>(
        &self,
        key: impl TryInto<Key, Error: Into<IdError>>,
    ) -> Result<Handle<R>, Error>
    where
        Arc<R>: Send + Sync,
    {
        self.get(R::DOMAIN, key).await
    }

    /// The component of any domain: `get::<dyn Renderer>("fastblocks", "templates")`.
    ///
    /// # Errors
    /// As [`Oneiric::resolve`].
    pub async fn get<R: ?Sized + Role>(
        &self,
        domain: impl TryInto<Domain, Error: Into<IdError>>,
        key: impl TryInto<Key, Error: Into<IdError>>,
    ) -> Result<Handle<R>, Error>
    where
        Arc<R>: Send + Sync,
    {
        let (domain, key) = (domain.try_into().map_err(Into::into)?, key.try_into().map_err(Into::into)?);
        Ok(self.lifecycle().handle(&domain, &key, &Query::default()).await?)
    }

    /// The component that answers a more exact question: of one provider, or with capabilities. Such
    /// a handle does not follow swaps of the key to other providers.
    ///
    /// # Errors
    /// As [`Oneiric::resolve`].
    pub async fn get_by<R: ?Sized + Role>(
        &self,
        domain: &Domain,
        key: &Key,
        query: &Query<'_>,
    ) -> Result<Handle<R>, Error>
    where
        Arc<R>: Send + Sync,
    {
        Ok(self.lifecycle().handle(domain, key, query).await?)
    }

    /// Every candidate of a key in the order of the question, with the reasons.
    pub fn explain(&self, domain: &Domain, key: &Key, query: &Query<'_>) -> Explanation {
        self.lifecycle().registry().explain(domain, key, query)
    }

    /// Replaces what serves a key by another provider's component, under its users, as [`Oneiric::swap`] does:
    /// `swap_to("task", "charge", "careful")`. The provider is selected from then on.
    ///
    /// # Errors
    /// [`Error`]; then the old instance goes on serving.
    pub async fn swap_to(
        &self,
        domain: impl TryInto<Domain, Error: Into<IdError>>,
        key: impl TryInto<Key, Error: Into<IdError>>,
        provider: impl TryInto<Provider, Error: Into<IdError>>,
    ) -> Result<Swapped, Error> {
        let (domain, key) = (domain.try_into().map_err(Into::into)?, key.try_into().map_err(Into::into)?);
        let provider = provider.try_into().map_err(Into::into)?;
        self.swap(&domain, &key, Swap { provider: Some(&provider), force: false }).await
    }

    /// Replaces what serves a key, under its users; without a provider, by what the resolver says.
    ///
    /// While the component drains, this waits until nothing of it is in flight here, at most a minute. Of a
    /// paused one it is refused, unless it is forced.
    ///
    /// A service that runs is stopped first, with those that need it, and starts again on what serves then.
    ///
    /// Of domain `event`, the newcomer's topics, filters and priority count when this returns.
    ///
    /// # Errors
    /// As [`Oneiric::swap_to`]; [`Error::Denied`]. [`Error::Subscription`] where a candidate that was registered
    /// in code asks for events in a way that makes no sense: it serves, and events go the way they went before.
    pub async fn swap(&self, domain: &Domain, key: &Key, swap: Swap<'_>) -> Result<Swapped, Error> {
        self.admit_swap(domain, key, &swap).await?;
        if *domain == Domain::SERVICE {
            return self.swap_service(key, swap).await;
        }
        let swapped = self.lifecycle().swap(domain, key, swap).await?;
        if *domain == Domain::EVENT {
            // Which events are wanted, and under which name they are handled, is said by what serves now.
            self.declare()?;
            self.0.courier.reconsider();
        }
        Ok(swapped)
    }

    /// How the components stand that were asked for so far, by domain and key.
    pub fn statuses(&self) -> Vec<Status> {
        self.lifecycle().statuses()
    }

    /// Asks components in service whether they are healthy.
    pub async fn probe(&self, domain: Option<&Domain>, key: Option<&Key>) -> Vec<Probe> {
        self.lifecycle().probe(domain, key).await
    }
}
