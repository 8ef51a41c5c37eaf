//! Why somebody does not come in. It says what would be needed, and never repeats what was shown.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use oneiric_core::settings::HttpScope;

use crate::access::Access;
use crate::google::Wrong;
use crate::problem::Problem;

/// Seconds until what could not be checked is worth another try.
const SOON: u32 = 2;

/// Why somebody does not come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No token.
    Missing { needs: HttpScope },
    /// What was shown is no bearer token, or there are two.
    Malformed,
    /// No such token; also one that was revoked.
    Unknown,
    /// It counted once.
    Expired,
    /// It allows less.
    Scope { needs: HttpScope },
    /// Google signed it for others, or for another time.
    Claims(Wrong),
    /// Google signed it for somebody who is not named here.
    Stranger,
    /// The same callback was carried out already.
    Replayed,
    /// It could not be checked.
    Unavailable(String),
}

impl Refusal {
    pub(crate) fn problem(&self) -> Problem {
        let new = "make one with `oneiric token create`, and send it as `Authorization: Bearer TOKEN`";
        let bad = |message: &str| Problem::new(StatusCode::UNAUTHORIZED, "invalid-token", message);
        match self {
            Refusal::Missing { needs } => {
                let message = format!("this asks for a token of scope `{}`", word(*needs));
                Problem::new(StatusCode::UNAUTHORIZED, "no-token", message).help(new)
            }
            Refusal::Malformed => bad("the header `Authorization` is not one `Bearer TOKEN`").help(new),
            Refusal::Unknown => bad("the token is not known here").help(new),
            Refusal::Expired => bad("the token has expired").help(new),
            Refusal::Scope { needs } => {
                let message = format!("the token does not include the scope `{}`", word(*needs));
                let help = format!("make one with `oneiric token create --scope {}`", word(*needs));
                Problem::new(StatusCode::FORBIDDEN, "wrong-scope", message).help(help)
            }
            Refusal::Claims(wrong) => match wrong {
                Wrong::Issuer => bad("the token was signed by another issuer")
                    .help("`http.oidc.issuers` names those that count"),
                Wrong::Audience => bad("the token was made for another audience")
                    .help("give the callback an audience of `http.oidc.audiences`"),
                Wrong::Expired => bad("the token has expired"),
                Wrong::Early => bad("the token does not count yet").help("compare the clocks"),
                Wrong::TooLong => bad("the token counts for longer than a day"),
            },
            Refusal::Stranger => {
                let message = "the token was signed for an account that may not send callbacks";
                Problem::new(StatusCode::FORBIDDEN, "not-allowed", message)
                    .help("name its address in `http.oidc.emails`")
            }
            Refusal::Replayed => {
                let message = "this callback was carried out already, with this token";
                Problem::new(StatusCode::CONFLICT, "replayed", message)
            }
            Refusal::Unavailable(why) => {
                let message = format!("the token cannot be checked now: {why}");
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message).retry_after(SOON)
            }
        }
    }

    /// <https://www.rfc-editor.org/rfc/rfc6750#section-3>.
    fn challenge(&self) -> Option<String> {
        match self {
            Refusal::Missing { .. } => Some("Bearer realm=\"oneiric\"".to_owned()),
            Refusal::Malformed => Some("Bearer realm=\"oneiric\", error=\"invalid_request\"".to_owned()),
            Refusal::Unknown | Refusal::Expired | Refusal::Claims(_) => {
                Some("Bearer realm=\"oneiric\", error=\"invalid_token\"".to_owned())
            }
            Refusal::Scope { needs } => Some(format!(
                "Bearer realm=\"oneiric\", error=\"insufficient_scope\", scope=\"{}\"",
                word(*needs)
            )),
            Refusal::Stranger => Some("Bearer realm=\"oneiric\", error=\"insufficient_scope\"".to_owned()),
            Refusal::Replayed | Refusal::Unavailable(_) => None,
        }
    }
}

fn word(scope: HttpScope) -> &'static str {
    Access::Scope(scope).name()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.problem().into_response();
        let challenge = self.challenge().and_then(|text| HeaderValue::try_from(text).ok());
        if let Some(challenge) = challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
