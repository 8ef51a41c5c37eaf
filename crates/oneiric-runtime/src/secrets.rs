//! Secrets of a live orchestrator: handed to components when they are built, and rotated under them.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use oneiric_core::lifecycle::{Lifecycle, SettingsSource, Swap};
use oneiric_core::secret::{MASK, SecretId, SecretRef, Secrets, references, resolve_settings};
use oneiric_core::settings::Settings;
use oneiric_core::{Clock, Descriptor, Domain, Fault, Key};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::oneiric::Oneiric;

/// `<domain>s.provider_settings.<provider>` of the settings, with secrets from the chain.
#[derive(Debug)]
pub(crate) struct FromSettings {
    settings: ArcSwap<Settings>,
    pub(crate) secrets: Secrets,
}

impl FromSettings {
    pub(crate) fn new(settings: Settings, secrets: Secrets) -> Self {
        Self { settings: ArcSwap::from_pointee(settings), secrets }
    }

    /// The settings that count now.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Other ones count from now on.
    pub(crate) fn replace(&self, settings: Arc<Settings>) {
        self.settings.store(settings);
    }

    fn of(&self, descriptor: &Descriptor) -> Map<String, Value> {
        self.settings.load().provider_settings(&descriptor.domain, &descriptor.provider)
    }
}

#[async_trait]
impl SettingsSource for FromSettings {
    async fn settings(&self, descriptor: &Descriptor) -> Result<Map<String, Value>, Fault> {
        resolve_settings(&self.of(descriptor), &self.secrets).await
    }

    fn masked(&self, descriptor: &Descriptor) -> Map<String, Value> {
        self.of(descriptor).into_iter().map(|(name, value)| (name, masked(value))).collect()
    }

    fn edition(&self, descriptor: &Descriptor) -> u64 {
        let mut hasher = DefaultHasher::new();
        Value::Object(self.of(descriptor)).to_string().hash(&mut hasher);
        hasher.finish()
    }
}

/// Depth is bounded by the reader of settings.
fn masked(value: Value) -> Value {
    if SecretRef::of(&value).is_some() {
        return Value::from(MASK);
    }
    match value {
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(name, inner)| (name, masked(inner))).collect())
        }
        Value::Array(items) => items.into_iter().map(masked).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

/// What a rotation did.
#[derive(Debug)]
pub struct Rotated {
    /// Values that were forgotten.
    pub forgotten: usize,
    /// Components that were built with one of them, swapped for one that has the new value. One that
    /// failed goes on with the old value.
    pub swapped: Vec<(Domain, Key, Result<(), Error>)>,
}

impl Oneiric {
    /// The chain of secret stores.
    pub fn secrets(&self) -> &Secrets {
        &self.secrecy().secrets
    }

    /// Forgets these secrets, or all, and swaps the components in service whose settings refer to them.
    /// What was asked for of an explicit provider keeps its value until it is built anew.
    ///
    /// # Errors
    /// [`Error::Secrets`] where a store may still give out an old value; nothing is swapped then.
    pub async fn rotate(&self, ids: Option<&[SecretId]>) -> Result<Rotated, Error> {
        let secrecy = self.secrecy();
        let forgotten = secrecy.secrets.rotate(ids).await.map_err(Error::Secrets)?;
        let mut swapped = Vec::new();
        let settings = secrecy.settings();
        for status in self.statuses() {
            let Some(provider) = status.current_provider.filter(|_| status.pinned.is_none()) else {
                continue;
            };
            let wanted = Value::Object(settings.provider_settings(&status.domain, &provider));
            let concerned = references("", &wanted)
                .iter()
                .any(|(_, wanted)| ids.is_none_or(|ids| ids.contains(&wanted.id)));
            if concerned {
                let swap = Swap { provider: None, force: false };
                // The same component with a newer value is no change that a pause could be meant against.
                let done = self.lifecycle().swap(&status.domain, &status.key, swap).await;
                let done = done.map(|_| ()).map_err(Error::from);
                swapped.push((status.domain, status.key, done));
            }
        }
        Ok(Rotated { forgotten, swapped })
    }
}

/// Fetches what the settings refer to, so that the first call need not wait for it. What is missing is
/// told when a component needs it.
pub(crate) async fn prefetch(settings: &Settings, secrets: &Secrets) {
    let whole = serde_json::to_value(settings).unwrap_or(Value::Null);
    let wanted: BTreeSet<_> = references("", &whole).into_iter().map(|(_, wanted)| wanted).collect();
    for (missing, fault) in secrets.prefetch(wanted).await {
        tracing::warn!(secret = %missing.id, %fault, "a secret that settings refer to cannot be had");
    }
}

/// What goes on beside the runs for as long as an orchestrator lives: old instances are put down, and
/// secrets are fetched anew where `secrets.refresh_interval` says so. That alone swaps nothing: most values
/// are the same as before, and a component is not restarted for them. Never returns.
pub(crate) async fn housekeeping(lifecycle: Lifecycle, secrecy: Arc<FromSettings>, clock: Arc<dyn Clock>) {
    let refreshing = async {
        prefetch(&secrecy.settings(), &secrecy.secrets).await;
        let Some(every) = secrecy.settings().secrets.refresh_interval else {
            return std::future::pending().await;
        };
        loop {
            clock.sleep(every.duration().max(Duration::from_secs(1))).await;
            if let Err(fault) = secrecy.secrets.rotate(None).await {
                tracing::warn!(%fault, "a store of secrets may still give out old values");
            }
            prefetch(&secrecy.settings(), &secrecy.secrets).await;
        }
    };
    tokio::join!(lifecycle.tend(), refreshing);
}
