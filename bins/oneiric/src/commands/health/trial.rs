//! Components started here, asked, and stopped again.

use std::sync::Arc;

use oneiric_core::lifecycle::{Summary, Swap};
use oneiric_core::{Descriptor, Domain, Key, Registry, Source};
use oneiric_runtime::control::Probed;
use oneiric_runtime::{Error, Oneiric};
use tokio::task::JoinSet;

use super::{Health, Row};
use crate::args::HealthArgs;
use crate::commands::here::here;
use crate::exit::Code;
use crate::failure::Failure;
use crate::known::Known;
use crate::session::Session;

/// Components that come up at a time: each may be a process, and may use the network.
const AT_A_TIME: usize = 16;

/// What was found. A component that does not come up is a row, and holds up no other.
pub(super) fn tried(session: &Session, args: &HealthArgs) -> Result<Health, Failure> {
    here(session, async |oneiric| {
        let registry = oneiric.lifecycle().registry();
        Known::registered(&registry).expect(args.domain.as_ref(), args.key.as_ref())?;
        let mut rows = Vec::new();
        for some in wanted(&registry, args).chunks(AT_A_TIME) {
            let mut starting = JoinSet::new();
            for candidate in some {
                let (oneiric, candidate) = (oneiric.clone(), Arc::clone(candidate));
                starting.spawn(async move {
                    let started = oneiric.swap(&candidate.domain, &candidate.key, Swap::default()).await;
                    (candidate, started.err())
                });
            }
            while let Some(ended) = starting.join_next().await {
                let (candidate, error) = ended.map_err(|error| {
                    Failure::said(Code::Execution, format!("a component could not be started: {error}"))
                })?;
                rows.extend(asked(oneiric, &candidate, error).await?);
            }
        }
        rows.sort_by(|a, b| {
            let name = |row: &Row| (row.probed.status.domain.clone(), row.probed.status.key.clone());
            name(a).cmp(&name(b))
        });
        let summary = Summary::of(rows.iter().map(|row| &row.probed.status));
        Ok(Health {
            processes: Vec::new(),
            rows,
            liveness: None,
            watchers: Vec::new(),
            summary,
            runtime: None,
            report: None,
            age: None,
            tried: true,
        })
    })
}

/// What manifests and selections name; the one of a key, whoever offers it. A workflow is a graph and
/// has no instance.
fn wanted(registry: &Registry, args: &HealthArgs) -> Vec<Arc<Descriptor>> {
    let fits = |domain: &Domain, key: &Key| {
        args.domain.as_ref().is_none_or(|wanted| wanted == domain)
            && args.key.as_ref().is_none_or(|wanted| wanted == key)
    };
    let found = registry.domains().flat_map(|domain| registry.active(domain));
    found
        .map(|candidate| candidate.descriptor())
        .filter(|found| found.domain != Domain::WORKFLOW && fits(&found.domain, &found.key))
        .filter(|found| {
            args.key.is_some()
                || registry.selection(&found.domain, &found.key).is_some()
                || matches!(found.source, Source::LocalManifest(_) | Source::RemoteManifest(_))
        })
        .map(Arc::clone)
        .collect()
}

/// Asks a component that came up; tells of one that did not.
async fn asked(
    oneiric: &Oneiric,
    candidate: &Descriptor,
    error: Option<Error>,
) -> Result<Option<Row>, Failure> {
    let Descriptor { domain, key, provider, .. } = candidate;
    let row = |status, answer: Option<Result<(), String>>, code| {
        let probe_result = answer.as_ref().map(Result::is_ok);
        let probed = Probed { status, probe_result, probe_error: answer.and_then(Result::err) };
        Row { pid: None, offered: Some(provider.clone()), probed, code }
    };
    if let Some(error) = error {
        let status = oneiric.statuses().into_iter().find(|one| one.domain == *domain && one.key == *key);
        // Where there is none it was not even begun with.
        let Some(status) = status else { return Err(error.into()) };
        let told = status.last_error.clone().unwrap_or_else(|| error.to_string());
        return Ok(Some(row(status, Some(Err(told)), error.kind().into())));
    }
    let probes = oneiric.probe(Some(domain), Some(key)).await;
    Ok(probes.into_iter().next().map(|probe| {
        let answer = probe.answer.map(|answer| answer.map_err(|fault| fault.to_string()));
        let code = if matches!(answer, Some(Err(_))) { Code::Execution } else { Code::Ok };
        row(probe.status, answer, code)
    }))
}
