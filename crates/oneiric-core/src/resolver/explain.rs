//! The answer to "why this one?".

use serde::Serialize;
use serde_json::{Value, json};

use crate::{Descriptor, Domain, Factory, Key, Provider};

use super::slot::Slot;
use super::{Candidate, Exclusion, Query, Rank, rank};

/// Every candidate of a key in the order of a question.
///
/// Shape: upstream's `{"domain","key","ordered":[{"provider","score":[0,0,10,5,3],"selected",
/// "reasons":["priority=10","stack_level=5","registration_order=3"]}]}`; every other field is an
/// addition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The domain asked for.
    pub domain: Domain,
    /// The key asked for.
    pub key: Key,
    /// The candidates that are an answer, best first; the first is the answer.
    pub ordered: Vec<Ranked>,
    /// The candidates that are none, with the reason. Left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<Excluded>,
    /// The provider selected for the key, where no candidate is of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unmet_selection: Option<Provider>,
}

/// A candidate that is an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    /// Who offers it.
    pub provider: Provider,
    /// Override match, capability matches, priority, stack level, sequence; compared in that order.
    pub score: [i64; 5],
    /// Whether it is the answer.
    pub selected: bool,
    /// The score in words.
    pub reasons: Vec<String>,
    /// The kind of source, upstream's word: `remote_manifest`.
    pub source: &'static str,
    /// Which file, address or crate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// How it is built.
    pub factory: Factory,
    /// Its priority.
    pub priority: i32,
    /// Its stack level.
    pub stack_level: i32,
    /// What it says that it can do, in upstream's shape of `capability_descriptors`:
    /// `{"name":"order.paid","event_types":["order.paid"],"payload_schema":"order.v1","security":{"scopes":["s"]}}`.
    /// One of which only the name is known has that alone. Left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Value>,
    /// The provider of the answer, where this is not it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadowed_by: Option<Provider>,
    /// The step of the order at which the answer beat it; see [`super::Criterion::name`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<&'static str>,
}

/// A candidate that is no answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Excluded {
    /// Who offers it.
    pub provider: Provider,
    /// The kind of source, upstream's word.
    pub source: &'static str,
    /// Why: `capability_match=1/2`.
    pub reason: String,
}

impl Explanation {
    /// The answer.
    pub fn winner(&self) -> Option<&Ranked> {
        self.ordered.first()
    }
}

pub(super) fn explain(domain: &Domain, key: &Key, slot: &Slot, query: &Query<'_>) -> Explanation {
    let mut ordered = Vec::new();
    let mut excluded = Vec::new();
    for candidate in slot.ranked() {
        match rank(candidate, slot.selection(), query) {
            Ok(rank) => ordered.push((rank, candidate)),
            Err(exclusion) => excluded.push(describe_exclusion(candidate, exclusion, query)),
        }
    }
    ordered.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
    let winner = ordered.first().map(|(rank, candidate)| (*rank, candidate.provider().clone()));
    Explanation {
        domain: domain.clone(),
        key: key.clone(),
        ordered: ordered
            .iter()
            .enumerate()
            .map(|(place, (rank, candidate))| {
                let reasons = reasons(rank, slot.selection(), query);
                describe(candidate, rank, reasons, winner.as_ref().filter(|_| place > 0))
            })
            .collect(),
        excluded,
        unmet_selection: slot.unmet_selection().cloned(),
    }
}

fn describe(
    candidate: &Candidate,
    rank: &Rank,
    reasons: Vec<String>,
    better: Option<&(Rank, Provider)>,
) -> Ranked {
    let descriptor = candidate.descriptor();
    Ranked {
        provider: descriptor.provider.clone(),
        score: rank.score(),
        selected: better.is_none(),
        reasons,
        source: descriptor.source.name(),
        place: descriptor.source.place().map(str::to_owned),
        factory: descriptor.factory.clone(),
        priority: descriptor.priority,
        stack_level: descriptor.stack_level,
        capabilities: capabilities(descriptor),
        shadowed_by: better.map(|(_, provider)| provider.clone()),
        decided_by: better.map(|(best, _)| best.decided_by(rank).name()),
    }
}

/// Each with its details, where the manifest says more than a name; older manifests keep them in `metadata`.
fn capabilities(descriptor: &Descriptor) -> Vec<Value> {
    let said = ["capability_descriptors", "capabilities"].into_iter().filter_map(|name| {
        let items = descriptor.metadata.get(name)?.as_array()?;
        items.iter().all(Value::is_object).then(|| items.clone())
    });
    let names = || descriptor.capabilities.iter().map(|name| json!({ "name": name })).collect();
    said.into_iter().find(|items| items.len() == descriptor.capabilities.len()).unwrap_or_else(names)
}

fn describe_exclusion(candidate: &Candidate, exclusion: Exclusion, query: &Query<'_>) -> Excluded {
    let descriptor = candidate.descriptor();
    let reason = match (exclusion, query.provider) {
        (Exclusion::Capabilities { offered, wanted }, _) => format!("capability_match={offered}/{wanted}"),
        (Exclusion::Provider, Some(asked)) => format!("explicit provider {asked}"),
        (Exclusion::Provider, None) => "another provider was asked for".to_owned(),
    };
    Excluded { provider: descriptor.provider.clone(), source: descriptor.source.name(), reason }
}

fn reasons(rank: &Rank, selection: Option<&Provider>, query: &Query<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some(asked) = query.provider {
        reasons.push(format!("matched explicit provider {asked}"));
    }
    match (selection, rank.selected) {
        (Some(provider), true) => reasons.push(format!("matched selection override {provider}")),
        (Some(provider), false) => reasons.push(format!("selection override prefers {provider}")),
        (None, _) => {}
    }
    reasons.push(format!("priority={}", rank.priority));
    let wanted = query.wanted().count();
    if wanted > 0 {
        reasons.push(format!("capability_match={}/{wanted}", rank.capabilities));
    }
    reasons.push(format!("stack_level={}", rank.stack_level));
    reasons.push(format!("registration_order={}", rank.sequence));
    reasons
}
