//! Who answers where several could.

use async_trait::async_trait;
use oneiric_core::linked::{Linked, action_fn};
use oneiric_core::resolver::Query;
use oneiric_core::roles::Action;
use oneiric_core::{
    Blueprint, ComponentRuntime, Descriptor, Domain, Factory, Fault, Instance, Key, Provider, Source,
};
use oneiric_runtime::{Builder, Oneiric};

use crate::support::key;

const MANIFEST: &str = "
entries:
- {domain: action, key: both, provider: manifest, factory: linked-factory}
- {domain: action, key: urgent, provider: manifest, factory: linked-factory, priority: 1}
- {domain: action, key: offered, provider: manifest, factory: linked-factory}
";

/// Offers a candidate for each key, and builds none.
#[derive(Debug)]
struct Offering;

#[async_trait]
impl ComponentRuntime for Offering {
    fn name(&self) -> &'static str {
        "offering"
    }

    fn offers(&self) -> Vec<Descriptor> {
        let offer = |text: &str| {
            let provider = Provider::new("offer").unwrap();
            let factory = Factory::new("builtin:offered");
            Descriptor::new(Domain::ACTION, key(text), provider, factory, Source::Linked("x".to_owned()))
        };
        ["both", "urgent", "offered", "alone"].map(offer).into()
    }

    fn recognises(&self, descriptor: &Descriptor) -> bool {
        descriptor.factory.as_str() == "builtin:offered"
    }

    fn check(&self, _: &Blueprint) -> Result<(), Fault> {
        Ok(())
    }

    async fn build(&self, _: &Blueprint) -> Result<Instance, Fault> {
        Err(Fault::permanent("offered", "never built"))
    }
}

fn builder() -> Builder {
    let linked = |text: &str| Linked::action(text, action_fn(|(): ()| async { Ok::<_, Fault>("linked") }));
    Oneiric::builder()
        .with([std::sync::Arc::new(Offering) as _])
        .component(linked("both"))
        .component(linked("urgent"))
        .manifest_text("m.yaml", MANIFEST.as_bytes())
}

#[tokio::test]
async fn linked_beats_manifest_at_equal_rank_and_offers_lose() {
    let oneiric = builder().start().await.unwrap();
    let order = |key: &str| {
        let key = Key::new(key).unwrap();
        let explanation = oneiric.explain(&Domain::ACTION, &key, &Query::default());
        explanation.ordered.into_iter().map(|one| one.provider.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(order("both"), ["linked", "manifest", "offer"]);
    assert_eq!(order("urgent"), ["manifest", "linked", "offer"]);
    assert_eq!(order("offered"), ["manifest", "offer"]);
    assert_eq!(order("alone"), ["offer"]);
    let both = oneiric.resolve::<dyn Action>("both").await.unwrap();
    assert_eq!(both.current().unwrap().descriptor().provider.as_str(), "linked");
}

#[tokio::test]
async fn an_unknown_provider_of_a_known_key_is_no_swap() {
    let oneiric = builder().start().await.unwrap();
    let error = oneiric.swap_to("action", "both", "nobody").await.unwrap_err();
    assert!(error.to_string().contains("has no provider `nobody`"), "{error}");
}

#[tokio::test]
async fn of_equal_linked_components_the_last_one_answers() {
    let linked = |provider: &str| {
        Linked::action("one", action_fn(|(): ()| async { Ok::<_, Fault>("linked") })).provider(provider)
    };
    let check = async |added: &[&str], expected: &str| {
        let builder = added.iter().fold(Oneiric::builder(), |builder, name| builder.component(linked(name)));
        let oneiric = builder.start().await.unwrap();
        let one = oneiric.resolve::<dyn Action>("one").await.unwrap();
        assert_eq!(one.current().unwrap().descriptor().provider.as_str(), expected, "{added:?}");
    };
    check(&["a", "b"], "b").await;
    check(&["b", "a"], "a").await;
    check(&["a", "b", "a"], "a").await;
}
