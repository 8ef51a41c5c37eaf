//! A process with a port, in this test.

use std::sync::Arc;
use std::time::Duration;

use oneiric_core::settings::Settings;
use oneiric_runtime::{Builder, Oneiric, SystemClock};
use oneiric_server::{Options, Server};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::google::OverHttp;

/// A live process and its port.
pub(crate) struct Stage {
    pub(crate) oneiric: Oneiric,
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
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
        let stop = CancellationToken::new();
        let serving = server.serve(stop.clone(), Duration::from_secs(5), Arc::new(SystemClock::default()));
        let serving = AbortOnDropHandle::new(tokio::spawn(serving));
        Self { oneiric, url, client: reqwest::Client::new(), stop, serving }
    }

    pub(crate) async fn plain() -> Self {
        Self::of(Oneiric::builder(), |_| {}).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, serde_json::Value) {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.serving.await.unwrap();
        self.oneiric.shutdown(Duration::from_secs(5)).await.unwrap();
    }
}
