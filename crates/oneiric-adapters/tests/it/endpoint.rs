//! `http(s):` what is asked, what is answered, and who may be asked.

use oneiric_adapters::endpoint::Http;
use oneiric_adapters::{Limits, Parts};
use oneiric_core::roles::{Action, Envelope, EventHandler};
use oneiric_core::{Blueprint, Class, ComponentRuntime, Fault, Instance};
use serde_json::{Value, json};

use crate::server::{Reaction, Server};
use crate::support::{Call, descriptor, parts};

fn blueprint(factory: &str, http: Value, settings: Value) -> Blueprint {
    let mut descriptor = descriptor(factory, Value::Null);
    descriptor.metadata.insert("http".to_owned(), http);
    Blueprint::from(descriptor).with_settings(settings.as_object().unwrap().clone())
}

fn open_parts() -> Parts {
    let mut parts = parts(Limits::STANDARD);
    parts.http.allow_private = true;
    parts
}

async fn build(parts: &Parts, blueprint: &Blueprint) -> Result<Instance, Fault> {
    let runtime = Http::new(parts);
    runtime.check(blueprint)?;
    runtime.build(blueprint).await
}

fn echo() -> Server {
    Server::start(|request| Reaction::json(request.body.clone()))
}

#[tokio::test]
async fn a_call_is_a_post_of_its_input_with_its_context_in_headers() {
    let server = echo();
    let http = json!({"headers": {"X-Ledger": "main", "X-Kind": "entry"}});
    let settings = json!({"headers": {"Authorization": "Bearer s3cret", "X-Kind": "settings"}, "other": 1});
    let blueprint = blueprint(&server.url("charge?x=1"), http, settings);
    let instance = build(&open_parts(), &blueprint).await.unwrap();
    let mut call = Call::new(json!({"amount": 7}));
    call.attempt = 2;
    assert_eq!(call.run(&instance).await.unwrap(), json!({"amount": 7}));
    let seen = &server.seen()[0];
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "charge?x=1"));
    assert_eq!(seen.body, b"{\"amount\":7}");
    for (name, value) in [
        ("content-type", "application/json"),
        ("oneiric-role", "task"),
        ("oneiric-run-id", &call.run.to_string()),
        ("oneiric-workflow", "shop"),
        ("oneiric-node", "charge"),
        ("oneiric-attempt", "2"),
        ("idempotency-key", &call.cx().idempotency_key()),
        ("x-ledger", "main"),
        ("x-kind", "settings"),
        ("authorization", "Bearer s3cret"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    assert!(seen.header("traceparent").is_none());

    instance.role::<dyn Action>().unwrap().apply(json!(1).into()).await.unwrap();
    let seen = &server.seen()[1];
    assert_eq!((seen.header("oneiric-role"), seen.header("idempotency-key")), (Some("action"), None));
    let envelope = Envelope::new("order.paid".parse().unwrap(), json!({"id": 7}));
    let answer = instance.role::<dyn EventHandler>().unwrap().handle(&envelope).await.unwrap();
    assert_eq!(answer.value(), envelope.to_payload().value());
}

#[tokio::test]
async fn every_answer_is_a_result_or_a_fault() {
    let server = Server::start(|request| match request.path.as_str() {
        "nothing" => Reaction::Answer(204, String::new(), Vec::new()),
        "empty" => Reaction::Answer(201, String::new(), Vec::new()),
        "busy" => Reaction::Answer(429, "Retry-After: 7\r\n".to_owned(), Vec::new()),
        "moved" => Reaction::Answer(302, "Location: /there\r\n".to_owned(), Vec::new()),
        "problem" => Reaction::Answer(
            422,
            "Content-Type: application/problem+json\r\n".to_owned(),
            br#"{"title": "No funds", "detail": "7 of 9", "status": 422}"#.to_vec(),
        ),
        "page" => Reaction::Answer(200, String::new(), b"<html>".to_vec()),
        _ => Reaction::HangUp,
    });
    let call = async |path: &str| {
        let instance =
            build(&open_parts(), &blueprint(&server.url(path), json!({}), json!({}))).await.unwrap();
        Call::new(json!(1)).run(&instance).await
    };
    assert_eq!(call("nothing").await, Ok(json!(null)));
    assert_eq!(call("empty").await, Ok(json!(null)));
    let busy = call("busy").await.unwrap_err();
    assert_eq!(
        (busy.class, busy.code.as_str(), busy.retry_after_ms),
        (Class::Transient, "http-429", Some(7000))
    );
    let moved = call("moved").await.unwrap_err();
    assert_eq!((moved.class, moved.code.as_str()), (Class::Permanent, "http-302"));
    assert!(moved.message.ends_with("answered 302; name the place that it redirects to: /there"), "{moved}");
    let problem = call("problem").await.unwrap_err();
    assert_eq!((problem.class, problem.code.as_str()), (Class::Permanent, "http-422"));
    assert!(problem.message.ends_with("/problem` answered 422: No funds: 7 of 9"), "{problem}");
    assert_eq!(call("page").await.unwrap_err().code, "bad-output");
    assert_eq!(call("gone").await.unwrap_err().class, Class::UnknownOutcome);
}

#[tokio::test]
async fn a_lost_connection_is_transient_where_a_repetition_is_harmless() {
    let server = Server::start(|_| Reaction::HangUp);
    let mut descriptor = blueprint(&server.url(""), json!({}), json!({})).descriptor.as_ref().clone();
    descriptor.idempotent = Some(true);
    let instance = build(&open_parts(), &Blueprint::from(descriptor)).await.unwrap();
    assert_eq!(Call::new(json!(1)).run(&instance).await.unwrap_err().class, Class::Transient);
}

#[tokio::test]
async fn private_addresses_are_the_operators_to_allow_and_not_a_manifests() {
    let server = echo();
    let refused = async |http: Value, settings: Value, code: &str| {
        let blueprint = blueprint(&server.url(""), http, settings);
        build(&parts(Limits::STANDARD), &blueprint).await.map(|_| ()).unwrap_err().code == code
    };
    assert!(refused(json!({}), json!({}), "egress-denied").await);
    assert!(refused(json!({"allow_private": true}), json!({}), "bad-metadata").await);
    let allowed = json!({"http": {"allow_private": true}});
    let instance =
        build(&parts(Limits::STANDARD), &blueprint(&server.url(""), json!({}), allowed)).await.unwrap();
    Call::new(json!(1)).run(&instance).await.unwrap();
    // A name is judged by what it leads to, when it is called.
    let url = server.url("").replace("127.0.0.1", "localhost");
    let instance = build(&parts(Limits::STANDARD), &blueprint(&url, json!({}), json!({}))).await.unwrap();
    let fault = Call::new(json!(1)).run(&instance).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Denied, "egress-denied"));
}

#[tokio::test]
async fn what_is_wrong_is_found_at_load_and_no_secret_is_shown() {
    let check = async |factory: &str, http: Value, settings: Value, code: &str, part: &str| {
        let fault = build(&open_parts(), &blueprint(factory, http, settings)).await.unwrap_err();
        assert_eq!(fault.code, code, "{fault}");
        assert!(fault.message.contains(part), "{fault}");
        assert!(!fault.message.contains("s3cret"), "{fault}");
    };
    let url = "https://shop.example/x";
    let none = || json!({});
    check("https://", none(), none(), "bad-factory", "no address that can be called").await;
    check(
        "http://ada:s3cret@shop.example/x?token=s3cret",
        none(),
        none(),
        "bad-factory",
        "put a header into the settings",
    )
    .await;
    check(url, json!({"method": "PUT"}), none(), "bad-metadata", "`metadata.http.method` is unknown").await;
    check(url, json!({"timeout_seconds": -1}), none(), "bad-metadata", "a number of seconds").await;
    check(url, json!({"health": "ftp://x"}), none(), "bad-factory", "neither http:// nor https://").await;
    let elsewhere = json!({"health": "https://evil.example/x"});
    check(url, elsewhere, none(), "bad-metadata", "is not on the host that the factory names").await;
    check(url, none(), json!({"headers": "s3cret"}), "bad-settings", "`settings.headers` is not a table")
        .await;
    check(url, none(), json!({"headers": {"A": 1}}), "bad-settings", "holds `A`, which is not a string")
        .await;
    let own = json!({"headers": {"Oneiric-Node": "s3cret"}});
    check(url, none(), own, "bad-settings", "header `Oneiric-Node` is set by every call").await;
}
