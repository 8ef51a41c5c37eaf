//! Stores of secrets, and the order in which they are asked.
//!
//! | store | where |
//! |---|---|
//! | [`EnvSecrets`] | `ONEIRIC_SECRET_<ID>`: the id in upper case, everything but letters and digits as `_` |
//! | [`FileSecrets`] | a TOML, JSON or YAML file of texts, or a folder with one file per secret |
//!
//! Managers (GCP, AWS, ...) are added by whoever has them: before the others in serverless processes,
//! behind them elsewhere (decision 5).

mod env;
mod file;

use std::path::PathBuf;
use std::sync::Arc;

use oneiric_core::roles::SecretStore;
use oneiric_core::secret::Secrets;
use oneiric_core::settings::Settings;
use oneiric_core::{Domain, Fault, Provider};

pub use env::EnvSecrets;
pub use file::{FileSecrets, MAX_SECRET_BYTES, MAX_SECRETS_FILE_BYTES};

use crate::Parts;

/// The name of the store of variables.
pub const ENV: &str = "env";

/// The name of the store of files; its settings are `adapters.provider_settings.file`.
pub const FILE: &str = "file";

/// The profile in which managers are asked first.
const SERVERLESS: &str = "serverless";

/// The chain that settings describe. `managers` are stores beyond this machine, in their order.
///
/// `adapters.provider_settings.file.path` names the file or folder of the store `file`; without it there
/// is no such store. `secrets.provider` leaves that one store, and the inline values.
///
/// # Errors
/// `unknown-secret-store` (permanent) where `secrets.provider` names none of them; `secrets-file`
/// (permanent) where the path is no text.
pub fn chain(
    settings: &Settings,
    parts: &Parts,
    managers: Vec<(Provider, Arc<dyn SecretStore>)>,
) -> Result<Secrets, Fault> {
    let named = |text: &str| Provider::new(text).expect("letters are a name");
    let mut near: Vec<(Provider, Arc<dyn SecretStore>)> =
        vec![(named(ENV), Arc::new(EnvSecrets::new(Arc::clone(&parts.environment))))];
    if let Some(path) = file_path(settings)? {
        near.push((named(FILE), Arc::new(FileSecrets::new(path))));
    }
    let mut stores = if settings.profile.name == SERVERLESS {
        managers.into_iter().chain(near).collect::<Vec<_>>()
    } else {
        near.into_iter().chain(managers).collect()
    };
    if let Some(only) = &settings.secrets.provider {
        let known = stores.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        stores.retain(|(name, _)| name.as_str() == only);
        if stores.is_empty() {
            let message = format!("`secrets.provider` is `{only}`, known stores are {known}");
            return Err(Fault::permanent("unknown-secret-store", message));
        }
    }
    let secrets = &settings.secrets;
    let builder = stores
        .into_iter()
        .fold(Secrets::builder(Arc::clone(&parts.clock)), |builder, (name, store)| builder.store(name, store))
        .inline(secrets.inline.clone())
        .ttl(secrets.cache_ttl_seconds.duration())
        .refresh(secrets.refresh_interval.map(|interval| interval.duration()));
    Ok(builder.build())
}

fn file_path(settings: &Settings) -> Result<Option<PathBuf>, Fault> {
    let provider = Provider::new(FILE).expect("letters are a name");
    match settings.provider_settings(&Domain::ADAPTER, &provider).get("path") {
        None => Ok(None),
        Some(serde_json::Value::String(path)) => Ok(Some(PathBuf::from(path))),
        Some(_) => {
            let message = "`adapters.provider_settings.file.path` must be text: a file or a folder";
            Err(Fault::permanent("secrets-file", message))
        }
    }
}
