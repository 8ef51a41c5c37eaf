//! A guard with routes of its own behind it: what a table may have.

#[path = "../../tests/it/google.rs"]
mod google;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::handler::Handler;
use axum::http::{Method, StatusCode, header};
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Extension, Router};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use oneiric_core::settings::{HttpAuth, HttpLimits, HttpScope, HttpToken, Settings};
use oneiric_core::{Clock, Digest};
use oneiric_runtime::{Oneiric, SystemClock};
use oneiric_testkit::{ManualClock, virtual_time};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use self::google::{AUDIENCE, EMAIL, Google, OverHttp};
use super::*;
use crate::options::Options;
use crate::routes::{behind_rules, routes};

/// The token of scope `admin`.
const TOKEN: &str = "a-token-that-is-long-enough-to-be-one";

fn row<H, T>(method: Method, path: &'static str, access: Access, handler: H) -> (RouteInfo, MethodRouter<App>)
where
    H: Handler<T, App>,
    T: 'static,
{
    let info = RouteInfo { method: method.clone(), path, access, ..routes()[0].clone() };
    (info, on(MethodFilter::try_from(method).unwrap(), handler))
}

/// Says who sent how much.
async fn echo(Extension(origin): Extension<Origin>, body: Bytes) -> String {
    format!("{} {}", origin.actor, body.len())
}

/// Is carried out, but for `{"fails":true}`.
async fn callback(Extension(origin): Extension<Origin>, body: Bytes) -> (StatusCode, String) {
    let fails = serde_json::from_slice::<Value>(&body).unwrap()["fails"] == true;
    let status = if fails { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, origin.actor.to_string())
}

async fn panics() {
    panic!("as it was asked to")
}

async fn endless() -> Body {
    Body::from_stream(stream::iter([Ok::<_, std::io::Error>("one")]).chain(stream::pending()))
}

fn table() -> Vec<(RouteInfo, MethodRouter<App>)> {
    let operate = Access::Scope(HttpScope::Operate);
    let mut streaming = row(Method::GET, "/stream", operate, endless);
    streaming.0.streams = true;
    vec![
        row(Method::POST, "/echo", operate, echo),
        row(Method::POST, "/callback", Access::Callback, callback),
        row(Method::GET, "/panics", operate, panics),
        row(Method::GET, "/slow", operate, std::future::pending::<()>),
        row(Method::GET, "/open", Access::Open, || async { "open" }),
        streaming,
    ]
}

async fn stage(clock: Arc<dyn Clock>, change: impl FnOnce(&mut Settings)) -> App {
    let mut settings = Settings::default();
    settings.http.port = Some(0);
    settings.http.auth = HttpAuth::Required;
    let sha256 = Digest::of(TOKEN.as_bytes()).to_string();
    let token = HttpToken { sha256, scopes: vec![HttpScope::Admin], expires_at: None };
    settings.http.tokens.insert("tester".to_owned(), token);
    change(&mut settings);
    let options = Options::of(&settings, false).unwrap().unwrap();
    let oneiric = Oneiric::builder().clock(clock).settings(settings).start().await.unwrap();
    App::new(oneiric, options).unwrap()
}

async fn plain(change: impl FnOnce(&mut HttpLimits)) -> Router {
    let app = stage(Arc::new(SystemClock::default()), |settings| change(&mut settings.http.limits)).await;
    behind_rules(table(), app)
}

fn request(method: &str, path: &str, token: &str, body: impl Into<Body>) -> Request {
    let request = axum::http::Request::builder().method(method).uri(path);
    let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    request.header(header::CONTENT_TYPE, "application/json").body(body.into()).unwrap()
}

/// Status, and the word of the problem or the text.
async fn told(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let problem =
        serde_json::from_str::<Value>(&text).ok().and_then(|it| Some(it["error"].as_str()?.to_owned()));
    (status, problem.unwrap_or(text))
}

async fn ask(router: &Router, request: Request) -> (u16, String) {
    told(router.clone().oneshot(request).await.unwrap()).await
}

fn is(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

#[tokio::test]
async fn a_body_is_json_of_a_bounded_size_and_depth() {
    let router = plain(|limits| (limits.body_bytes, limits.json_depth) = (1024, 8)).await;
    let post = |body: String| ask(&router, request("POST", "/echo", TOKEN, body));
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(post(String::new()).await, is(200, "token:tester 0"));
    assert_eq!(post(format!("\"{}\"", "x".repeat(1022))).await, is(200, "token:tester 1024"));
    assert_eq!(post("x".repeat(1025)).await, is(413, "too-large"));
    assert_eq!(post(nested(8)).await, is(200, "token:tester 16"));
    assert_eq!(post(nested(9)).await, is(400, "too-deep"));
    // Without a length it is found out on the way.
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 100])));
    assert_eq!(
        ask(&router, request("POST", "/echo", TOKEN, Body::from_stream(endless))).await,
        is(413, "too-large")
    );
    // One that only says that it is too long is not waited for.
    let mut never = request(
        "POST",
        "/echo",
        TOKEN,
        Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()),
    );
    never.headers_mut().insert(header::CONTENT_LENGTH, 1_000_000_000.into());
    assert_eq!(ask(&router, never).await, is(413, "too-large"));
    assert_eq!(ask(&router, request("GET", "/open", TOKEN, "1")).await, is(413, "too-large"));
    for kind in ["text/plain", "application/jsonp", "", "application/x-www-form-urlencoded"] {
        let mut other = request("POST", "/echo", TOKEN, "1");
        other.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
        assert_eq!(ask(&router, other).await, is(415, "not-json"), "{kind}");
    }
    for kind in ["application/json; charset=utf-8", "Application/JSON", "application/cloudevents+json"] {
        let mut other = request("POST", "/echo", TOKEN, "1");
        other.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
        assert_eq!(ask(&router, other).await, is(200, "token:tester 1"), "{kind}");
    }
}

#[tokio::test]
async fn nothing_of_a_strangers_body_is_read() {
    let router = plain(|_| {}).await;
    let body = stream::once(async { panic!("somebody reads it") })
        .map(|never: Bytes| Ok::<_, std::io::Error>(never));
    let refused = ask(&router, request("POST", "/echo", "no-token-at-all", Body::from_stream(body))).await;
    assert_eq!(refused, is(401, "invalid-token"));
}

#[tokio::test]
async fn whoever_finds_no_room_is_told_at_once_and_probes_need_none() {
    let router = plain(|limits| (limits.concurrent_requests, limits.streams) = (2, 1)).await;
    let slow = || router.clone().oneshot(request("GET", "/slow", TOKEN, ""));
    let (mut a, mut b) = (Box::pin(slow()), Box::pin(slow()));
    assert!((&mut a).now_or_never().is_none() && (&mut b).now_or_never().is_none());
    let response = router.clone().oneshot(request("POST", "/echo", TOKEN, "")).await.unwrap();
    assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    assert_eq!(told(response).await, is(503, "no-room"));
    assert_eq!(ask(&router, request("GET", "/open", "", "")).await, is(200, "open"));
    drop((a, b));
    assert_eq!(ask(&router, request("POST", "/echo", TOKEN, "")).await, is(200, "token:tester 0"));
    // A stream keeps its place until its client leaves.
    let stream = router.clone().oneshot(request("GET", "/stream", TOKEN, "")).await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    assert_eq!(ask(&router, request("GET", "/stream", TOKEN, "")).await, is(503, "no-room"));
    drop(stream);
    let again = router.clone().oneshot(request("GET", "/stream", TOKEN, "")).await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);
}

#[test]
fn a_request_has_so_long_and_a_stream_has_longer() {
    let clock = Arc::new(ManualClock::new());
    virtual_time(&clock.clone(), async move {
        let app = stage(clock.clone(), |settings| {
            settings.http.limits.request_seconds = oneiric_core::settings::Seconds::new(30.0);
        })
        .await;
        let router = behind_rules(table(), app);
        let since = clock.monotonic();
        assert_eq!(ask(&router, request("GET", "/slow", TOKEN, "")).await, is(503, "timeout"));
        let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(ask(&router, request("POST", "/echo", TOKEN, never)).await, is(408, "timeout"));
        assert_eq!(clock.monotonic() - since, Duration::from_secs(60));
        let stream = router.oneshot(request("GET", "/stream", TOKEN, "")).await.unwrap();
        let mut parts = stream.into_body().into_data_stream();
        assert_eq!(parts.next().await.unwrap().unwrap(), "one");
        tokio::select! {
            _ = parts.next() => panic!("it ended"),
            () = clock.sleep(Duration::from_secs(3600)) => {}
        }
    });
}

#[tokio::test]
async fn a_panic_is_an_answer_that_names_its_request() {
    let router = plain(|_| {}).await;
    let mut asked = request("GET", "/panics", TOKEN, "");
    asked.headers_mut().insert("x-request-id", "mine".parse().unwrap());
    let response = router.clone().oneshot(asked).await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "mine");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["error"], "panicked");
    assert!(problem["message"].as_str().unwrap().ends_with("request id mine"), "{problem}");
    let long = format!("/open?{}", "x".repeat(9000));
    assert_eq!(ask(&router, request("GET", &long, "", "")).await, is(414, "uri-too-long"));
}

#[tokio::test]
async fn a_callback_is_carried_out_once_for_one_token() {
    let google = Google::start("one").await;
    let app = stage(Arc::new(SystemClock::default()), |settings| {
        settings.http.oidc.keys_url = google.url.clone();
        settings.http.oidc.audiences = vec![AUDIENCE.to_owned()];
        settings.http.oidc.emails = vec![EMAIL.to_owned()];
    })
    .await;
    app.authority().believe(Arc::new(OverHttp::default()));
    let router = behind_rules(table(), app);
    let ask = |token: &str, body: &str| ask(&router, request("POST", "/callback", token, body.to_owned()));
    let (first, second) = (google.token(json!({"jti": "a"})), google.token(json!({"jti": "b"})));
    let name = format!("google:{EMAIL}");
    for (token, body, expected) in [
        (&first, r#"{"run":1}"#, is(200, &name)),
        (&first, r#"{"run":1}"#, is(409, "replayed")),
        (&first, r#"{"run":2}"#, is(200, &name)),
        (&second, r#"{"run":1}"#, is(200, &name)),
        (&second, r#"{"fails":true}"#, is(503, &name)),
        (&second, r#"{"fails":true}"#, is(503, &name)),
    ] {
        assert_eq!(ask(token, body).await, expected, "{body}");
    }
    // A token of ours is nobody else's to replay.
    for _ in 0..2 {
        assert_eq!(ask(TOKEN, r#"{"run":1}"#).await, is(200, "token:tester"));
    }
}

#[tokio::test]
async fn where_tokens_cannot_be_checked_nobody_comes_in() {
    use crate::authority::{Authority, Refusal};
    use crate::tokens;
    let store: Arc<dyn oneiric_store::Store> = Arc::new(oneiric_store::MemoryStore::new());
    let dead = Arc::new(oneiric_testkit::CrashingStore::new(store.clone(), 1, oneiric_testkit::Side::Before));
    let mut settings = Settings::default();
    settings.http.port = Some(0);
    let options = Options::of(&settings, false).unwrap().unwrap();
    let clock = Arc::new(ManualClock::new());
    let rng = oneiric_core::rng::SeededRng::new(1);
    let now = clock.now();
    let authority = Authority::new(&options, store.clone(), clock.clone()).unwrap();
    let (access, mut named) = (Access::Scope(HttpScope::Read), BTreeMap::new());
    let mut headers = HeaderMap::new();
    assert_eq!(authority.admit(access, &headers, &named).await.unwrap().actor.to_string(), "local");
    let (token, _) =
        tokens::create(store.as_ref(), &rng, Some("ci"), HttpScope::Read, now, None).await.unwrap();
    clock.advance(Duration::from_secs(1));
    let refused = authority.admit(access, &headers, &named).await.unwrap_err();
    assert_eq!(refused, Refusal::Missing { needs: HttpScope::Read }, "there is a token now");
    headers.insert(header::AUTHORIZATION, format!("Bearer {}", token.reveal()).parse().unwrap());
    assert_eq!(authority.admit(access, &headers, &named).await.unwrap().actor.to_string(), "token:ci");
    tokens::revoke(store.as_ref(), "ci", now).await.unwrap();
    clock.advance(Duration::from_secs(1));
    assert_eq!(authority.admit(access, &headers, &named).await.unwrap_err(), Refusal::Unknown);

    // Settings that were read again count at once, as far as they are right.
    let (text, sha256) = ("Bearer of-settings", Digest::of(b"of-settings").to_string());
    let of_settings = HeaderMap::from_iter([(header::AUTHORIZATION, text.parse().unwrap())]);
    assert_eq!(authority.admit(access, &of_settings, &named).await.unwrap_err(), Refusal::Unknown);
    let token = HttpToken { sha256, scopes: vec![HttpScope::Read], expires_at: None };
    named.insert("new".to_owned(), token);
    named.insert("wrong".to_owned(), HttpToken::default());
    let admitted = authority.admit(access, &of_settings, &named).await.unwrap();
    assert_eq!(admitted.actor.to_string(), "token:new");
    let none = HeaderMap::new();
    assert_eq!(
        authority.admit(access, &none, &named).await.unwrap_err(),
        Refusal::Missing { needs: HttpScope::Read }
    );
    named.clear();
    assert_eq!(authority.admit(access, &of_settings, &named).await.unwrap_err(), Refusal::Unknown);

    assert!(tokens::create(dead.as_ref(), &rng, None, HttpScope::Read, now, None).await.is_err());
    let authority = Authority::new(&options, dead, clock.clone()).unwrap();
    for headers in [HeaderMap::new(), headers] {
        let refused = authority.admit(access, &headers, &named).await.unwrap_err();
        assert!(matches!(refused, Refusal::Unavailable(_)), "{refused:?}");
    }
}
