//! `secrets list` and `secrets rotate`: which secrets there are, never what they are.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use oneiric_core::secret::{SecretId, SecretRef, Secrets, references};
use oneiric_core::settings::Loaded;
use oneiric_runtime::control::{Answer, Request, live};
use serde::Serialize;

use crate::args::RotateArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::text::clean;
use crate::peers;
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
    let secrets = session.secrets()?;
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

/// How long a live process may take: components are built, started and asked, and old ones stopped.
const ROTATING: Duration = Duration::from_secs(120);

/// `{"invalidated":2,"processes":[{"pid":4711,"invalidated":2,"swapped":["task/charge"],"failed":[]}]}`.
#[derive(Serialize)]
struct Rotated {
    invalidated: usize,
    processes: Vec<Process>,
}

/// What one live process did.
#[derive(Serialize)]
struct Process {
    pid: u32,
    invalidated: usize,
    swapped: Vec<String>,
    failed: Vec<String>,
}

/// Makes every live process forget, and swap what it built with it; without one, this process forgets.
pub(super) fn rotate(session: &mut Session, args: &RotateArgs) -> Result<Code, Failure> {
    let ids = (!args.all).then(|| args.keys.clone());
    let told = peers::ask(live(&session.state_dir()?), &Request::Rotate { ids: ids.clone() }, ROTATING);
    let mut rotated = Rotated { invalidated: 0, processes: Vec::new() };
    for one in told {
        if let Answer::Rotated { pid, forgotten, swapped, failed } = one.answer? {
            rotated.invalidated += forgotten;
            rotated.processes.push(Process { pid, invalidated: forgotten, swapped, failed });
        }
    }
    if rotated.processes.is_empty() {
        rotated.invalidated = forget(&session.secrets()?, ids.as_deref())?;
    }
    session.screen.emit(&rotated, |screen| {
        writeln!(screen, "Invalidated {} cached secret value(s).", rotated.invalidated)?;
        for process in &rotated.processes {
            for component in &process.swapped {
                writeln!(screen, "  process {}: {} has the new value", process.pid, clean(component))?;
            }
            for component in &process.failed {
                let line = format!("goes on with the old value: {}", clean(component));
                writeln!(screen, "  process {}: {}", process.pid, screen.palette.paint(Tone::Bad, &line))?;
            }
        }
        Ok(())
    })?;
    if rotated.processes.is_empty() {
        tracing::warn!("no live process was there to be told: this concerns the cache of this process only");
    }
    let failed = rotated.processes.iter().any(|process| !process.failed.is_empty());
    Ok(if failed { Code::Execution } else { Code::Ok })
}

/// Forgets these, or all.
fn forget(secrets: &Secrets, ids: Option<&[SecretId]>) -> Result<usize, Failure> {
    wait(secrets.rotate(ids)).map_err(|fault| Failure::said(Code::Execution, fault.message))
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
