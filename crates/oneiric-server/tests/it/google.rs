//! A fake of Google: it signs tokens with a key that it has just made, and serves that key over HTTP as
//! <https://www.googleapis.com/oauth2/v3/certs> does. Everything but the signer is as with the real one.

use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oneiric_core::{Clock as _, Fault};
use oneiric_runtime::SystemClock;
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

/// For whom its tokens are made.
pub(crate) const AUDIENCE: &str = "https://shop.example";

/// Who sends callbacks.
pub(crate) const EMAIL: &str = "tasks@shop.iam.gserviceaccount.com";

pub(crate) struct Google {
    /// Where its keys are.
    pub(crate) url: String,
    kid: &'static str,
    key: RsaKeyPair,
    _serving: AbortOnDropHandle<()>,
}

impl Google {
    pub(crate) async fn start(kid: &'static str) -> Self {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        // PKCS#1: a sequence of two numbers. The first has 2048 bits behind a zero, the second is 65537.
        let der = key.public_key().as_ref();
        let (n, e) = (&der[9..9 + 256], &der[der.len() - 3..]);
        assert_eq!((der[4], der[8], e), (2, 0, &[1, 0, 1][..]));
        let set = json!({"keys": [{
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid,
            "n": URL_SAFE_NO_PAD.encode(n), "e": URL_SAFE_NO_PAD.encode(e),
        }]});
        let router = Router::new().route(
            "/certs",
            get(move || async move { ([("cache-control", "public, max-age=21600")], Json(set)) }),
        );
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/certs", listener.local_addr().unwrap());
        let serving = AbortOnDropHandle::new(tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        }));
        Self { url, kid, key, _serving: serving }
    }

    /// A token that counts, but for what `change` says.
    pub(crate) fn token(&self, change: Value) -> String {
        self.signed_as(self.kid, change)
    }

    /// The same under the name of another key.
    pub(crate) fn signed_as(&self, kid: &str, change: Value) -> String {
        let now = SystemClock::default().now().as_micros() / 1_000_000;
        let mut claims = json!({
            "iss": "https://accounts.google.com", "aud": AUDIENCE, "sub": "1234", "azp": "1234",
            "email": EMAIL, "email_verified": true, "iat": now, "exp": now + 3600,
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let header = json!({"alg": "RS256", "kid": kid, "typ": "JWT"});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        self.key.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Reads keys as the command line's process does, without its egress policy.
#[derive(Debug, Default)]
pub(crate) struct OverHttp(reqwest::Client);

#[async_trait]
impl crate::KeySource for OverHttp {
    async fn fetch(&self, url: &str) -> Result<crate::PublishedKeys, Fault> {
        let lost = |error: reqwest::Error| Fault::transient("lost", error.to_string());
        let answer = self.0.get(url).send().await.map_err(lost)?;
        let body = answer.bytes().await.map_err(lost)?.to_vec();
        Ok(crate::PublishedKeys { body, max_age: Some(Duration::from_secs(21600)) })
    }
}
