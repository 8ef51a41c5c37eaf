//! What becomes of calls that do not succeed.

use std::sync::Arc;

use oneiric_core::Class;
use serde_json::json;

use super::{Behaviour, LIMIT_BYTES, Site, Stage};

/// Who called can tell whether to try again, and a person can tell why.
pub async fn a_fault_keeps_its_class_and_says_why(site: Arc<dyn Site>) {
    for (behaviour, class, why) in [
        (Behaviour::FailsToday, Class::Transient, "not today"),
        (Behaviour::FailsForEver, Class::Permanent, "not ever"),
    ] {
        let Some(stage) = Stage::task(&site, behaviour).await else { continue };
        for _ in 0..3 {
            let fault = stage.run(json!({})).await.unwrap_err();
            assert_eq!(fault.class, class, "{fault:?}");
            assert!(fault.message.contains(why), "{fault:?}");
            assert!(!fault.code.is_empty());
        }
        stage.stop().await;
    }
}

/// An output that is too large for the store is refused, in bounded memory, and nothing else suffers.
pub async fn an_output_beyond_the_bound_is_a_permanent_fault(site: Arc<dyn Site>) {
    let Some(stage) = Stage::task(&site, Behaviour::Letters).await else { return };
    let fault = stage.run(json!(LIMIT_BYTES * 5 / 2)).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Permanent, "output-too-large"), "{fault:?}");
    assert_eq!(stage.run(json!(3)).await.unwrap().as_str().map(str::len), Some(3));
    stage.stop().await;
}

/// A component that dies takes no more than its call with it.
pub async fn a_death_during_a_call_is_a_fault_and_the_next_call_works(site: Arc<dyn Site>) {
    let Some(stage) = Stage::task(&site, Behaviour::Dies).await else { return };
    for _ in 0..3 {
        assert_eq!(stage.run(json!("live")).await.unwrap(), json!("live"));
        let fault = stage.run(json!("die")).await.unwrap_err();
        assert!(matches!(fault.class, Class::Transient | Class::UnknownOutcome), "{fault:?}");
    }
    assert_eq!(stage.run(json!("live")).await.unwrap(), json!("live"));
    stage.stop().await;
}

/// Health is asked of the component where it can be.
pub async fn health_is_what_the_component_says(site: Arc<dyn Site>) {
    if let Some(stage) = Stage::task(&site, Behaviour::Echo).await {
        stage.soon(stage.instance.component().health()).await.expect("nothing is wrong with it");
        stage.stop().await;
    }
    if let Some(stage) = Stage::task(&site, Behaviour::Unhealthy).await {
        let fault = stage.soon(stage.instance.component().health()).await.unwrap_err();
        assert!(fault.message.contains("no pulse"), "{fault:?}");
        stage.stop().await;
    }
}
