//! Something that knows secrets.

use async_trait::async_trait;

use crate::secret::{Secret, SecretId};
use crate::{Fault, Role};

/// Something that knows secrets. Asked by [`crate::secret::Secrets`], which caches and orders stores.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// The current value; `None` where this store does not have it, so that the next one is asked.
    ///
    /// Safe to call from many tasks at once; dropping the future cancels the call.
    ///
    /// # Errors
    /// A [`Fault`] where the store cannot say whether it has the secret. The next store is not asked
    /// then: its value might be another one.
    async fn get(&self, id: &SecretId) -> Result<Option<Secret>, Fault>;

    /// Forgets what the store itself keeps of one secret, or of all.
    ///
    /// # Errors
    /// A [`Fault`] where an old value may still be given out.
    async fn invalidate(&self, id: Option<&SecretId>) -> Result<(), Fault> {
        let _ = id;
        Ok(())
    }

    /// What a person does to put a secret here: ``set ONEIRIC_SECRET_STRIPE_KEY``.
    fn how_to_set(&self, id: &SecretId) -> Option<String> {
        let _ = id;
        None
    }
}

const _: fn(&dyn SecretStore) = |_| {};

impl Role for dyn SecretStore {
    const NAME: &'static str = "secret-store";
}
