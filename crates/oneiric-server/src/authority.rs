//! Decides who comes in: who has shown what, and whether that is enough.
//!
//! A token is looked for among those of settings, then in the store by its id; what the store said counts for a
//! second, so that a token that was revoked elsewhere opens nothing a second later, and a busy client costs one read
//! a second. A store that does not answer lets nobody in.

mod refusal;
mod remembered;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::http::{HeaderMap, header};
use jiff::Timestamp as Moment;
use oneiric_core::settings::{HttpAuth, HttpOidc, HttpScope, HttpToken};
use oneiric_core::{Clock, Digest, Timestamp};
use oneiric_store::Store;

pub(crate) use refusal::Refusal;
use remembered::Remembered;

use crate::access::Access;
use crate::actor::Actor;
use crate::google::{Google, KeySource, Once, Seen, Vouched};
use crate::options::Options;
use crate::token;

/// The longest token that is looked at. Google's have about 1 KiB.
const LONGEST: usize = 8 << 10;

/// Who may come in.
#[derive(Debug)]
pub(crate) struct Authority {
    is_local: bool,
    auth: HttpAuth,
    named: Mutex<Arc<Named>>,
    remembered: Remembered,
    oidc: HttpOidc,
    /// Where there is somebody to read its keys.
    google: OnceLock<Google>,
    seen: Arc<Seen>,
    clock: Arc<dyn Clock>,
}

/// Who came in, and by what.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) actor: Actor,
    /// Where Google signed for it.
    vouched: Option<Vouched>,
}

impl From<Actor> for Admitted {
    fn from(actor: Actor) -> Self {
        Self { actor, vouched: None }
    }
}

/// The tokens that settings name, and what became of them.
#[derive(Debug, Default)]
struct Named {
    of: BTreeMap<String, HttpToken>,
    tokens: Vec<(Digest, Worth)>,
}

/// What is wrong with a token in the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamedError {
    /// The hash is none.
    #[error("`http.tokens.{0}.sha256` is not 64 hexadecimal digits; `oneiric token hash` makes them")]
    Hash(String),
    /// The moment is none.
    #[error("`http.tokens.{0}.expires_at` is no moment such as 2027-01-31T00:00:00Z")]
    Moment(String),
    /// It allows nothing.
    #[error("`http.tokens.{0}.scopes` is empty; name `read`, `operate` or `admin`")]
    Scopes(String),
}

/// What a token is worth.
#[derive(Debug, Clone)]
struct Worth {
    name: String,
    scope: Option<HttpScope>,
    expires_at: Option<Timestamp>,
}

impl Authority {
    /// By what settings say, and what the store keeps.
    pub(crate) fn new(
        options: &Options,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, NamedError> {
        let named = Named::of(&options.http.tokens, Err)?;
        Ok(Self {
            is_local: options.is_local,
            auth: options.http.auth,
            named: Mutex::new(Arc::new(named)),
            remembered: Remembered::new(store, Arc::clone(&clock)),
            oidc: options.http.oidc.clone(),
            google: OnceLock::new(),
            seen: Arc::default(),
            clock,
        })
    }

    /// Believes Google from now on, where settings name audiences.
    pub(crate) fn believe(&self, source: Arc<dyn KeySource>) {
        if !self.oidc.audiences.is_empty() {
            if self.oidc.emails.is_empty() {
                tracing::warn!(
                    "every account of the issuer may send callbacks; name those that may in `http.oidc.emails`"
                );
            }
            let google = Google::new(self.oidc.clone(), source, Arc::clone(&self.clock));
            // Told twice, the first one is asked.
            let _ = self.google.set(google);
        }
    }

    /// Who it is that asks for something with this `access`. `tokens` are those that settings name now: they may have
    /// been read again.
    pub(crate) async fn admit(
        &self,
        access: Access,
        headers: &HeaderMap,
        tokens: &BTreeMap<String, HttpToken>,
    ) -> Result<Admitted, Refusal> {
        let needs = match access {
            Access::Open => return Ok(Actor::Anyone.into()),
            Access::Scope(scope) => scope,
            Access::Callback => HttpScope::Operate,
        };
        let Some(presented) = presented(headers)? else {
            return if self.needs_none(tokens).await? {
                Ok(Actor::Local.into())
            } else {
                Err(Refusal::Missing { needs })
            };
        };
        let Some(worth) = self.worth(presented, tokens).await? else {
            return self.vouched(access, presented).await;
        };
        if worth.expires_at.is_some_and(|end| end <= self.clock.now()) {
            return Err(Refusal::Expired);
        }
        if worth.scope < Some(needs) {
            return Err(Refusal::Scope { needs });
        }
        Ok(Actor::Token(worth.name).into())
    }

    async fn vouched(&self, access: Access, presented: &str) -> Result<Admitted, Refusal> {
        // Elsewhere such a token opens nothing, whoever it is made for.
        if access != Access::Callback || self.oidc.audiences.is_empty() || !presented.contains('.') {
            return Err(Refusal::Unknown);
        }
        let Some(google) = self.google.get() else {
            return Err(Refusal::Unavailable("nobody here can read the issuer's keys".to_owned()));
        };
        let vouched = google.vouched(presented).await?;
        Ok(Admitted { actor: vouched.actor.clone(), vouched: Some(vouched) })
    }

    /// Lets a callback be carried out, unless the same was carried out already. What did not come through Google is
    /// not looked at.
    pub(crate) fn once(&self, admitted: &Admitted, at: &str, body: &[u8]) -> Result<Option<Once>, Refusal> {
        let Some(Vouched { token, until, .. }) = &admitted.vouched else { return Ok(None) };
        let now = self.clock.now().as_micros().div_euclid(1_000_000);
        self.seen.once(*token, at, body, *until, now).map(Some).ok_or(Refusal::Replayed)
    }

    /// Whether whoever shows nothing may do everything. A token that is made meanwhile ends that, unless settings
    /// say that nobody is asked.
    async fn needs_none(&self, tokens: &BTreeMap<String, HttpToken>) -> Result<bool, Refusal> {
        let is_nobody_asked = self.auth == HttpAuth::None;
        Ok(self.is_local && (is_nobody_asked || (tokens.is_empty() && !self.remembered.any().await?)))
    }

    async fn worth(
        &self,
        presented: &str,
        tokens: &BTreeMap<String, HttpToken>,
    ) -> Result<Option<Worth>, Refusal> {
        let digest = Digest::of(presented.as_bytes());
        let named = self.named(tokens);
        if let Some((_, worth)) = named.tokens.iter().find(|(sha256, _)| token::same(&digest, sha256)) {
            return Ok(Some(worth.clone()));
        }
        let Some(id) = token::id_of(presented) else { return Ok(None) };
        let record = self.remembered.find(id).await?;
        Ok(record.filter(|record| token::same(&digest, &record.sha256)).map(|record| Worth {
            name: record.name.clone(),
            scope: record.scopes.iter().max().copied(),
            expires_at: record.expires_at,
        }))
    }

    /// What settings name, taken apart again where they say something else than before.
    fn named(&self, tokens: &BTreeMap<String, HttpToken>) -> Arc<Named> {
        let mut held = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if held.of != *tokens {
            // One that is wrong opens nothing; that others were taken out counts all the same.
            let told = |error: NamedError| {
                tracing::error!(%error, "a token of the settings does not count");
                Ok::<_, Infallible>(())
            };
            let Ok(named) = Named::of(tokens, told);
            *held = Arc::new(named);
        }
        Arc::clone(&held)
    }
}

impl Named {
    /// What settings name; `wrong` decides what becomes of one that is none.
    fn of<E>(
        tokens: &BTreeMap<String, HttpToken>,
        wrong: impl Fn(NamedError) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut named = Self { of: tokens.clone(), tokens: Vec::new() };
        for (name, token) in tokens {
            match Worth::of(name, token) {
                Ok(known) => named.tokens.push(known),
                Err(error) => wrong(error)?,
            }
        }
        Ok(named)
    }
}

impl Worth {
    /// The hash of a token that settings name, and what it is worth.
    fn of(name: &str, token: &HttpToken) -> Result<(Digest, Self), NamedError> {
        let sha256 = token.sha256.parse().map_err(|_| NamedError::Hash(name.to_owned()))?;
        let moment = |text: &String| text.parse::<Moment>().map_err(|_| NamedError::Moment(name.to_owned()));
        let expires_at = token.expires_at.as_ref().map(moment).transpose()?;
        let expires_at = expires_at.map(|moment| Timestamp::from_micros(moment.as_microsecond()));
        let scope = token.scopes.iter().max().copied();
        if scope.is_none() {
            return Err(NamedError::Scopes(name.to_owned()));
        }
        Ok((sha256, Self { name: name.to_owned(), scope, expires_at }))
    }
}

/// The token that somebody shows, `None` where none is shown.
fn presented(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let Some(first) = shown.next() else { return Ok(None) };
    let first = first.to_str().map_err(|_| Refusal::Malformed)?;
    let (scheme, token) = first.split_once(' ').ok_or(Refusal::Malformed)?;
    let token = token.trim_start_matches(' ');
    let visible = token.bytes().all(|byte| byte.is_ascii_graphic());
    if shown.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || !visible {
        return Err(Refusal::Malformed);
    }
    if token.len() > LONGEST { Err(Refusal::Malformed) } else { Ok(Some(token)) }
}
