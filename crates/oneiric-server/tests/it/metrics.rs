//! What a process has counted, as monitoring fetches it.

use crate::stage::Stage;

async fn fetch(stage: &Stage, path: &str, accept: &str) -> (String, String) {
    let request = stage.client.get(format!("{}{path}", stage.url)).header("accept", accept);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    (answer.headers()["content-type"].to_str().unwrap().to_owned(), answer.text().await.unwrap())
}

#[tokio::test]
async fn monitoring_gets_the_format_that_it_asks_for() {
    let stage = Stage::plain().await;
    let (kind, text) = fetch(&stage, "/metrics", "*/*").await;
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    assert!(text.contains("# TYPE oneiric_ready gauge\noneiric_ready 1\n"), "{text}");
    let (kind, text) =
        fetch(&stage, "/metrics", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5").await;
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(text.ends_with("# EOF\n"), "{text}");
    stage.end().await;
}

#[tokio::test]
async fn no_client_makes_a_series() {
    let stage = Stage::plain().await;
    for path in ["/healthz", "/healthz?a=1", "/no/such/page", "/another"] {
        stage.client.get(format!("{}{path}", stage.url)).send().await.unwrap();
    }
    let made_up = reqwest::Method::from_bytes(b"DANCE").unwrap();
    stage.client.request(made_up, format!("{}/healthz", stage.url)).send().await.unwrap();
    let (_, text) = fetch(&stage, "/metrics", "*/*").await;
    for line in [
        r#"http_requests_total{route="/healthz",method="GET",code="200"} 2"#,
        r#"http_requests_total{route="/healthz",method="other",code="405"} 1"#,
        r#"http_requests_total{route="other",method="GET",code="404"} 2"#,
        r#"http_request_duration_seconds_count{route="/healthz"} 3"#,
        "http_requests_in_flight 1",
    ] {
        assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
    }
    stage.end().await;
}
