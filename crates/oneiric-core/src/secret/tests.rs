//! The chain against stores that count.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::*;
use crate::clock::Sleep;
use crate::roles::SecretStore;
use crate::{Clock, Fault, Provider, Timestamp};

/// Time that a test moves.
#[derive(Debug, Default)]
struct Hand(AtomicU64);

impl Hand {
    fn forward(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }
    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(std::future::ready(()))
    }
}

#[derive(Debug, Default)]
struct Counting {
    values: Mutex<BTreeMap<String, String>>,
    asked: AtomicUsize,
    told: AtomicUsize,
    /// Where set, calls wait for it.
    door: Option<Notify>,
    broken: bool,
}

impl Counting {
    fn of(values: &[(&str, &str)]) -> Arc<Self> {
        let values = values.iter().map(|(id, value)| ((*id).to_owned(), (*value).to_owned())).collect();
        Arc::new(Self { values: Mutex::new(values), ..Self::default() })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl SecretStore for Counting {
    async fn get(&self, id: &SecretId) -> Result<Option<Secret>, Fault> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let value = self.values.lock().unwrap().get(id.as_str()).map(Secret::new);
        if let Some(door) = &self.door {
            door.notified().await;
        }
        if self.broken { Err(Fault::transient("down", "the store is down")) } else { Ok(value) }
    }

    async fn invalidate(&self, _: Option<&SecretId>) -> Result<(), Fault> {
        self.told.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn how_to_set(&self, id: &SecretId) -> Option<String> {
        Some(format!("set {}", id.variable()))
    }
}

fn id(text: &str) -> SecretRef {
    SecretId::new(text).unwrap().into()
}

fn chain(stores: &[(&str, Arc<Counting>)], ttl: u64) -> (Secrets, Arc<Hand>) {
    let clock = Arc::new(Hand::default());
    let builder = stores.iter().fold(Secrets::builder(clock.clone()), |builder, (name, store)| {
        builder.store(Provider::new(name).unwrap(), store.clone())
    });
    let inline = [("c", "inline"), ("a", "inline")].map(|(id, value)| (id.to_owned(), Secret::new(value)));
    (builder.inline(inline.into()).ttl(Duration::from_secs(ttl)).build(), clock)
}

async fn value(secrets: &Secrets, wanted: &SecretRef) -> Result<String, String> {
    secrets.get(wanted).await.map(|secret| secret.expose().to_owned()).map_err(|fault| fault.message)
}

#[tokio::test]
async fn the_first_store_that_has_it_wins_and_inline_values_come_last() {
    let stores =
        [("env", Counting::of(&[("a", "env")])), ("file", Counting::of(&[("a", "file"), ("b", "file")]))];
    let (secrets, _) = chain(&stores, 60);
    let check = async |wanted: SecretRef, expected: Result<&str, &str>| {
        let found = value(&secrets, &wanted).await;
        assert_eq!(found.as_deref().map_err(String::as_str), expected);
    };
    check(id("a"), Ok("env")).await;
    check(id("b"), Ok("file")).await;
    check(id("c"), Ok("inline")).await;
    check(SecretRef { provider: Some(Provider::new("file").unwrap()), ..id("a") }, Ok("file")).await;
    check(SecretRef { provider: Some(Provider::new("inline").unwrap()), ..id("a") }, Ok("inline")).await;
    check(id("x-y"), Err("secret `x-y` was not found, asked: env, file, inline; set X_Y, or set X_Y")).await;
    let only = SecretRef { provider: Some(Provider::new("env").unwrap()), ..id("b") };
    check(only, Err("secret `b` was not found, asked: env; set B")).await;
    let nobody = SecretRef { provider: Some(Provider::new("vault").unwrap()), ..id("b") };
    check(nobody, Err("secret `b` is to come from `vault`, known stores are env, file, inline")).await;
}

#[tokio::test]
async fn a_store_that_fails_ends_the_question_and_is_asked_again() {
    let broken = Arc::new(Counting { broken: true, ..Counting::default() });
    let (secrets, _) = chain(&[("gcp", broken.clone()), ("env", Counting::of(&[("a", "old")]))], 60);
    for tries in 1..3 {
        assert_eq!(value(&secrets, &id("a")).await, Err("the store is down".to_owned()));
        assert_eq!(broken.asked(), tries);
    }
}

#[tokio::test]
async fn values_are_kept_for_their_time_and_misses_for_seconds() {
    let store = Counting::of(&[("a", "1")]);
    let (secrets, clock) = chain(&[("env", store.clone())], 60);
    value(&secrets, &id("a")).await.unwrap();
    clock.forward(59);
    value(&secrets, &id("a")).await.unwrap();
    assert_eq!(store.asked(), 1);
    clock.forward(1);
    value(&secrets, &id("a")).await.unwrap();
    assert_eq!(store.asked(), 2);

    value(&secrets, &id("x")).await.unwrap_err();
    value(&secrets, &id("x")).await.unwrap_err();
    assert_eq!(store.asked(), 3);
    store.values.lock().unwrap().insert("x".to_owned(), "new".to_owned());
    clock.forward(MISS_TTL.as_secs());
    assert_eq!(value(&secrets, &id("x")).await.as_deref(), Ok("new"));
}

#[tokio::test]
async fn a_time_of_zero_asks_every_time() {
    let store = Counting::of(&[("a", "1")]);
    let (secrets, _) = chain(&[("env", store.clone())], 0);
    for _ in 0..3 {
        value(&secrets, &id("a")).await.unwrap();
        value(&secrets, &id("x")).await.unwrap_err();
    }
    assert_eq!(store.asked(), 6);
}

#[tokio::test]
async fn ten_at_once_ask_once_and_one_that_leaves_takes_nothing_along() {
    for ttl in [0, 60] {
        let mut store = Counting { door: Some(Notify::new()), ..Counting::default() };
        store.values = Mutex::new([("a".to_owned(), "1".to_owned())].into());
        let store = Arc::new(store);
        let (secrets, _) = chain(&[("env", store.clone())], ttl);
        let calls: Vec<_> = (0..10)
            .map(|_| {
                let secrets = secrets.clone();
                tokio::spawn(async move { value(&secrets, &id("a")).await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(store.asked(), 1);
        // The one that asks is dropped; another one of those that wait asks in its place.
        calls[0].abort();
        tokio::task::yield_now().await;
        for _ in 0..4 {
            store.door.as_ref().unwrap().notify_one();
            tokio::task::yield_now().await;
        }
        for call in calls.into_iter().skip(1) {
            assert_eq!(call.await.unwrap().as_deref(), Ok("1"));
        }
        assert_eq!(store.asked(), 2, "once for the one that left, once for the other nine");
    }
}

#[tokio::test]
async fn a_rotation_forgets_and_what_was_under_way_is_not_kept() {
    let store = Counting::of(&[("a", "1"), ("b", "1")]);
    let (secrets, _) = chain(&[("env", store.clone())], 60);
    for name in ["a", "b", "x"] {
        let _ = value(&secrets, &id(name)).await;
    }
    let (a, b) = (SecretId::new("a").unwrap(), SecretId::new("b").unwrap());
    assert_eq!(secrets.rotate(Some(&[a, SecretId::new("zzz").unwrap()])).await, Ok(1));
    store.values.lock().unwrap().insert("a".to_owned(), "2".to_owned());
    assert_eq!(value(&secrets, &id("a")).await.as_deref(), Ok("2"));
    assert_eq!(secrets.rotate(None).await, Ok(2), "misses are no values");
    assert_eq!(secrets.rotate(Some(&[b])).await, Ok(0));
    assert_eq!(store.told.load(Ordering::SeqCst), 4);

    let slow = Arc::new(Counting {
        values: Mutex::new([("a".to_owned(), "old".to_owned())].into()),
        door: Some(Notify::new()),
        ..Counting::default()
    });
    let (secrets, _) = chain(&[("env", slow.clone())], 60);
    let early = tokio::spawn({
        let secrets = secrets.clone();
        async move { value(&secrets, &id("a")).await }
    });
    tokio::task::yield_now().await;
    secrets.rotate(None).await.unwrap();
    slow.values.lock().unwrap().insert("a".to_owned(), "new".to_owned());
    slow.door.as_ref().unwrap().notify_one();
    assert_eq!(early.await.unwrap().as_deref(), Ok("old"));
    slow.door.as_ref().unwrap().notify_one();
    assert_eq!(value(&secrets, &id("a")).await.as_deref(), Ok("new"));
}

#[tokio::test]
async fn the_status_names_ids_and_stores_and_no_value() {
    let (secrets, _) = chain(&[("env", Counting::of(&[("a", "hunter2")]))], 60);
    assert_eq!(secrets.status().status, "pending");
    assert_eq!(secrets.prefetch([id("a"), id("x")]).await.len(), 1);
    assert_eq!(secrets.status().status, "pending");
    assert!(secrets.prefetch([id("a")]).await.is_empty());
    let status = serde_json::to_value(secrets.status()).unwrap();
    assert_eq!(
        status,
        json!({
            "provider": "env,inline", "cache_ttl_seconds": 60.0, "refresh_interval": null, "inline_entries": 2,
            "prefetched": true, "status": "ready",
            "entries": [{"id": "a", "from": "env"}, {"id": "x", "from": null}],
        })
    );
}

#[tokio::test]
async fn references_in_settings_become_values_when_something_is_built() {
    let (secrets, _) = chain(&[("env", Counting::of(&[("a", "1")]))], 60);
    let settings = json!({"url": "x", "deep": {"list": [{"secret": "a"}, 2]}});
    let Value::Object(settings) = settings else { unreachable!() };
    let resolved = resolve_settings(&settings, &secrets).await.unwrap();
    assert_eq!(Value::from(resolved), json!({"url": "x", "deep": {"list": ["1", 2]}}));
    let found = references("p", &Value::from(settings));
    assert_eq!(found, [("p.deep.list.0".to_owned(), id("a"))]);
    let Value::Object(missing) = json!({"deep": {"key": {"secret": "none"}}}) else { unreachable!() };
    let fault = resolve_settings(&missing, &secrets).await.unwrap_err();
    assert!(fault.message.starts_with("`deep.key`: secret `none` was not found"), "{fault}");
}
