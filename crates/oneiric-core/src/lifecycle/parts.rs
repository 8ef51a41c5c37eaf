//! What a lifecycle is made of.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::{Allowlist, Clock, ComponentRuntime, Descriptor, Fault, Registry};

use super::hook::Hook;
use super::timeouts::Timeouts;

/// Where the settings of a candidate's provider come from.
#[async_trait]
pub trait SettingsSource: Send + Sync {
    /// The settings with every secret in clear.
    ///
    /// # Errors
    /// Why one could not be had.
    async fn settings(&self, descriptor: &Descriptor) -> Result<Map<String, Value>, Fault>;

    /// The settings with `***` in place of every secret, for checks.
    fn masked(&self, descriptor: &Descriptor) -> Map<String, Value>;

    /// A number that is another one once the settings of the candidate are others. An instance that was built
    /// under another one is replaced by [`Lifecycle::refresh`](super::Lifecycle::refresh). Settings that never
    /// change have one edition.
    fn edition(&self, _: &Descriptor) -> u64 {
        0
    }
}

const _: fn(&dyn SettingsSource) = |_| {};

/// No component has settings.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSettings;

#[async_trait]
impl SettingsSource for NoSettings {
    async fn settings(&self, _: &Descriptor) -> Result<Map<String, Value>, Fault> {
        Ok(Map::new())
    }

    fn masked(&self, _: &Descriptor) -> Map<String, Value> {
        Map::new()
    }
}

/// What a lifecycle is made of.
pub struct Parts {
    /// The candidates.
    pub registry: Registry,
    /// What builds them, in the order in which they are asked.
    pub runtimes: Vec<Arc<dyn ComponentRuntime>>,
    /// What may be built.
    pub allowlist: Allowlist,
    /// Settings of providers.
    pub settings: Arc<dyn SettingsSource>,
    /// Who is asked around every change, in this order.
    pub hooks: Vec<Arc<dyn Hook>>,
    /// How long steps may take.
    pub timeouts: Timeouts,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("runtimes", &self.runtimes)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

/// Settings from a function of the candidate. Nothing in them is taken for a secret.
#[async_trait]
impl<F> SettingsSource for F
where
    F: Fn(&Descriptor) -> Map<String, Value> + Send + Sync,
{
    async fn settings(&self, descriptor: &Descriptor) -> Result<Map<String, Value>, Fault> {
        Ok(self(descriptor))
    }

    fn masked(&self, descriptor: &Descriptor) -> Map<String, Value> {
        self(descriptor)
    }
}
