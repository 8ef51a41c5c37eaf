//! `supervisor critical-chain`: in which order services start, by what the manifests say.

use std::io::{self, Write as _};

use oneiric_core::Key;
use oneiric_runtime::roster;
use oneiric_runtime::service::Roster;
use serde::Serialize;

use crate::exit::Code;
use crate::failure::Failure;
use crate::output::Screen;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::text::cut;
use crate::session::Session;

/// `{"services":[{"name":"gateway","provider":"shop","wave":1,"startup_order":10,"critical":true,
/// "dependencies":[],"dependents":["web"],"start_timeout":30.0}],"waves":[["gateway"],["web"]],
/// "chain":["gateway","web"],"chain_seconds":60.0}`. `dependents` are those that need it directly or through others;
/// `chain` is the one of dependencies whose start may take the longest.
#[derive(Serialize)]
struct Plan {
    services: Vec<Line>,
    waves: Vec<Vec<Key>>,
    chain: Vec<Key>,
    chain_seconds: f64,
}

#[derive(Serialize)]
struct Line {
    name: Key,
    provider: String,
    wave: usize,
    startup_order: i32,
    critical: bool,
    dependencies: Vec<Key>,
    dependents: Vec<Key>,
    start_timeout: f64,
}

/// Shows it.
pub(super) fn critical_chain(session: &mut Session) -> Result<Code, Failure> {
    let plan = plan(&roster(session.catalog()?.registry())?);
    session.screen.emit(&plan, |screen| print(screen, &plan))?;
    Ok(Code::Ok)
}

fn plan(roster: &Roster) -> Plan {
    let (mut services, mut waves) = (Vec::new(), Vec::new());
    for (wave, members) in roster.waves().enumerate() {
        waves.push(members.iter().map(|member| member.key.clone()).collect());
        services.extend(members.iter().map(|member| Line {
            name: member.key.clone(),
            provider: member.provider.to_string(),
            wave: wave + 1,
            startup_order: member.spec.startup_order,
            critical: member.spec.critical,
            dependencies: member.spec.dependencies.clone(),
            dependents: roster.dependents(&member.key).iter().map(|member| member.key.clone()).collect(),
            start_timeout: member.spec.start_timeout,
        }));
    }
    let chain = roster.critical_chain();
    let chain_seconds = chain.iter().map(|member| member.spec.start_timeout).sum();
    Plan { services, waves, chain: chain.iter().map(|member| member.key.clone()).collect(), chain_seconds }
}

fn print(screen: &mut Screen, plan: &Plan) -> io::Result<()> {
    if plan.services.is_empty() {
        return writeln!(screen, "(none)");
    }
    let mut table = Table::new([
        Column::right("wave"),
        Column::new("service", Room::Middle),
        Column::right("order"),
        Column::new("critical", Room::Whole),
        Column::new("needs", Room::End),
        Column::new("needed by", Room::End),
    ]);
    let names = |keys: &[Key]| keys.iter().map(Key::as_str).collect::<Vec<_>>().join(", ");
    for line in &plan.services {
        let on_chain = plan.chain.contains(&line.name);
        table.row([
            plain(line.wave.to_string()),
            (line.name.to_string(), if on_chain { Tone::Strong } else { Tone::Plain }),
            plain(line.startup_order.to_string()),
            plain(if line.critical { "yes" } else { "no" }),
            (names(&line.dependencies), Tone::Faint),
            (names(&line.dependents), Tone::Faint),
        ]);
    }
    table.print(screen)?;
    let chain = plan.chain.iter().map(Key::as_str).collect::<Vec<_>>().join(" -> ");
    let text = format!("the longest chain may take {} s to start: {chain}", plan.chain_seconds);
    writeln!(screen, "{}", cut(&text, screen.width))
}

#[cfg(test)]
mod tests {
    use oneiric_runtime::service::{Spec, roster::Member};

    use super::*;
    use crate::output::tests::printed;

    #[test]
    fn the_order_of_the_start_is_told() {
        let member = |(name, order, critical, needs): &(&str, i32, bool, &[&str])| Member {
            key: name.parse().unwrap(),
            provider: "soma".parse().unwrap(),
            spec: Spec {
                startup_order: *order,
                critical: *critical,
                dependencies: needs.iter().map(|key| key.parse().unwrap()).collect(),
                ..Spec::default()
            },
        };
        let seven: [(&str, i32, bool, &[&str]); 7] = [
            ("gateway", 10, true, &[]),
            ("memory-replicator", 20, true, &["gateway"]),
            ("memory-sync", 30, true, &["gateway", "memory-replicator"]),
            ("outbox-sync", 40, true, &[]),
            ("conversation-worker", 50, true, &[]),
            ("tool-executor", 60, true, &[]),
            ("fasta2a-gateway", 70, false, &[]),
        ];
        let plan = plan(&Roster::new(seven.iter().map(member)).unwrap());
        insta::assert_snapshot!("chain_80", printed(80, |screen| print(screen, &plan)));
        insta::assert_snapshot!("chain_100", printed(100, |screen| print(screen, &plan)));
    }
}
