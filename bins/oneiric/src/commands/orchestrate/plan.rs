//! `orchestrate --dry-run`: what would start, checked as far as that goes without a side effect.
//!
//! Reads settings, manifests, `/proc` and the permissions of the state folder. Creates, binds and builds nothing.

mod human;
mod place;
mod port;
mod services;

use std::collections::BTreeMap;
use std::path::PathBuf;

use oneiric_core::Domain;
use oneiric_core::settings::Profile;
use serde::Serialize;

use super::{binding, state_dir};
use crate::commands::here::here;
use crate::commands::workflow::Plans;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::Screen;
use crate::session::Session;
use place::Place;
use port::Port;
use services::Services;

/// What would start. Shape: `{"profile":{...},"settings":["settings/oneiric.yaml"],"manifests":["shop.yaml"],
/// "state":{...},"http":{...},"components":{"task":3},"services":{"waves":[["gateway"]],"members":[...]},
/// "workflows":{...},"subscriptions":[...],"schedules":[],"problems":[...]}`.
#[derive(Serialize)]
struct StartPlan<'a> {
    profile: &'a Profile,
    supervisor_enabled: bool,
    /// The files that were read.
    settings: &'a [String],
    manifests: &'a [PathBuf],
    state: Place,
    /// `null` where nothing is answered.
    http: Option<Port>,
    /// How many keys there are, by domain.
    components: BTreeMap<String, usize>,
    services: Services,
    workflows: Plans<'a>,
    subscriptions: Vec<SubscriptionOf>,
    /// Nothing is scheduled by time yet.
    schedules: [(); 0],
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct SubscriptionOf {
    handler: String,
    topics: Vec<String>,
}

/// Why it would not start, or not do all of its work.
#[derive(Debug, Serialize)]
struct Problem {
    #[serde(skip)]
    code: Code,
    /// The word of the exit code that it would end with.
    kind: &'static str,
    /// What it is about: `task:charge`, `http`, `state`.
    about: String,
    message: String,
    help: Option<String>,
}

impl Problem {
    fn new(about: impl Into<String>, failure: &Failure) -> Self {
        let code = failure.code();
        Self {
            code,
            kind: code.name(),
            about: about.into(),
            message: failure.to_string(),
            help: failure.way_out(),
        }
    }
}

/// Shows it. Exits with the worst code of what is wrong.
pub(super) fn dry_run(session: &Session, screen: &mut Screen) -> Result<Code, Failure> {
    let loaded = session.load()?;
    let mut problems: Vec<Problem> = loaded
        .check_all()
        .into_iter()
        .map(|(descriptor, error)| {
            Problem::new(format!("{}:{}", descriptor.domain, descriptor.key), &Failure::from(error))
        })
        .collect();
    let catalog = loaded.into_catalog();
    let subscriptions = match here(session, async |oneiric| Ok(oneiric.dispatcher().subscriptions())) {
        Ok(all) => all
            .iter()
            .map(|one| SubscriptionOf {
                handler: one.name.to_string(),
                topics: one.interest.topics.iter().map(ToString::to_string).collect(),
            })
            .collect(),
        Err(failure) => {
            problems.push(Problem::new("events", &failure));
            Vec::new()
        }
    };
    let mut found = |about: &str, failure: Option<Failure>| {
        problems.extend(failure.map(|failure| Problem::new(about, &failure)));
    };
    let (services, wrong) = Services::of(&catalog);
    found("services", wrong);
    let (state, wrong) = Place::of(state_dir(session)?);
    found("state", wrong);
    let http = match binding::options(session) {
        Ok(None) => None,
        Ok(Some(options)) => {
            let (port, wrong) = Port::of(&options);
            found("http", wrong);
            Some(port)
        }
        Err(failure) => {
            found("http", Some(failure));
            None
        }
    };
    let settings = session.settings()?;
    let domains = Domain::WELL_KNOWN.iter().chain(settings.settings.domains.keys());
    let plan = StartPlan {
        profile: &settings.settings.profile,
        supervisor_enabled: settings.settings.supervisor_enabled(),
        settings: &settings.files,
        manifests: &session.manifests,
        state,
        http,
        components: domains
            .map(|domain| (domain.to_string(), catalog.registry().active(domain).count()))
            .filter(|(_, count)| *count > 0)
            .collect(),
        services,
        workflows: Plans::of(&catalog, &[]),
        subscriptions,
        schedules: [],
        problems,
    };
    screen.emit(&plan, |screen| human::print(screen, &plan))?;
    let code = plan.problems.iter().fold(Code::Ok, |code, problem| code.worst(problem.code));
    match plan.problems.len() {
        0 => Ok(Code::Ok),
        1 => Err(Failure::said(code, "it would not start as it stands: 1 problem")),
        more => Err(Failure::said(code, format!("it would not start as it stands: {more} problems"))),
    }
}
