//! `secrets list` and `secrets rotate`: which secrets there are, never what they are.

use std::collections::BTreeMap;
use std::io::Write as _;

use oneiric_core::secret::{SecretId, SecretRef, Secrets, references};
use oneiric_core::settings::{Loaded, Settings};
use oneiric_core::{Class, Fault};
use serde::Serialize;

use crate::args::RotateArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::text::clean;
use crate::session::Session;
use crate::wait::wait;

/// `{"provider":"env,file","cache_ttl_seconds":600.0,"inline_entries":0,"entries":[{"id":"stripe-key",
/// "from":"env","error":null,"used_by":["adapters.provider_settings.stripe.key"]}]}`.
#[derive(Serialize)]
struct Listing {
    provider: String,
    cache_ttl_seconds: f64,
    refresh_interval: Option<f64>,
    inline_entries: usize,
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    id: String,
    /// The store that has it.
    from: Option<String>,
    /// Why nobody could say.
    error: Option<String>,
    used_by: Vec<String>,
}

/// Lists those that settings ask for.
pub(super) fn list(session: &mut Session) -> Result<Code, Failure> {
    let loaded = session.settings()?;
    let secrets = chain(&loaded.settings)?;
    let entries = wanted(loaded).into_iter().map(|(wanted, used_by)| {
        let (from, error) = match wait(secrets.holder(&wanted)) {
            Ok(holder) => (holder.map(|holder| holder.to_string()), None),
            Err(fault) => (None, Some(fault.message)),
        };
        Entry { id: wanted.id.to_string(), from, error, used_by }
    });
    let entries = entries.collect();
    let status = secrets.status();
    let listing = Listing {
        provider: status.provider,
        cache_ttl_seconds: status.cache_ttl_seconds,
        refresh_interval: status.refresh_interval,
        inline_entries: status.inline_entries,
        entries,
    };
    session.screen.emit(&listing, |screen| {
        writeln!(screen, "asked in this order: {}", listing.provider.replace(',', ", "))?;
        let mut table = Table::new([
            Column::new("secret", Room::Middle),
            Column::new("from", Room::Whole),
            Column::new("used by", Room::End),
        ]);
        for entry in &listing.entries {
            let from = match (&entry.from, &entry.error) {
                (Some(from), _) => (from.clone(), Tone::Good),
                (None, None) => ("missing".to_owned(), Tone::Bad),
                (None, Some(_)) => ("error".to_owned(), Tone::Bad),
            };
            table.row([plain(entry.id.as_str()), from, plain(clean(&entry.used_by.join(", ")))]);
            if let Some(error) = &entry.error {
                table.note(clean(error), Tone::Faint);
            }
        }
        table.print(screen)
    })?;
    Ok(Code::Ok)
}

/// `{"invalidated":0}`.
#[derive(Serialize)]
struct Rotated {
    invalidated: usize,
}

/// Forgets what this process has cached.
pub(super) fn rotate(session: &mut Session, args: &RotateArgs) -> Result<Code, Failure> {
    let secrets = chain(&session.settings()?.settings)?;
    let rotated = Rotated { invalidated: forget(&secrets, (!args.all).then_some(args.keys.as_slice()))? };
    session.screen.emit(&rotated, |screen| {
        writeln!(screen, "Invalidated {} cached secret value(s).", rotated.invalidated)
    })?;
    tracing::warn!("no orchestrator was told: this concerns the cache of this process only");
    Ok(Code::Ok)
}

/// Forgets these, or all.
fn forget(secrets: &Secrets, ids: Option<&[SecretId]>) -> Result<usize, Failure> {
    wait(secrets.rotate(ids)).map_err(|fault| failure(&fault))
}

fn chain(settings: &Settings) -> Result<Secrets, Failure> {
    oneiric_adapters::secrets::chain(settings, &Session::parts(), Vec::new()).map_err(|fault| failure(&fault))
}

fn failure(fault: &Fault) -> Failure {
    let code = if fault.class == Class::Denied { Code::Security } else { Code::Configuration };
    Failure::said(code, fault.message.clone())
}

/// Every secret that settings name, with the keys at which they do.
fn wanted(loaded: &Loaded) -> BTreeMap<SecretRef, Vec<String>> {
    let mut wanted: BTreeMap<SecretRef, Vec<String>> = BTreeMap::new();
    for (key, reference) in references("", &loaded.provenance.tree(true)) {
        wanted.entry(reference).or_default().push(key);
    }
    let auth = &loaded.settings.remote.auth;
    if let Some(id) = auth.secret_id.as_ref().and_then(|id| SecretId::new(id).ok()) {
        wanted.entry(id.into()).or_default().push("remote.auth.secret_id".to_owned());
    }
    for id in loaded.settings.secrets.inline.keys().filter_map(|id| SecretId::new(id).ok()) {
        wanted.entry(id.into()).or_default();
    }
    wanted
}
