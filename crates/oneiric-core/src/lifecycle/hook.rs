//! What a foreign crate may do around a swap.

use async_trait::async_trait;

use crate::{Descriptor, Domain, Fault, Instance, Key};

/// An instance and the candidate that it was built from.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The candidate.
    pub descriptor: &'a Descriptor,
    /// The instance; started.
    pub instance: &'a Instance,
}

/// One change of what serves a key.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The domain.
    pub domain: &'a Domain,
    /// The key.
    pub key: &'a Key,
    /// What is to serve.
    pub new: Side<'a>,
    /// What serves so far; `None` at the first activation.
    pub old: Option<Side<'a>>,
}

/// Is asked around every change. Each method has `lifecycle.hook_timeout` to return; it must not
/// block its thread.
#[async_trait]
pub trait Hook: Send + Sync {
    /// Its name in errors.
    fn name(&self) -> &str;

    /// The newcomer is up and not bound yet.
    ///
    /// # Errors
    /// An objection: the newcomer is stopped and the old one goes on serving.
    async fn before(&self, change: &Change<'_>) -> Result<(), Fault> {
        let _ = change;
        Ok(())
    }

    /// The newcomer is bound; the old one is not stopped yet.
    ///
    /// # Errors
    /// An objection: the old one is bound again and the newcomer is stopped.
    async fn after(&self, change: &Change<'_>) -> Result<(), Fault> {
        let _ = change;
        Ok(())
    }

    /// An instance was stopped, after its last user had left.
    ///
    /// # Errors
    /// A fault is reported and changes nothing.
    async fn stopped(&self, gone: &Side<'_>) -> Result<(), Fault> {
        let _ = gone;
        Ok(())
    }
}

const _: fn(&dyn Hook) = |_| {};
