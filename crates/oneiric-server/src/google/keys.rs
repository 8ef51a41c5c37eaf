//! The issuer's keys: read when they are needed, kept for as long as the issuer says, and for a while longer where it
//! cannot be reached.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oneiric_core::{Clock, Fault};
use serde::Deserialize;

/// How long keys count at least and at most, whatever their issuer says; Google says about six hours.
const FRESH: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(24 * 3600));

/// How much longer they count while the issuer cannot be reached. A key that was withdrawn counts as long, too.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// How often they are read again at most, because somebody shows a token of an unknown key.
const AGAIN: Duration = Duration::from_secs(60);

/// How often the issuer is asked while it does not answer.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// How long the issuer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer, in bytes, and the most keys in it; Google's has two, in 2 KiB.
const MOST_BYTES: usize = 64 << 10;
const MOST_KEYS: usize = 64;

/// Where the keys of an issuer are read. The server opens no connections; whoever assembles it can.
#[async_trait]
pub trait KeySource: Send + Sync + fmt::Debug {
    /// Reads what is at the address; at most 64 KiB of it are of use. Idempotent, and may be dropped at any time.
    ///
    /// # Errors
    /// A fault of any class: the keys that were read before count for a while.
    async fn fetch(&self, url: &str) -> Result<PublishedKeys, Fault>;
}

const _: fn(&dyn KeySource) = |_| {};

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedKeys {
    /// The answer: a JWK set.
    pub body: Vec<u8>,
    /// How long it counts: `max-age` of its `Cache-Control`.
    pub max_age: Option<Duration>,
}

/// A key that may have signed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    n: Vec<u8>,
    e: Vec<u8>,
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The issuer has none of this name.
    Unknown,
    /// Nobody knows.
    Unreachable,
}

impl Key {
    /// Whether it has signed this.
    pub(super) fn has_signed(&self, signed: &[u8], signature: &[u8]) -> bool {
        let key = RsaPublicKeyComponents { n: &self.n, e: &self.e };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok()
    }
}

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct Keys {
    url: String,
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
    /// Held by the one who asks the issuer.
    asking: tokio::sync::Mutex<()>,
}

/// What is known of them. Times are on the monotonic clock.
#[derive(Debug, Default)]
struct Held {
    keys: HashMap<String, Arc<Key>>,
    fresh_until: Duration,
    next_try: Duration,
    failed: bool,
}

/// What is to be done for somebody who needs a key.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Use(Arc<Key>),
    /// Ask the issuer; meanwhile others may use this one.
    Ask(Option<Arc<Key>>),
    Give(NoKey),
}

impl Held {
    fn next(&self, kid: &str, now: Duration) -> Next {
        let known = self.keys.get(kid).map(Arc::clone);
        let is_fresh = now < self.fresh_until;
        let usable = known.filter(|_| now < self.fresh_until + STALE);
        match usable {
            Some(key) if is_fresh || now < self.next_try => Next::Use(key),
            usable if now >= self.next_try => Next::Ask(usable),
            _ if self.failed => Next::Give(NoKey::Unreachable),
            _ => Next::Give(NoKey::Unknown),
        }
    }

    fn heard(&mut self, keys: HashMap<String, Arc<Key>>, max_age: Option<Duration>, now: Duration) {
        let fresh = max_age.unwrap_or(FRESH.0).clamp(FRESH.0, FRESH.1);
        *self = Self { keys, fresh_until: now + fresh, next_try: now + AGAIN, failed: false };
    }

    fn failed(&mut self, now: Duration) {
        (self.next_try, self.failed) = (now + AFTER_FAILURE, true);
    }
}

impl Keys {
    pub(super) fn new(url: String, source: Arc<dyn KeySource>, clock: Arc<dyn Clock>) -> Self {
        Self { url, source, clock, held: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// The key of this name. Asks the issuer where that may help, one request at a time.
    pub(super) async fn find(&self, kid: &str) -> Result<Arc<Key>, NoKey> {
        let usable = match self.next(kid) {
            Next::Use(key) => return Ok(key),
            Next::Give(none) => return Err(none),
            Next::Ask(usable) => usable,
        };
        let _asking = match (self.asking.try_lock(), usable) {
            (Ok(asking), _) => asking,
            // Somebody asks already.
            (Err(_), Some(key)) => return Ok(key),
            (Err(_), None) => self.asking.lock().await,
        };
        if let Next::Ask(_) = self.next(kid) {
            self.ask().await;
        }
        match self.next(kid) {
            Next::Use(key) => Ok(key),
            Next::Give(none) => Err(none),
            Next::Ask(_) => Err(NoKey::Unreachable),
        }
    }

    fn next(&self, kid: &str) -> Next {
        self.held().next(kid, self.clock.monotonic())
    }

    async fn ask(&self) {
        let read = tokio::select! {
            read = self.source.fetch(&self.url) => read.map_err(|fault| fault.message),
            () = self.clock.sleep(PATIENCE) => Err(format!("no answer within {PATIENCE:?}")),
        };
        let read = read.and_then(|read| Ok((parse(&read.body)?, read.max_age)));
        let now = self.clock.monotonic();
        match read {
            Ok((keys, max_age)) => self.held().heard(keys, max_age, now),
            Err(why) => {
                tracing::warn!(url = self.url, why, "the keys for callbacks cannot be read");
                self.held().failed(now);
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    #[serde(default)]
    kty: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    kid: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
}

/// The keys of a set that may sign with RS256; others are left out.
fn parse(body: &[u8]) -> Result<HashMap<String, Arc<Key>>, String> {
    if body.len() > MOST_BYTES {
        return Err(format!("they are longer than {MOST_BYTES} bytes"));
    }
    let set: Set =
        serde_json::from_slice(body).map_err(|error| format!("they are no set of keys: {error}"))?;
    let may_sign = |key: &Jwk| {
        key.kty == "RSA"
            && key.alg.as_deref().is_none_or(|alg| alg == "RS256")
            && key.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
    };
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| !bytes.is_empty());
    let keys = set.keys.iter().take(MOST_KEYS).filter(|key| may_sign(key));
    let keys = keys
        .filter_map(|key| Some((key.kid.clone(), Arc::new(Key { n: decode(&key.n)?, e: decode(&key.e)? }))));
    let keys: HashMap<_, _> = keys.collect();
    if keys.is_empty() { Err("there is no key for RS256 among them".to_owned()) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use oneiric_testkit::ManualClock;
    use serde_json::json;

    use super::*;

    /// Serves what it is told, and counts.
    #[derive(Debug, Default)]
    struct Issuer {
        serves: Mutex<Option<&'static str>>,
        asked: AtomicUsize,
    }

    #[async_trait]
    impl KeySource for Issuer {
        async fn fetch(&self, _: &str) -> Result<PublishedKeys, Fault> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            let Some(kid) = *self.serves.lock().unwrap() else { return Err(Fault::transient("x", "away")) };
            let set = json!({"keys": [{"kty": "RSA", "kid": kid, "n": "AQAB", "e": "AQAB"}]});
            Ok(PublishedKeys { body: set.to_string().into_bytes(), max_age: Some(Duration::from_secs(3600)) })
        }
    }

    struct Stage {
        issuer: Arc<Issuer>,
        clock: Arc<ManualClock>,
        keys: Keys,
    }

    impl Stage {
        fn new(serves: Option<&'static str>) -> Self {
            let issuer = Arc::new(Issuer { serves: Mutex::new(serves), asked: AtomicUsize::new(0) });
            let clock = Arc::new(ManualClock::new());
            let keys = Keys::new("http://keys".to_owned(), issuer.clone(), clock.clone());
            Self { issuer, clock, keys }
        }

        fn serve(&self, kid: Option<&'static str>) {
            *self.issuer.serves.lock().unwrap() = kid;
        }

        async fn after(&self, seconds: u64, kid: &str) -> (Result<(), NoKey>, usize) {
            self.clock.advance(Duration::from_secs(seconds));
            let found = self.keys.find(kid).await.map(|_| ());
            (found, self.issuer.asked.swap(0, Ordering::Relaxed))
        }
    }

    #[tokio::test]
    async fn keys_are_read_once_and_again_when_they_are_old_or_unknown() {
        let stage = Stage::new(Some("a"));
        assert_eq!(stage.after(0, "a").await, (Ok(()), 1));
        assert_eq!(stage.after(3599, "a").await, (Ok(()), 0));
        assert_eq!(stage.after(1, "a").await, (Ok(()), 1));
        stage.serve(Some("b"));
        assert_eq!(stage.after(1, "b").await, (Err(NoKey::Unknown), 0), "not within a minute");
        assert_eq!(stage.after(59, "b").await, (Ok(()), 1));
        for _ in 0..10 {
            assert_eq!(stage.after(0, "made up").await, (Err(NoKey::Unknown), 0));
        }
        assert_eq!(stage.after(0, "a").await, (Err(NoKey::Unknown), 0), "it was withdrawn");
    }

    #[tokio::test]
    async fn old_keys_count_for_a_day_while_the_issuer_is_away() {
        let stage = Stage::new(None);
        assert_eq!(stage.after(0, "a").await, (Err(NoKey::Unreachable), 1));
        assert_eq!(stage.after(9, "a").await, (Err(NoKey::Unreachable), 0));
        stage.serve(Some("a"));
        assert_eq!(stage.after(1, "a").await, (Ok(()), 1));
        stage.serve(None);
        assert_eq!(stage.after(3600, "a").await, (Ok(()), 1));
        assert_eq!(stage.after(1, "a").await, (Ok(()), 0));
        assert_eq!(stage.after(24 * 3600 - 2, "a").await, (Ok(()), 1));
        assert_eq!(stage.after(10, "a").await, (Err(NoKey::Unreachable), 1));
    }

    #[tokio::test]
    async fn a_crowd_asks_the_issuer_once() {
        let stage = Stage::new(Some("a"));
        let crowd = futures_util::future::join_all((0..100).map(|_| stage.keys.find("a"))).await;
        assert!(crowd.iter().all(Result::is_ok));
        assert_eq!(stage.issuer.asked.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn only_keys_that_sign_with_rs256_are_taken() {
        let check = |key: serde_json::Value, expected: bool| {
            let body = json!({ "keys": [key] }).to_string();
            assert_eq!(parse(body.as_bytes()).is_ok(), expected, "{body}");
        };
        check(
            json!({"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB", "alg": "RS256", "use": "sig"}),
            true,
        );
        check(json!({"kty": "EC", "kid": "a", "n": "AQAB", "e": "AQAB"}), false);
        check(json!({"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB", "alg": "RS512"}), false);
        check(json!({"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB", "use": "enc"}), false);
        check(json!({"kty": "RSA", "kid": "a", "n": "", "e": "AQAB"}), false);
        assert!(parse(&vec![b' '; MOST_BYTES + 1]).is_err());
        assert!(parse(b"<html>").is_err());
    }
}
