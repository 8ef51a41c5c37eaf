//! The services in the order of their start.

use oneiric_core::Domain;
use oneiric_runtime::Catalog;
use oneiric_supervisor::service::roster::{Member, Roster};
use oneiric_supervisor::service::{Probe, RestartPolicy, Spec};
use serde::Serialize;

use crate::exit::Code;
use crate::failure::Failure;

/// Shape: `{"waves":[["gateway"],["worker"]],"members":[{"name":"gateway",...}]}`.
#[derive(Debug, Default, Serialize)]
pub(super) struct Services {
    /// Those that start together, one wave after the other.
    pub(super) waves: Vec<Vec<String>>,
    pub(super) members: Vec<MemberOf>,
}

#[derive(Debug, Serialize)]
pub(super) struct MemberOf {
    pub(super) name: String,
    pub(super) provider: String,
    pub(super) critical: bool,
    pub(super) startup_order: i32,
    pub(super) dependencies: Vec<String>,
    pub(super) restart: RestartPolicy,
    pub(super) ready: Option<Probe>,
    pub(super) live: Option<Probe>,
}

impl Services {
    /// What the manifests say, and what is wrong with it.
    pub(super) fn of(catalog: &Catalog) -> (Self, Option<Failure>) {
        let mut members = Vec::new();
        for candidate in catalog.registry().active(&Domain::SERVICE) {
            let descriptor = candidate.descriptor();
            let (key, provider) = (descriptor.key.clone(), descriptor.provider.clone());
            match Spec::of(&descriptor.metadata) {
                Ok(spec) => members.push(Member { key, provider, spec }),
                Err(error) => return (Self::default(), Some(wrong(format!("service `{key}`: {error}")))),
            }
        }
        match Roster::new(members) {
            Ok(roster) => (Self::told(&roster), None),
            Err(error) => (Self::default(), Some(wrong(error.to_string()))),
        }
    }

    fn told(roster: &Roster) -> Self {
        let waves = roster.waves();
        Self {
            waves: waves.map(|wave| wave.iter().map(|member| member.key.to_string()).collect()).collect(),
            members: roster.members().iter().map(MemberOf::new).collect(),
        }
    }
}

impl MemberOf {
    fn new(member: &Member) -> Self {
        let Spec { dependencies, startup_order, critical, restart, ready, live, .. } = member.spec.clone();
        Self {
            name: member.key.to_string(),
            provider: member.provider.to_string(),
            critical,
            startup_order,
            dependencies: dependencies.iter().map(ToString::to_string).collect(),
            restart: restart.policy,
            ready,
            live,
        }
    }
}

fn wrong(message: String) -> Failure {
    Failure::said(Code::Configuration, message)
}
