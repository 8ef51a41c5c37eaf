//! Secrets in variables.

use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::environment::names::SECRET_PREFIX;
use oneiric_core::roles::SecretStore;
use oneiric_core::secret::{Secret, SecretId};
use oneiric_core::{Component, Environment, Fault, Instance};

/// `ONEIRIC_SECRET_STRIPE_KEY` is the secret `stripe-key`. An empty variable is none.
#[derive(Debug, Clone)]
pub struct EnvSecrets(Arc<dyn Environment>);

impl EnvSecrets {
    /// A store of the variables of this environment.
    pub fn new(environment: Arc<dyn Environment>) -> Self {
        Self(environment)
    }

    /// As a component that plays [`SecretStore`].
    pub fn instance(self) -> Instance {
        let store = Arc::new(self);
        Instance::new(store.clone()).plays::<dyn SecretStore>(store)
    }
}

impl Component for EnvSecrets {}

#[async_trait]
impl SecretStore for EnvSecrets {
    async fn get(&self, id: &SecretId) -> Result<Option<Secret>, Fault> {
        let value = self.0.get(&format!("{SECRET_PREFIX}{}", id.variable()));
        Ok(value.filter(|value| !value.is_empty()).map(Secret::new))
    }

    fn how_to_set(&self, id: &SecretId) -> Option<String> {
        Some(format!("set the variable {SECRET_PREFIX}{}", id.variable()))
    }
}
