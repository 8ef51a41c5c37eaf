//! A process with a port, in this test.

use std::sync::Arc;
use std::time::Duration;

use oneiric_core::settings::Settings;
use oneiric_runtime::{Builder, Oneiric, SystemClock};
use oneiric_server::{Options, Server};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::google::OverHttp;
use crate::shapes;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The word of a problem.
    pub(crate) fn word(&self) -> (u16, &str) {
        (self.status, self.body["error"].as_str().unwrap_or_default())
    }
}

/// A live process and its port.
pub(crate) struct Stage {
    pub(crate) oneiric: Oneiric,
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
    pub(crate) asked_to_stop: CancellationToken,
    stop: CancellationToken,
    serving: AbortOnDropHandle<()>,
}

impl Stage {
    /// Opens a port for what `builder` makes, with settings changed by `change`.
    pub(crate) async fn of(builder: Builder, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        settings.http.port = Some(0);
        change(&mut settings);
        let options = Options::of(&settings, false).unwrap().unwrap();
        let oneiric = builder.settings(settings).start().await.unwrap();
        let server = Server::bind(oneiric.clone(), options).await.unwrap();
        let server = server.with_keys(Arc::new(OverHttp::default()));
        let url = format!("http://{}", server.address());
        let (stop, asked_to_stop) = (CancellationToken::new(), server.asked_to_stop());
        let serving = server.serve(stop.clone(), Duration::from_secs(5), Arc::new(SystemClock::default()));
        let serving = AbortOnDropHandle::new(tokio::spawn(serving));
        Self { oneiric, url, client: reqwest::Client::new(), asked_to_stop, stop, serving }
    }

    pub(crate) async fn plain() -> Self {
        Self::of(Oneiric::builder(), |_| {}).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.send("GET", path, None, &[]).await;
        (answer.status, answer.body)
    }

    /// Sends JSON with further headers; the status, the headers and the body of the answer, `null` where it has none.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        let answer = Answer { status, headers, body };
        shapes::expect_fit(method, path, &answer);
        answer
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, Some(body), &[]).await
    }

    /// Waits for the end of a run.
    pub(crate) async fn ended(&self, run: &str) -> Value {
        loop {
            let (status, run) = self.get(&format!("/v1/runs/{run}?wait=20")).await;
            assert_eq!(status, 200, "{run}");
            if !["pending", "running"].contains(&run["status"].as_str().unwrap()) {
                return run;
            }
        }
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.serving.await.unwrap();
        self.oneiric.shutdown(Duration::from_secs(5)).await.unwrap();
    }
}
