//! Tokens that Google signs for callbacks: of Cloud Tasks, Pub/Sub and Scheduler.
//!
//! A token is a JWT signed with RS256, and nothing else is one: the algorithm is not the token's to choose. What it
//! says is judged in [`jwt`], the issuer's keys are kept in [`keys`], and [`replay`] knows which callbacks were
//! carried out already. Source: <https://cloud.google.com/run/docs/authenticating/service-to-service>,
//! RFC 7515, 7517, 7519.

mod jwt;
mod keys;
mod replay;

use std::sync::Arc;

use oneiric_core::settings::HttpOidc;
use oneiric_core::{Clock, Digest};

pub(crate) use jwt::Wrong;
pub use keys::{KeySource, PublishedKeys};
use keys::{Keys, NoKey};
pub(crate) use replay::{Once, Seen};

use crate::actor::Actor;
use crate::authority::Refusal;

/// Who believes Google.
#[derive(Debug)]
pub(crate) struct Google {
    oidc: HttpOidc,
    keys: Keys,
    clock: Arc<dyn Clock>,
}

/// Who came with a token of Google, and what tells that token from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vouched {
    pub(crate) actor: Actor,
    pub(crate) token: Digest,
    /// In seconds since the epoch; from then on the token does not count anyway.
    pub(crate) until: i64,
}

impl Google {
    pub(crate) fn new(oidc: HttpOidc, source: Arc<dyn KeySource>, clock: Arc<dyn Clock>) -> Self {
        let keys = Keys::new(oidc.keys_url.clone(), source, Arc::clone(&clock));
        Self { oidc, keys, clock }
    }

    /// Who it is for whom Google signed.
    pub(crate) async fn vouched(&self, text: &str) -> Result<Vouched, Refusal> {
        let token = jwt::Token::parse(text).ok_or(Refusal::Unknown)?;
        // Before the signature is looked at: junk is to cost no arithmetic, and no look at the issuer's keys.
        let now = self.clock.now().as_micros().div_euclid(1_000_000);
        token.claims.judge(&self.oidc, now).map_err(Refusal::Claims)?;
        let key = match self.keys.find(&token.kid).await {
            Ok(key) => key,
            Err(NoKey::Unknown) => return Err(Refusal::Unknown),
            Err(NoKey::Unreachable) => {
                return Err(Refusal::Unavailable("the issuer's keys cannot be read".to_owned()));
            }
        };
        if !key.has_signed(token.signed.as_bytes(), &token.signature) {
            return Err(Refusal::Unknown);
        }
        let name = token.claims.may_come_in(&self.oidc).map_err(|()| Refusal::Stranger)?;
        Ok(Vouched {
            actor: Actor::Google(name),
            token: Digest::of(text.as_bytes()),
            until: token.claims.exp,
        })
    }
}
