//! `token`: who may ask a live process over HTTP.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use oneiric_core::Digest;
use oneiric_core::settings::HttpScope;
use oneiric_runtime::SystemRng;
use oneiric_server::Access;
use oneiric_server::tokens::{self, TokenError, TokenRecord};
use oneiric_store::Store;
use oneiric_store::sqlite::Options;
use serde::Serialize;

use super::conduct::on_workers;
use crate::args::{CreateTokenArgs, HashTokenArgs, RevokeTokenArgs};
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::text::{clean, count};
use crate::output::time;
use crate::session::{self, Session};
use crate::wait::wait;

/// `{"id":"5f0c...","name":"ci","scopes":["operate"],"created_at":"...","expires_at":null,"expired":false}`; one that
/// was just made has its `token`, too.
#[derive(Serialize)]
struct Entry {
    id: String,
    name: String,
    scopes: Vec<HttpScope>,
    created_at: String,
    expires_at: Option<String>,
    expired: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl Entry {
    fn new(record: TokenRecord, token: Option<String>) -> Self {
        Self {
            id: record.id,
            name: record.name,
            scopes: record.scopes,
            created_at: time::rfc3339(record.created_at),
            expires_at: record.expires_at.map(time::rfc3339),
            expired: record.expires_at.is_some_and(|end| end <= session::now()),
            token,
        }
    }
}

/// Makes one. The token is all there is on standard output.
pub(super) fn create(session: &mut Session, args: &CreateTokenArgs) -> Result<Code, Failure> {
    let now = session::now();
    let expires_at = args.expires_in.map(|lifetime| now.after(lifetime));
    let store =
        open(session)?.ok_or_else(|| Failure::said(Code::Execution, "the state cannot be written"))?;
    let (token, record) = on_workers(async {
        let scope = args.scope.into();
        let made =
            tokens::create(store.as_ref(), &SystemRng, args.name.as_deref(), scope, now, expires_at).await;
        let made = made.map_err(failure)?;
        store.close().await?;
        Ok(made)
    })?;
    let name = record.name.clone();
    let entry = Entry::new(record, Some(token.reveal().to_owned()));
    session.screen.emit(&entry, |screen| writeln!(screen, "{}", token.reveal()))?;
    tracing::info!(name, "the token is shown this once; send it as `Authorization: Bearer TOKEN`");
    Ok(Code::Ok)
}

/// Lists them: those of the state, and those that settings name.
pub(super) fn list(session: &mut Session) -> Result<Code, Failure> {
    let records = session.store()?.map(|store| wait(tokens::list(&store))).transpose().map_err(failure)?;
    let entries: Vec<Entry> =
        records.unwrap_or_default().into_iter().map(|record| Entry::new(record, None)).collect();
    let named: Vec<String> = session.settings()?.settings.http.tokens.keys().cloned().collect();
    session.screen.emit(&entries, |screen| {
        let mut table = Table::new([
            Column::new("name", Room::Middle),
            Column::new("id", Room::Whole),
            Column::new("scope", Room::Whole),
            Column::new("expires", Room::End),
        ]);
        for entry in &entries {
            let scopes: Vec<&str> = entry.scopes.iter().map(|scope| Access::Scope(*scope).name()).collect();
            let expires = match &entry.expires_at {
                Some(at) if entry.expired => (format!("expired {at}"), Tone::Bad),
                Some(at) => plain(at.as_str()),
                None => plain("never"),
            };
            table.row([
                plain(clean(&entry.name)),
                plain(entry.id.as_str()),
                plain(scopes.join(",")),
                expires,
            ]);
        }
        if !table.is_empty() {
            table.print(screen)?;
        }
        let in_settings =
            if named.is_empty() { String::new() } else { format!("; settings name {}", named.join(", ")) };
        writeln!(screen, "{}{}", count(entries.len(), "token"), clean(&in_settings))
    })?;
    Ok(Code::Ok)
}

/// Takes one back.
pub(super) fn revoke(session: &mut Session, args: &RevokeTokenArgs) -> Result<Code, Failure> {
    let unknown = || failure(TokenError::Unknown(args.name.clone()));
    if session.store()?.is_none() {
        return Err(unknown());
    }
    let store = open(session)?.ok_or_else(unknown)?;
    let revoked = on_workers(async {
        let revoked = tokens::revoke(store.as_ref(), &args.name, session::now()).await.map_err(failure)?;
        store.close().await?;
        Ok(revoked)
    })?;
    let result = serde_json::json!({ "revoked": revoked });
    session.screen.emit(&result, |screen| writeln!(screen, "revoked {}", clean(&args.name)))?;
    Ok(Code::Ok)
}

/// The shortest text that is taken for a token: fewer than 128 bits of hexadecimal digits can be guessed from a hash.
const SHORTEST: usize = 32;

/// The longest one, in bytes: what is longer is not looked at when it is sent.
const LONGEST: usize = 8 << 10;

/// Prints what settings need to know of a token.
pub(super) fn hash(session: &mut Session, args: &HashTokenArgs) -> Result<Code, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(LONGEST as u64 + 3).read_to_string(&mut text);
    read.map_err(|error| Failure::said(Code::Configuration, format!("cannot read standard input: {error}")))?;
    let token = text.trim_end_matches(['\r', '\n']);
    if token.len() < SHORTEST || token.len() > LONGEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message =
            format!("standard input is no token: {SHORTEST} to {LONGEST} visible characters on one line");
        return Err(
            Failure::said(Code::Configuration, message).help("let chance make it: `openssl rand -hex 32`")
        );
    }
    let (sha256, scope) = (Digest::of(token.as_bytes()), HttpScope::from(args.scope));
    let scope = Access::Scope(scope).name();
    let result = serde_json::json!({ "name": args.name, "sha256": sha256, "scopes": [scope] });
    session.screen.emit(&result, |screen| {
        // A quoted name may hold what settings allow in one.
        writeln!(screen, "[http.tokens.{}]", serde_json::Value::from(args.name.as_str()))?;
        writeln!(screen, "sha256 = \"{sha256}\"\nscopes = [\"{scope}\"]")
    })?;
    Ok(Code::Ok)
}

fn open(session: &Session) -> Result<Option<Arc<dyn Store>>, Failure> {
    let store = oneiric_runtime::open_store(&session.state_dir()?, Options::default())?;
    Ok(store.map(|store| Arc::new(store) as Arc<dyn Store>))
}

/// How a token's trouble ends the process.
pub(in crate::commands) fn failure(error: TokenError) -> Failure {
    let code = match &error {
        TokenError::Unknown(_) => Code::Resolution,
        TokenError::Taken(_) | TokenError::Name(_) | TokenError::Full | TokenError::Unreadable { .. } => {
            Code::Configuration
        }
        TokenError::Store(_) | TokenError::Commit(_) => Code::Execution,
    };
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Failure::said(code, format!("{error}{cause}"))
}
