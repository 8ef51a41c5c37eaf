//! `list`: the components of a domain, or of all.

use std::io::{self, Write as _};

use oneiric_core::resolver::UnmetSelection;
use oneiric_core::{Candidate, Domain};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::args::ListArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::known::Known;
use crate::output::Screen;
use crate::output::palette::Tone;
use crate::session::Session;

/// `{"domain":"task","active":[...],"shadowed":[...],"unmet_selections":[]}`; `domain` is null where all are
/// listed.
#[derive(Serialize)]
struct Listing<'a> {
    domain: Option<&'a Domain>,
    active: Vec<Line<'a>>,
    shadowed: Vec<Line<'a>>,
    /// Selections that no candidate meets.
    unmet_selections: Vec<Unmet<'a>>,
}

/// A selection that no candidate meets, and the providers that there are.
#[derive(Serialize)]
struct Unmet<'a> {
    domain: &'a str,
    key: &'a str,
    provider: &'a str,
    known: Vec<&'a str>,
}

impl<'a> Unmet<'a> {
    fn of(unmet: UnmetSelection<'a>) -> Self {
        Self {
            domain: unmet.domain.name(),
            key: unmet.key.as_str(),
            provider: unmet.provider.as_str(),
            known: unmet.known.into_iter().map(|provider| provider.as_str()).collect(),
        }
    }
}

/// One candidate. `place` is the file it came from.
#[derive(Serialize)]
struct Line<'a> {
    domain: &'a str,
    key: &'a str,
    provider: &'a str,
    priority: i32,
    stack_level: i32,
    source: &'static str,
    place: Option<&'a str>,
    factory: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    capabilities: &'a [String],
    metadata: &'a Map<String, Value>,
}

impl<'a> Line<'a> {
    fn of(candidate: &'a Candidate) -> Self {
        let has = candidate.descriptor();
        Self {
            domain: has.domain.name(),
            key: has.key.as_str(),
            provider: has.provider.as_str(),
            priority: has.priority,
            stack_level: has.stack_level,
            source: has.source.name(),
            place: has.source.place(),
            factory: has.factory.as_str(),
            version: has.version.as_deref(),
            capabilities: candidate.capabilities(),
            metadata: &has.metadata,
        }
    }
}

/// Lists them: those of one domain, or of every domain that has any.
pub(super) fn list(session: &mut Session, args: &ListArgs) -> Result<Code, Failure> {
    let catalog = session.catalog()?;
    let registry = catalog.registry();
    Known::registered(registry).expect(args.domain.as_ref(), None)?;
    let domains: Vec<&Domain> = match &args.domain {
        Some(domain) => vec![domain],
        None => registry.domains().collect(),
    };
    let listing = Listing {
        domain: args.domain.as_ref(),
        active: domains.iter().flat_map(|domain| registry.active(domain)).map(Line::of).collect(),
        shadowed: domains.iter().flat_map(|domain| registry.shadowed(domain)).map(Line::of).collect(),
        unmet_selections: registry
            .unmet_selections()
            .filter(|unmet| args.domain.as_ref().is_none_or(|domain| domain == unmet.domain))
            .map(Unmet::of)
            .collect(),
    };
    session.screen.emit(&listing, |screen| {
        if domains.is_empty() {
            writeln!(screen, "(none)")?;
        }
        for (place, domain) in domains.iter().enumerate() {
            if place > 0 {
                writeln!(screen)?;
            }
            section(screen, "Active", domain, &listing.active)?;
            if args.shadowed {
                writeln!(screen)?;
                section(screen, "Shadowed", domain, &listing.shadowed)?;
            }
        }
        Ok(())
    })?;
    Ok(Code::Ok)
}

/// Upstream's lines: scripts read them.
fn section(screen: &mut Screen, title: &str, domain: &Domain, lines: &[Line<'_>]) -> io::Result<()> {
    let title = screen.palette.paint(Tone::Strong, &format!("{title} {domain}s:"));
    writeln!(screen, "{title}")?;
    let mut lines = lines.iter().filter(|line| line.domain == domain.name()).peekable();
    if lines.peek().is_none() {
        return writeln!(screen, "  (none)");
    }
    for line in lines {
        let facts = format!("(priority={} stack={} source={})", line.priority, line.stack_level, line.source);
        let facts = screen.palette.paint(Tone::Faint, &facts);
        writeln!(screen, "  - {}/{} {facts}", line.key, line.provider)?;
    }
    Ok(())
}
