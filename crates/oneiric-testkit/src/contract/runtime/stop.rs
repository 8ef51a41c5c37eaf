//! How calls end before their time.

use std::sync::Arc;

use oneiric_core::{Class, Domain};
use serde_json::json;

use super::{Behaviour, Site, Stage};

/// A cancelled call ends, and so does its work.
pub async fn a_cancelled_call_stops_its_work(site: Arc<dyn Site>) {
    let Some(stage) = Stage::task(&site, Behaviour::Waits).await else { return };
    let (answer, ()) = tokio::join!(stage.run(json!({})), async {
        stage.until_at_work(true).await;
        stage.cancel.cancel();
    });
    let fault = answer.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Transient, "cancelled"), "{fault:?}");
    stage.until_at_work(false).await;
    stage.stop().await;
}

/// Who is cancelled before the call does not call.
pub async fn a_call_that_is_cancelled_already_is_not_made(site: Arc<dyn Site>) {
    let Some(stage) = Stage::task(&site, Behaviour::Waits).await else { return };
    stage.cancel.cancel();
    assert_eq!(stage.run(json!({})).await.unwrap_err().code, "cancelled");
    assert!(!site.is_at_work());
    stage.stop().await;
}

/// Dropping the future is what a timeout does.
pub async fn a_dropped_call_stops_its_work(site: Arc<dyn Site>) {
    let Some(stage) = Stage::task(&site, Behaviour::Waits).await else { return };
    for _ in 0..2 {
        tokio::select! {
            answer = stage.run(json!({})) => panic!("it works until it is cancelled: {answer:?}"),
            () = stage.until_at_work(true) => {}
        }
        stage.until_at_work(false).await;
    }
    stage.stop().await;
}

/// An action has no cancellation but this.
pub async fn a_dropped_action_stops_its_work(site: Arc<dyn Site>) {
    let Some(stage) = Stage::set(&site, Behaviour::Waits, Domain::ACTION).await else { return };
    tokio::select! {
        answer = stage.apply(json!({})) => panic!("it works until it is cancelled: {answer:?}"),
        () = stage.until_at_work(true) => {}
    }
    stage.until_at_work(false).await;
    stage.stop().await;
}
