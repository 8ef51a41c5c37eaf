//! Secrets: values that are asked for by name and shown to nobody.
//!
//! Settings and manifests hold a [`SecretRef`]; [`Secrets`] asks the stores for it, in their order, when
//! an instance is built ([`resolve_settings`]). A [`Secret`] in memory prints as `***`. The stores
//! themselves play the role [`crate::roles::SecretStore`] and live in `oneiric-adapters`.

mod chain;
mod reference;
mod resolve;
mod status;
#[cfg(test)]
mod tests;
mod value;

pub use chain::{INLINE, MAX_CACHED, MISS_TTL, Secrets, SecretsBuilder};
pub use reference::{SecretId, SecretRef};
pub use resolve::{references, resolve_settings};
pub use status::{Status, StatusEntry};
pub use value::{MASK, Secret};
