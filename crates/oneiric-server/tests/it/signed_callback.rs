//! Callbacks that Google signs, as far as a run.

use oneiric_core::settings::HttpAuth;
use serde_json::{Value, json};

use crate::google::{AUDIENCE, EMAIL, Google};
use crate::runs::shop;
use crate::stage::{Answer, Stage};

#[tokio::test]
async fn a_callback_makes_one_run_whatever_is_brought_again() {
    let google = Google::start("one").await;
    let keys_url = google.url.clone();
    let stage = Stage::of(shop(), |settings| {
        settings.http.auth = HttpAuth::Required;
        settings.http.oidc.keys_url = keys_url;
        settings.http.oidc.audiences = vec![AUDIENCE.to_owned()];
        settings.http.oidc.emails = vec![EMAIL.to_owned()];
    })
    .await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let send = async |token: &str, body: &Value| -> Answer {
        let authorization = format!("Bearer {token}");
        let headers =
            [("authorization", &*authorization), ("x-request-id", "delivery-1"), ("traceparent", &*parent)];
        stage.send("POST", "/tasks/workflow", Some(body.clone()), &headers).await
    };
    let task = |n: i64| json!({"workflow": "hello", "run_id": "019a0000-0000-7000-8000-000000000001", "metadata": {"n": n}});
    let (first, second) = (google.token(json!({"jti": "1"})), google.token(json!({"jti": "2"})));
    let made = send(&first, &task(1)).await;
    assert_eq!(made.status, 200, "{:?}", made.body);
    // Whoever caught it cannot send it again; the platform, which makes another token, can.
    assert_eq!(send(&first, &task(1)).await.word(), (409, "replayed"));
    let again = send(&second, &task(1)).await;
    assert_eq!((again.status, &again.body["result"]["results"]), (200, &made.body["result"]["results"]));
    let other = google.token(json!({"aud": "https://other.example"}));
    assert_eq!(send(&other, &task(1)).await.word(), (401, "invalid-token"));

    let runs = stage.oneiric.store().runs(oneiric_store::RunFilter::newest(10)).await.unwrap();
    let [run] = &runs[..] else { panic!("{} runs", runs.len()) };
    assert_eq!(run.actor.as_deref(), Some(format!("google:{EMAIL}").as_str()));
    assert_eq!(run.correlation.as_deref(), Some("delivery-1"));
    assert!(run.traceparent.as_ref().unwrap().starts_with(&format!("00-{trace}-")), "{:?}", run.traceparent);
    stage.end().await;
}
