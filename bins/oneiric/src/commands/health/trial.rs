//! Components started here, asked, and stopped again.

use oneiric_core::lifecycle::{Summary, Swap};
use oneiric_core::resolver::Query;
use oneiric_core::{Domain, Key, Registry, Source};
use oneiric_runtime::{Error, Oneiric};
use tokio::task::JoinSet;

use super::{Health, Row, row};
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
            for (domain, key) in some {
                let (oneiric, domain, key) = (oneiric.clone(), domain.clone(), key.clone());
                starting.spawn(async move {
                    let started = oneiric.swap(&domain, &key, Swap::default()).await;
                    (domain, key, started.err())
                });
            }
            while let Some(ended) = starting.join_next().await {
                let (domain, key, error) = ended.map_err(|error| {
                    Failure::said(Code::Execution, format!("a component could not be started: {error}"))
                })?;
                rows.extend(asked(oneiric, &domain, &key, error).await?);
            }
        }
        rows.sort_by(|a, b| {
            let name = |row: &Row| (row.probed.status.domain.clone(), row.probed.status.key.clone());
            name(a).cmp(&name(b))
        });
        let summary = Summary::of(rows.iter().map(|row| &row.probed.status));
        Ok(Health { processes: Vec::new(), rows, summary, tried: true })
    })
}

/// What manifests and selections name; the one of a key, whoever offers it. A workflow is a graph and
/// has no instance.
fn wanted(registry: &Registry, args: &HealthArgs) -> Vec<(Domain, Key)> {
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
        .map(|found| (found.domain.clone(), found.key.clone()))
        .collect()
}

/// Asks a component that came up; tells of one that did not.
async fn asked(
    oneiric: &Oneiric,
    domain: &Domain,
    key: &Key,
    error: Option<Error>,
) -> Result<Option<Row>, Failure> {
    if let Some(error) = error {
        let status = oneiric.statuses().into_iter().find(|one| one.domain == *domain && one.key == *key);
        return match status {
            Some(status) => {
                let told = status.last_error.clone().unwrap_or_else(|| error.to_string());
                Ok(Some(row(status, Some(Err(told)), error.kind().into())))
            }
            // It was not even begun with: the resolver has no answer.
            None => match oneiric.lifecycle().registry().resolve(domain, key, &Query::default()) {
                Err(unknown) => Err(unknown.into()),
                Ok(_) => Err(error.into()),
            },
        };
    }
    let probes = oneiric.probe(Some(domain), Some(key)).await;
    Ok(probes.into_iter().next().map(|probe| {
        let answer = probe.answer.map(|answer| answer.map_err(|fault| fault.to_string()));
        let code = if matches!(answer, Some(Err(_))) { Code::Execution } else { Code::Ok };
        row(probe.status, answer, code)
    }))
}
