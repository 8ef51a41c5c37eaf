//! How components begin and end.

use std::sync::{Arc, Mutex};

use oneiric_core::Domain;
use serde_json::json;

use super::stage::{not_shown, soon};
use super::{Behaviour, Site, Stage};

/// What a component can be asked for is known when it is built.
pub async fn a_component_plays_the_role_of_its_domain(site: Arc<dyn Site>) {
    for (domain, role) in
        [(Domain::TASK, "task"), (Domain::ACTION, "action"), (Domain::EVENT, "event handler")]
    {
        let Some(stage) = Stage::set(&site, Behaviour::Echo, domain).await else { continue };
        assert!(stage.instance.roles().any(|played| played == role), "{role}: {:?}", stage.instance);
        stage.stop().await;
    }
}

/// A check is for load time: it has no effect that could be seen, and may be repeated.
pub async fn checking_finds_nothing_wrong_and_starts_nothing(site: Arc<dyn Site>) {
    let Ok(blueprint) = site.component(Behaviour::Waits, Domain::TASK) else { return };
    for _ in 0..3 {
        site.runtime().check(&blueprint).expect("it can be built");
    }
    assert!(!site.is_at_work());
}

/// A swap loses no call.
pub async fn a_stop_waits_for_calls_under_way(site: Arc<dyn Site>) {
    if let Err(reason) = site.drains() {
        return not_shown("a stop", reason);
    }
    let Some(stage) = Stage::task(&site, Behaviour::Waits).await else { return };
    let order = Mutex::new(Vec::new());
    let ended = |what| order.lock().unwrap().push(what);
    tokio::join!(
        async {
            stage.run(json!({})).await.unwrap_err();
            ended("call");
        },
        async {
            stage.until_at_work(true).await;
            tokio::join!(
                async {
                    stage.stop().await;
                    ended("stop");
                },
                async { stage.cancel.cancel() },
            );
        },
    );
    assert_eq!(*order.lock().unwrap(), ["call", "stop"]);
    stage.until_at_work(false).await;
}

/// Stopping is idempotent, and nobody is called afterwards.
pub async fn a_stop_may_be_repeated_and_later_calls_meet_a_shutdown(site: Arc<dyn Site>) {
    if let Err(reason) = site.drains() {
        return not_shown("a stop", reason);
    }
    let Some(stage) = Stage::task(&site, Behaviour::Echo).await else { return };
    assert_eq!(stage.run(json!(1)).await.unwrap(), json!(1));
    stage.stop().await;
    stage.stop().await;
    let fault = stage.run(json!(1)).await.unwrap_err();
    assert_eq!(fault.class, oneiric_core::Class::Shutdown, "{fault:?}");
}

/// Nobody has to stop a component for its work to end.
pub async fn a_component_that_is_dropped_leaves_nothing_at_work(site: Arc<dyn Site>) {
    let Some(stage) = Stage::task(&site, Behaviour::Waits).await else { return };
    tokio::select! {
        answer = stage.run(json!({})) => panic!("it works until it is cancelled: {answer:?}"),
        () = stage.until_at_work(true) => {}
    }
    drop(stage);
    let clock = site.clock();
    soon(clock.as_ref(), async {
        while site.is_at_work() {
            clock.sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}
