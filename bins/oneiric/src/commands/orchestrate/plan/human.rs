//! The start plan for people.

use std::io::{self, Write as _};

use super::StartPlan;
use crate::output::Screen;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::text::{clean, count, cut};

pub(super) fn print(screen: &mut Screen, plan: &StartPlan<'_>) -> io::Result<()> {
    let switch = |on: bool| if on { "on" } else { "off" };
    let profile = plan.profile;
    let mut fact = |name: &str, text: String| {
        let text = cut(&clean(&text), screen.width.saturating_sub(11));
        writeln!(screen, "{}{text}", screen.palette.paint(Tone::Faint, &format!("{name:<11}")))
    };
    fact(
        "profile",
        format!(
            "{} (watchers {}, remote {}, supervisor {}{})",
            profile.name,
            switch(profile.watchers_enabled),
            switch(profile.remote_enabled),
            switch(plan.supervisor_enabled),
            if profile.inline_manifest_only { ", packaged manifests only" } else { "" }
        ),
    )?;
    let listed = |items: Vec<String>| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    fact("settings", listed(plan.settings.to_vec()))?;
    fact("manifests", listed(plan.manifests.iter().map(|path| path.display().to_string()).collect()))?;
    fact(
        "state",
        match &plan.state.path {
            None => "in memory: nothing of it outlives the process".to_owned(),
            Some(path) if plan.state.exists => path.display().to_string(),
            Some(path) => format!("{} (new)", path.display()),
        },
    )?;
    fact(
        "http",
        match &plan.http {
            None => "none".to_owned(),
            Some(port) if port.is_local => format!("{}, everybody on this machine", port.address),
            Some(port) => format!("{}, with a token", port.address),
        },
    )?;
    let counts = plan.components.iter().map(|(domain, number)| count(*number, domain));
    fact("components", listed(counts.collect()))?;
    let workflows = plan.workflows.workflows.keys().map(|key| (*key).to_owned());
    fact("workflows", listed(workflows.collect()))?;
    let handlers = plan.subscriptions.iter().map(|one| {
        let topics = if one.topics.is_empty() { "every topic".to_owned() } else { one.topics.join(", ") };
        format!("{} on {topics}", one.handler)
    });
    fact("events", listed(handlers.collect()))?;
    services(screen, plan)?;
    for problem in &plan.problems {
        let text = format!("{}: {}", problem.about, problem.message);
        writeln!(screen, "{} {}", screen.palette.paint(Tone::Bad, "wrong"), clean(&text))?;
        if let Some(help) = &problem.help {
            writeln!(screen, "      {}", screen.palette.paint(Tone::Faint, &clean(help)))?;
        }
    }
    Ok(())
}

fn services(screen: &mut Screen, plan: &StartPlan<'_>) -> io::Result<()> {
    if plan.services.members.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        Column::right("wave"),
        Column::new("service", Room::Middle),
        Column::new("provider", Room::Middle),
        Column::new("needs", Room::End),
        Column::new("", Room::End),
    ]);
    for member in &plan.services.members {
        let wave =
            plan.services.waves.iter().position(|wave| wave.contains(&member.name)).map_or(0, |at| at + 1);
        let needs =
            if member.dependencies.is_empty() { "-".to_owned() } else { member.dependencies.join(", ") };
        let mut notes = vec![if member.critical { "critical" } else { "not critical" }];
        notes.extend(member.ready.is_some().then_some("ready probe"));
        notes.extend(member.live.is_some().then_some("live probe"));
        table.row([
            plain(wave.to_string()),
            (member.name.clone(), Tone::Strong),
            plain(member.provider.clone()),
            plain(needs),
            (notes.join(", "), Tone::Faint),
        ]);
    }
    table.print(screen)
}
