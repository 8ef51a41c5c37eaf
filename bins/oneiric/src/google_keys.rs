//! Reads the keys with which Google signs callbacks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oneiric_adapters::http::{Client, Limits, Policy, Request, Tls};
use oneiric_core::Fault;
use oneiric_runtime::SystemClock;
use oneiric_server::{KeySource, PublishedKeys};
use tokio::sync::OnceCell;

/// Reads them over HTTPS. Certificates are read with the first look, so that starting does not wait for them.
#[derive(Debug, Default)]
pub(crate) struct OverHttps(OnceCell<Client>);

/// The server gives up after 5 s and takes no more than 64 KiB.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    total: Duration::from_secs(5),
    max_response_bytes: 64 << 10,
    max_redirects: 0,
};

impl OverHttps {
    async fn client(&self) -> Result<&Client, Fault> {
        self.0
            .get_or_try_init(|| async {
                // The address is the operator's, who may have an issuer in the house.
                let policy = Policy { allow_hosts: Vec::new(), allow_private: true };
                Client::open(policy, LIMITS, &Tls::default(), Arc::new(SystemClock::default()))
            })
            .await
    }
}

#[async_trait]
impl KeySource for OverHttps {
    async fn fetch(&self, url: &str) -> Result<PublishedKeys, Fault> {
        let answer = self.client().await?.send(Request::new("GET", url)).await?;
        let max_age = answer.header("cache-control").and_then(max_age);
        Ok(PublishedKeys { max_age, body: answer.body })
    }
}

/// The seconds of `max-age`: <https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.1>.
fn max_age(cache_control: &str) -> Option<Duration> {
    let mut directives = cache_control.split(',').map(|directive| directive.trim().to_ascii_lowercase());
    let seconds = directives.find_map(|directive| directive.strip_prefix("max-age=").map(str::to_owned))?;
    seconds.trim_matches('"').parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_found_among_other_directives() {
        let check = |text, seconds: Option<u64>| {
            assert_eq!(max_age(text), seconds.map(Duration::from_secs), "{text}");
        };
        check("public, max-age=19573, must-revalidate, no-transform", Some(19573));
        check("Max-Age=\"60\"", Some(60));
        check("s-maxage=10", None);
        check("max-age=soon", None);
        check("", None);
    }
}
