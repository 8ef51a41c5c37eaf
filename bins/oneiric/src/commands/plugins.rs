//! `plugins`: what is compiled in.

use std::io::{self, Write as _};

use oneiric_core::factory::SCHEMES;
use oneiric_core::{ComponentRuntime, Descriptor, Domain, Factory, Registry, Source};
use serde::Serialize;

use crate::exit::Code;
use crate::failure::Failure;
use crate::output::Screen;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::text::count;
use crate::session::Session;

/// The one group: upstream's are entry points of Python packages.
const GROUP: &str = "oneiric.runtimes";

/// The runtime of what an embedding program links in; always there.
const LINKED: &str = "linked";

/// Upstream's shape: `{"groups":[...],"registered":17,"entries":[...],"errors":[]}`. What is compiled in
/// cannot fail to load, so that there are no errors.
#[derive(Serialize)]
struct Report {
    groups: [&'static str; 1],
    registered: usize,
    entries: Vec<Entry>,
    errors: [(); 0],
}

/// A component runtime. Additive: the feature of `oneiric-adapters` that compiles it in, how factories
/// begin that it builds, and the candidates that it offers.
#[derive(Serialize)]
struct Entry {
    group: &'static str,
    entry_point: &'static str,
    payload_type: &'static str,
    registered_candidates: usize,
    feature: Option<&'static str>,
    factories: Vec<String>,
    candidates: Vec<Offer>,
}

#[derive(Serialize)]
struct Offer {
    domain: String,
    key: String,
    provider: String,
    factory: String,
}

impl From<&Descriptor> for Offer {
    fn from(offered: &Descriptor) -> Self {
        Self {
            domain: offered.domain.to_string(),
            key: offered.key.to_string(),
            provider: offered.provider.to_string(),
            factory: offered.factory.to_string(),
        }
    }
}

impl Entry {
    fn new(
        name: &'static str,
        feature: Option<&'static str>,
        factories: Vec<String>,
        candidates: Vec<Offer>,
    ) -> Self {
        let payload_type = "component runtime";
        let registered_candidates = candidates.len();
        Self {
            group: GROUP,
            entry_point: name,
            payload_type,
            registered_candidates,
            feature,
            factories,
            candidates,
        }
    }

    fn of(runtime: &dyn ComponentRuntime) -> Self {
        let offers = runtime.offers();
        // A runtime and its feature have one name.
        let feature = Some(runtime.name());
        Self::new(runtime.name(), feature, factories(runtime), offers.iter().map(Offer::from).collect())
    }

    fn linked(registry: &Registry) -> Self {
        let all =
            registry.domains().flat_map(|domain| registry.active(domain).chain(registry.shadowed(domain)));
        let linked = all.map(|candidate| candidate.descriptor());
        let linked = linked.filter(|found| found.source == Source::Manual).map(|found| Offer::from(&**found));
        Self::new(LINKED, None, vec!["NAME".to_owned()], linked.collect())
    }
}

/// What a runtime builds, by asking it.
fn factories(runtime: &dyn ComponentRuntime) -> Vec<String> {
    let builds = |factory: &str| {
        let name = "any".parse().expect("a literal name is well formed");
        let provider = "any".parse().expect("a literal name is well formed");
        runtime.recognises(&Descriptor::new(
            Domain::TASK,
            name,
            provider,
            Factory::new(factory),
            Source::Manual,
        ))
    };
    let schemes = SCHEMES.iter().filter(|scheme| builds(&format!("{scheme}:any")));
    let mut found: Vec<_> = schemes.map(|scheme| format!("{scheme}:")).collect();
    if builds("any.module:Any") {
        found.push("pkg.mod:Attr".to_owned());
    }
    found
}

/// Lists them.
pub(super) fn plugins(session: &mut Session) -> Result<Code, Failure> {
    let catalog = session.catalog()?;
    let mut entries: Vec<_> = Session::runtimes().iter().map(|runtime| Entry::of(runtime.as_ref())).collect();
    entries.push(Entry::linked(catalog.registry()));
    let registered = entries.iter().map(|entry| entry.registered_candidates).sum();
    let report = Report { groups: [GROUP], registered, entries, errors: [] };
    session.screen.emit(&report, |screen| print(screen, &report))?;
    Ok(Code::Ok)
}

fn print(screen: &mut Screen, report: &Report) -> io::Result<()> {
    let mut table = Table::new([
        Column::new("runtime", Room::Whole),
        Column::new("feature", Room::Whole),
        Column::new("builds", Room::End),
        Column::right("offers"),
    ]);
    for entry in &report.entries {
        table.row([
            (entry.entry_point.to_owned(), Tone::Strong),
            (entry.feature.unwrap_or("always").to_owned(), Tone::Faint),
            plain(entry.factories.join(" ")),
            plain(entry.registered_candidates.to_string()),
        ]);
    }
    table.print(screen)?;
    let mut offers = Table::new([
        Column::new("domain", Room::Whole),
        Column::new("key", Room::Middle),
        Column::new("provider", Room::Middle),
        Column::new("factory", Room::End),
    ]);
    for offer in report.entries.iter().flat_map(|entry| &entry.candidates) {
        offers.row([
            (offer.domain.clone(), Tone::Faint),
            (offer.key.clone(), Tone::Strong),
            plain(&*offer.provider),
            (offer.factory.clone(), Tone::Faint),
        ]);
    }
    if !offers.is_empty() {
        writeln!(screen, "\noffered without a manifest:")?;
        offers.print(screen)?;
    }
    let (runtimes, offered) = (count(report.entries.len(), "runtime"), count(report.registered, "candidate"));
    writeln!(screen, "{}", screen.palette.paint(Tone::Faint, &format!("{runtimes}, {offered}")))
}
