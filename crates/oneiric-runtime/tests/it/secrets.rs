//! Settings and secrets on their way to components.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::linked::{Linked, action_fn};
use oneiric_core::roles::{Action, SecretStore};
use oneiric_core::secret::{Secret, SecretId, Secrets};
use oneiric_core::settings::Settings;
use oneiric_core::{Clock, Component, Domain, Fault, Instance, Provider};
use oneiric_runtime::{Oneiric, SystemClock};
use serde_json::{Value, json};

use crate::support::key;

/// A store whose one value can be changed.
#[derive(Default)]
struct Changing(Mutex<String>);

#[async_trait]
impl SecretStore for Changing {
    async fn get(&self, _: &SecretId) -> Result<Option<Secret>, Fault> {
        Ok(Some(Secret::new(self.0.lock().unwrap().clone())))
    }
}

struct Nothing;

impl Component for Nothing {}

/// An action that tells the settings it was built with.
fn teller(name: &str) -> Linked {
    Linked::new(Domain::ACTION, key(name), |blueprint| {
        let settings = Value::Object(blueprint.settings.clone());
        let tell = action_fn(move |_: Value| {
            let settings = settings.clone();
            async move { Ok::<_, Fault>(settings) }
        });
        Ok(Instance::new(Arc::new(Nothing)).plays::<dyn Action>(Arc::new(tell)))
    })
    .provider(Provider::new(name).unwrap())
}

fn settings() -> Settings {
    let actions = json!({"provider_settings": {
        "teller": {"token": {"secret": "api"}, "size": 3},
        "plain": {"size": 4},
    }});
    serde_json::from_value(json!({"actions": actions})).unwrap()
}

async fn orchestrator(store: Arc<Changing>) -> Oneiric {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let secrets = Secrets::builder(clock)
        .store(Provider::new("changing").unwrap(), store)
        .ttl(Duration::from_secs(600))
        .build();
    Oneiric::builder()
        .settings(settings())
        .secrets(secrets)
        .component(teller("teller"))
        .component(teller("plain"))
        .start()
        .await
        .unwrap()
}

async fn told(oneiric: &Oneiric, key: &str) -> Value {
    let action = oneiric.resolve::<dyn Action>(key).await.unwrap();
    action.apply(Value::Null.into()).await.unwrap().into()
}

#[tokio::test]
async fn a_component_is_built_with_its_providers_settings_and_their_secrets() {
    let store = Arc::new(Changing(Mutex::new("one".to_owned())));
    let oneiric = orchestrator(store).await;
    assert_eq!(told(&oneiric, "teller").await, json!({"token": "one", "size": 3}));
    assert_eq!(told(&oneiric, "plain").await, json!({"size": 4}));
    oneiric.shutdown(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn a_rotation_swaps_what_was_built_with_the_old_value() {
    let store = Arc::new(Changing(Mutex::new("one".to_owned())));
    let oneiric = orchestrator(Arc::clone(&store)).await;
    told(&oneiric, "plain").await;
    assert_eq!(told(&oneiric, "teller").await["token"], "one");
    *store.0.lock().unwrap() = "two".to_owned();
    assert_eq!(told(&oneiric, "teller").await["token"], "one", "the instance is the same");

    let other = oneiric.rotate(Some(&[SecretId::new("other").unwrap()])).await.unwrap();
    assert_eq!((other.forgotten, other.swapped.len()), (0, 0));
    let rotated = oneiric.rotate(Some(&[SecretId::new("api").unwrap()])).await.unwrap();
    assert_eq!(rotated.forgotten, 1);
    let swapped: Vec<_> = rotated.swapped.iter().map(|(_, key, done)| (key.as_str(), done.is_ok())).collect();
    assert_eq!(swapped, [("teller", true)]);
    assert_eq!(told(&oneiric, "teller").await["token"], "two");
    oneiric.shutdown(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn a_secret_that_nobody_has_keeps_its_component_out_of_service() {
    let oneiric = Oneiric::builder().settings(settings()).component(teller("teller")).start().await.unwrap();
    let error = oneiric.resolve::<dyn Action>("teller").await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("`token`: secret `api` was not found"), "{text}");
    assert_eq!(error.kind(), oneiric_runtime::Kind::Configuration);
    oneiric.shutdown(Duration::from_secs(5)).await.unwrap();
}
