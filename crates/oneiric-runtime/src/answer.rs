//! What this process answers to others.

use oneiric_core::lifecycle::{Probe, Summary, Swap};
use oneiric_core::{Domain, Key, Timestamp};
use oneiric_store::liveness;

use crate::control::{
    Answer, Probed, ProcessActivity, ProcessEvents, ProcessHealth, ProcessServices, ProcessStatus, Request,
    ServiceAction, SwapDone,
};
use crate::error::{Error, Kind};
use crate::health::Depth;
use crate::oneiric::Oneiric;
use crate::reload::Cause;
use crate::secrets::Rotated;
use crate::status::component_statuses;

/// The answer of a process that is going down.
pub(crate) fn over() -> Answer {
    let message = "the process is shutting down".to_owned();
    Answer::Refused { kind: Kind::Execution, message, help: None }
}

/// Answers one request.
pub(crate) async fn answer(oneiric: &Oneiric, started_at: Timestamp, request: Request) -> Answer {
    let pid = std::process::id();
    match request {
        Request::Status { domain, key } => {
            let statuses = oneiric.statuses();
            let registry = oneiric.lifecycle().registry();
            let components = component_statuses(&registry, &statuses, domain.as_ref(), key.as_ref());
            Answer::Status(ProcessStatus { pid, started_at, components, swap: Summary::of(&statuses) })
        }
        Request::Health { domain, key, probe } => {
            let lifecycle = health(oneiric, domain.as_ref(), key.as_ref(), probe).await;
            let lifecycle_summary = Summary::of(&oneiric.statuses());
            // What cannot be read is not made up; everything else is told all the same.
            let liveness = oneiric.store().violations().await.ok();
            let liveness = liveness.map(|violations| liveness::counts(&violations));
            let reloads = Some(oneiric.reloads());
            let depth = if probe { Depth::Components } else { Depth::Store };
            let report = oneiric.health_report(depth).await;
            let runtime = serde_json::to_value(oneiric.snapshot(&report)).ok();
            let report = serde_json::to_value(&*report).ok();
            Answer::Health(Box::new(ProcessHealth {
                pid,
                started_at,
                lifecycle,
                lifecycle_summary,
                liveness,
                runtime,
                report,
                reloads,
            }))
        }
        Request::Ring {} => {
            // Before the answer, so that who rang knows that it was heeded.
            let heeded = oneiric.reread_activity().await;
            oneiric.ring();
            oneiric.0.windows.look();
            match heeded {
                Ok(()) => Answer::Rung { pid },
                Err(error) => Error::from(error).into(),
            }
        }
        Request::Activity { domain, key } => match oneiric.reread_activity().await {
            Ok(()) => {
                let mut in_flight = oneiric.activities().all_in_flight();
                in_flight.retain(|one| {
                    domain.as_ref().is_none_or(|domain| one.domain == *domain)
                        && key.as_ref().is_none_or(|key| one.key == *key)
                });
                Answer::Activity(ProcessActivity { pid, started_at, in_flight })
            }
            Err(error) => Error::from(error).into(),
        },
        Request::Progress { run } => {
            Answer::Progress { pid, nodes: oneiric.find(run).map(|run| run.progress()) }
        }
        Request::Events {} => {
            Answer::Events(ProcessEvents { pid, started_at, handlers: oneiric.0.courier.handlers() })
        }
        Request::Services {} => {
            let reason = oneiric.keeper().reason();
            let (kept, services) = (oneiric.0.services.are_kept(), oneiric.services());
            Answer::Services(ProcessServices { pid, started_at, kept, reason, services })
        }
        Request::Service { key, action } => {
            let done = match action {
                ServiceAction::Start => oneiric.start_service(key).await,
                ServiceAction::Stop => oneiric.stop_service(key).await,
                ServiceAction::Restart => oneiric.restart_service(key).await,
            };
            match done {
                Ok(status) => Answer::Service { pid, status: Box::new(status) },
                Err(error) => error.into(),
            }
        }
        Request::Metrics {} => Answer::Metrics { pid, started_at, families: oneiric.metrics().await },
        Request::Secrets {} => {
            let status = serde_json::to_value(oneiric.secrets().status()).unwrap_or_default();
            Answer::Secrets { pid, status }
        }
        Request::Reload {} => match oneiric.reread(Cause::Command).await {
            Ok(_) => Answer::Reloaded { pid, reloads: Box::new(oneiric.reloads()) },
            Err(error) => Answer::from(&*error),
        },
        Request::Rotate { ids } => match oneiric.rotate(ids.as_deref()).await {
            Ok(rotated) => told(pid, rotated),
            Err(error) => error.into(),
        },
        Request::Swap { domain, key, provider, force } => {
            let swap = Swap { provider: provider.as_ref(), force };
            match oneiric.swap(&domain, &key, swap).await {
                Ok(done) => Answer::Swapped(SwapDone {
                    pid,
                    domain,
                    key,
                    provider: done.provider,
                    previous: done.previous,
                    took_ms: done.took.as_secs_f64() * 1000.0,
                    old_stopped: done.old_stopped,
                }),
                Err(error) => error.into(),
            }
        }
    }
}

fn told(pid: u32, rotated: Rotated) -> Answer {
    let (mut swapped, mut failed) = (Vec::new(), Vec::new());
    for (domain, key, done) in rotated.swapped {
        match done {
            Ok(()) => swapped.push(format!("{domain}/{key}")),
            Err(error) => failed.push(format!("{domain}/{key}: {error}")),
        }
    }
    Answer::Rotated { pid, forgotten: rotated.forgotten, swapped, failed }
}

async fn health(oneiric: &Oneiric, domain: Option<&Domain>, key: Option<&Key>, probe: bool) -> Vec<Probed> {
    if probe {
        return oneiric.probe(domain, key).await.into_iter().map(probed).collect();
    }
    let known = oneiric.statuses().into_iter();
    known
        .filter(|status| domain.is_none_or(|domain| status.domain == *domain))
        .filter(|status| key.is_none_or(|key| status.key == *key))
        .map(|status| probed(Probe { status, answer: None, took: None }))
        .collect()
}

fn probed(probe: Probe) -> Probed {
    let probe_result = probe.answer.as_ref().map(Result::is_ok);
    let probe_error = probe.answer.and_then(Result::err).map(|fault| fault.to_string());
    Probed { status: probe.status, probe_result, probe_error }
}
