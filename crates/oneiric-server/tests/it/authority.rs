//! Who comes in: every route of the table, by everything that somebody can show.

use oneiric_core::settings::{HttpAuth, HttpScope, HttpToken};
use oneiric_core::{Clock as _, Digest, Timestamp};
use oneiric_runtime::{Oneiric, SystemClock, SystemRng};
use oneiric_server::{Access, RouteInfo, routes, tokens};
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use serde_json::{Value, json};

use crate::google::{AUDIENCE, EMAIL, Google};
use crate::stage::Stage;

/// What somebody shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nothing,
    NoBearer,
    Unknown,
    Guessed,
    Expired,
    ExpiredInSettings,
    Revoked,
    Token(HttpScope),
    TokenOfSettings(HttpScope),
    Google(Signed),
}

/// What Google signed, or seems to have signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signed {
    Well,
    ForOthers,
    LongAgo,
    ByAnotherIssuer,
    ForAStranger,
    ForAnUnverifiedAddress,
    WithAnotherKey,
    WithAnUnknownKey,
    WithoutSignature,
}

const ALL: [Shown; 22] = [
    Shown::Nothing,
    Shown::NoBearer,
    Shown::Unknown,
    Shown::Guessed,
    Shown::Expired,
    Shown::ExpiredInSettings,
    Shown::Revoked,
    Shown::Token(HttpScope::Read),
    Shown::Token(HttpScope::Operate),
    Shown::Token(HttpScope::Admin),
    Shown::TokenOfSettings(HttpScope::Read),
    Shown::TokenOfSettings(HttpScope::Operate),
    Shown::TokenOfSettings(HttpScope::Admin),
    Shown::Google(Signed::Well),
    Shown::Google(Signed::ForOthers),
    Shown::Google(Signed::LongAgo),
    Shown::Google(Signed::ByAnotherIssuer),
    Shown::Google(Signed::ForAStranger),
    Shown::Google(Signed::ForAnUnverifiedAddress),
    Shown::Google(Signed::WithAnotherKey),
    Shown::Google(Signed::WithAnUnknownKey),
    Shown::Google(Signed::WithoutSignature),
];

/// What a route that asks for `access` is to answer; `None` is that it answers.
fn refusal(access: Access, shown: Shown) -> Option<(u16, &'static str)> {
    let needs = match access {
        Access::Open => return None,
        Access::Scope(scope) => scope,
        Access::Callback => HttpScope::Operate,
    };
    match shown {
        Shown::Nothing => Some((401, "no-token")),
        Shown::NoBearer
        | Shown::Unknown
        | Shown::Guessed
        | Shown::Expired
        | Shown::ExpiredInSettings
        | Shown::Revoked => Some((401, "invalid-token")),
        Shown::Token(scope) | Shown::TokenOfSettings(scope) if scope < needs => Some((403, "wrong-scope")),
        Shown::Token(_) | Shown::TokenOfSettings(_) => None,
        Shown::Google(_) if access != Access::Callback => Some((401, "invalid-token")),
        Shown::Google(Signed::Well) => None,
        Shown::Google(Signed::ForAStranger | Signed::ForAnUnverifiedAddress) => Some((403, "not-allowed")),
        Shown::Google(_) => Some((401, "invalid-token")),
    }
}

const SCOPES: [HttpScope; 3] = [HttpScope::Read, HttpScope::Operate, HttpScope::Admin];

/// A process that knows a token of every kind, and what each kind shows.
async fn with_tokens() -> (Stage, impl Fn(Shown) -> Option<String>) {
    let (google, other) = (Google::start("one").await, Google::start("one").await);
    let keys_url = google.url.clone();
    let in_settings = |text: String, scope, expires_at: Option<&str>| HttpToken {
        sha256: Digest::of(text.as_bytes()).to_string(),
        scopes: vec![scope],
        expires_at: expires_at.map(str::to_owned),
    };
    let named = |scope: HttpScope| {
        format!("a token of settings for {}", Access::Scope(scope).name()).replace(' ', "-")
    };
    let stage = Stage::of(Oneiric::builder(), |settings| {
        settings.http.auth = HttpAuth::Required;
        settings.http.oidc.keys_url = keys_url;
        settings.http.oidc.audiences = vec![AUDIENCE.to_owned()];
        settings.http.oidc.emails = vec![EMAIL.to_owned()];
        for scope in SCOPES {
            let token = in_settings(named(scope), scope, Some("2099-01-01T00:00:00Z"));
            settings.http.tokens.insert(Access::Scope(scope).name().to_owned(), token);
        }
        let old = in_settings("old".to_owned(), HttpScope::Admin, Some("2020-01-01T00:00:00Z"));
        settings.http.tokens.insert("old".to_owned(), old);
    })
    .await;
    let (store, now) = (stage.oneiric.store().as_ref(), SystemClock::default().now());
    let mut made = Vec::new();
    for scope in SCOPES {
        let name = Access::Scope(scope).name();
        made.push(tokens::create(store, &SystemRng, Some(name), scope, now, None).await.unwrap().0);
    }
    let long_ago = Some(Timestamp::from_micros(1));
    let expired =
        tokens::create(store, &SystemRng, Some("x"), HttpScope::Admin, now, long_ago).await.unwrap().0;
    let revoked = tokens::create(store, &SystemRng, Some("r"), HttpScope::Admin, now, None).await.unwrap().0;
    tokens::revoke(store, "r", now).await.unwrap();
    let shown = move |shown| {
        let text = match shown {
            Shown::Nothing => return None,
            Shown::NoBearer => return Some("Basic YTpi".to_owned()),
            Shown::Unknown => "something".to_owned(),
            // The right id with another secret.
            Shown::Guessed => format!("one_{}_{}", made[2].id(), "A".repeat(43)),
            Shown::Expired => expired.reveal().to_owned(),
            Shown::ExpiredInSettings => "old".to_owned(),
            Shown::Revoked => revoked.reveal().to_owned(),
            Shown::Token(scope) => made[scope as usize].reveal().to_owned(),
            Shown::TokenOfSettings(scope) => named(scope),
            Shown::Google(signed) => match signed {
                Signed::Well => google.token(json!({})),
                Signed::ForOthers => google.token(json!({"aud": "https://other.example"})),
                Signed::LongAgo => google.token(json!({"exp": 1_700_000_000})),
                Signed::ByAnotherIssuer => google.token(json!({"iss": "https://other.example"})),
                Signed::ForAStranger => google.token(json!({"email": "stranger@shop.example"})),
                Signed::ForAnUnverifiedAddress => google.token(json!({"email_verified": false})),
                Signed::WithAnotherKey => other.token(json!({})),
                Signed::WithAnUnknownKey => other.signed_as("two", json!({})),
                Signed::WithoutSignature => {
                    let whole = google.token(json!({}));
                    format!("{}.", whole.rsplit_once('.').unwrap().0)
                }
            },
        };
        Some(format!("Bearer {text}"))
    };
    (stage, shown)
}

/// Asks, and leaves as soon as the head of the answer is there: it may be a stream.
async fn ask(
    stage: &Stage,
    route: &RouteInfo,
    authorization: Option<&str>,
) -> (u16, HeaderMap, reqwest::Response) {
    let path: Vec<&str> =
        route.path.split('/').map(|part| if part.starts_with('{') { "unknown" } else { part }).collect();
    let mut request = stage.client.request(route.method.clone(), format!("{}{}", stage.url, path.join("/")));
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.headers().clone(), answer)
}

#[tokio::test]
async fn every_route_lets_in_whom_it_declares_and_nobody_else() {
    let (stage, shown_as) = with_tokens().await;
    // `/v1/shutdown` and its like would end the stage; that they let in the right one is told by the others.
    let ends_the_process = |route: &RouteInfo| route.path.ends_with("/shutdown");
    for route in routes() {
        for shown in ALL {
            let expected = refusal(route.access, shown);
            if expected.is_none() && ends_the_process(&route) {
                continue;
            }
            let authorization = shown_as(shown);
            let (status, headers, answer) = ask(&stage, &route, authorization.as_deref()).await;
            let at = format!("{} {} with {shown:?}", route.method, route.path);
            let Some((code, word)) = expected else {
                assert!(status != 401 && status != 403, "{at}: {status}");
                continue;
            };
            assert_eq!(status, code, "{at}");
            let challenge = headers.get(WWW_AUTHENTICATE).expect("a refusal says how to come in");
            assert!(
                challenge.to_str().unwrap().starts_with("Bearer realm=\"oneiric\""),
                "{at}: {challenge:?}"
            );
            let text = answer.text().await.unwrap();
            let problem: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(problem["error"], word, "{at}: {text}");
            let secret = authorization.as_deref().and_then(|it| it.split(' ').nth(1)).unwrap_or("nothing");
            assert!(!text.contains(secret), "{at}: {text}");
        }
    }
    stage.end().await;
}

#[tokio::test]
async fn every_answer_is_careful_and_says_which_request_it_answers() {
    let (stage, _) = with_tokens().await;
    let nothing =
        |method: &str, path| RouteInfo { method: method.parse().unwrap(), path, ..routes()[0].clone() };
    let strange = [nothing("GET", "/nothing/here"), nothing("DELETE", "/healthz")];
    for route in routes().iter().chain(&strange) {
        let (status, headers, _) = ask(&stage, route, None).await;
        let at = format!("{} {}: {status} {headers:?}", route.method, route.path);
        for (name, value) in [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")] {
            assert_eq!(headers[name], value, "{at}");
        }
        for name in ["cache-control", "content-security-policy", "x-frame-options"] {
            assert!(headers.contains_key(name), "{at}");
        }
        assert_eq!(headers["x-request-id"].len(), 32, "{at}");
        assert!(!headers.contains_key("server"), "{at}");
        assert!(!headers.keys().any(|name| name.as_str().starts_with("access-control")), "{at}");
    }
    for (route, status, word) in [(&strange[0], 404, "no-route"), (&strange[1], 405, "no-method")] {
        let (found, headers, answer) = ask(&stage, route, None).await;
        assert_eq!((found, &headers["content-type"]), (status, &"application/json".parse().unwrap()));
        let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(problem["error"], word);
    }
    let named =
        stage.client.get(format!("{}/healthz", stage.url)).header("x-request-id", "mine").send().await;
    assert_eq!(named.unwrap().headers()["x-request-id"], "mine");
    stage.end().await;
}
