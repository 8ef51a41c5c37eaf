//! Components from outside: resolved in a role, explained, swapped, asked how they are.

use std::sync::Arc;

use oneiric_core::lifecycle::{Handle, Probe, Status, Swap, Swapped};
use oneiric_core::resolver::{Explanation, Query};
use oneiric_core::{Domain, Key, Role};

use crate::error::Error;
use crate::oneiric::Oneiric;

impl Oneiric {
    /// The component that a key means in the domain of the role: `resolve::<dyn Task>("charge")`.
    ///
    /// Brings it up where nothing serves yet. The handle follows hot swaps and lasts as long as this
    /// orchestrator.
    ///
    /// # Errors
    /// [`Error`] of resolving, building and starting it.
    pub async fn resolve<R: ?Sized + Role>(&self, key: &str) -> Result<Handle<R>, Error>
    where
        Arc<R>: Send + Sync,
    {
        self.get(R::DOMAIN, key).await
    }

    /// The component of any domain: `get::<dyn Renderer>("fastblocks", "templates")`.
    ///
    /// # Errors
    /// As [`Oneiric::resolve`]; [`Error::Setting`] where the names are none.
    pub async fn get<R: ?Sized + Role>(
        &self,
        domain: impl TryInto<Domain, Error: std::fmt::Display>,
        key: &str,
    ) -> Result<Handle<R>, Error>
    where
        Arc<R>: Send + Sync,
    {
        let domain = domain.try_into().map_err(|error| not_a_name("domain", &error))?;
        let key = key.parse::<Key>().map_err(|error| not_a_name("key", &error))?;
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

    /// Replaces what serves a key, under its users.
    ///
    /// # Errors
    /// [`Error`]; then the old instance goes on serving.
    pub async fn swap(&self, domain: &Domain, key: &Key, swap: Swap<'_>) -> Result<Swapped, Error> {
        Ok(self.lifecycle().swap(domain, key, swap).await?)
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

fn not_a_name(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Setting { what: what.to_owned(), reason: error.to_string() }
}
