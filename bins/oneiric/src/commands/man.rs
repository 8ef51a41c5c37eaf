//! `man`: the manual, a page per command.

use std::io::Write as _;
use std::path::Path;

use clap::CommandFactory as _;

use crate::args::Args;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::file;
use crate::session::Session;

/// Prints the page of the program, or writes all pages into a folder.
pub(super) fn man(session: &mut Session, folder: Option<&Path>) -> Result<Code, Failure> {
    let pages = pages().map_err(Failure::Output)?;
    let Some(folder) = folder else {
        let (_, first) = &pages[0];
        session.screen.text(&String::from_utf8_lossy(first))?;
        return Ok(Code::Ok);
    };
    std::fs::create_dir_all(folder).map_err(|error| {
        let message = format!("cannot make the folder {}: {error}", folder.display());
        Failure::said(Code::Configuration, message).help("name a folder that is there or can be made")
    })?;
    for (name, page) in &pages {
        file::write(&folder.join(name), page)?;
    }
    let (number, place) = (pages.len(), folder.display().to_string());
    let written: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
    let report = serde_json::json!({ "folder": place, "pages": written });
    session.screen.emit(&report, |screen| writeln!(screen, "wrote {number} pages to {place}"))?;
    Ok(Code::Ok)
}

/// The name and the text of every page; that of the program first.
fn pages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut command = Args::command();
    // Only a built command has the global options in its subcommands.
    command.build();
    let mut pages = Vec::new();
    render(&command, "oneiric", &mut pages)?;
    Ok(pages)
}

fn render(command: &clap::Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone().display_name(name.to_owned()))
        .source(concat!("oneiric ", env!("CARGO_PKG_VERSION")))
        .manual("Oneiric")
        .render(&mut text)?;
    pages.push((format!("{name}.1"), sections(&text)));
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        render(below, &format!("{name}-{}", below.get_name()), pages)?;
    }
    Ok(())
}

/// What stands behind the options, under the titles that manuals have, with its lines as they are.
fn sections(page: &[u8]) -> Vec<u8> {
    let page = String::from_utf8_lossy(page);
    let Some((page, extra)) = page.split_once(".SH EXTRA\n") else { return page.into_owned().into_bytes() };
    let (extra, version) = match extra.split_once(".SH VERSION\n") {
        Some((extra, version)) => (extra, format!(".SH VERSION\n{version}")),
        None => (extra, String::new()),
    };
    let extra = extra
        .replace("Examples:\n", ".SH EXAMPLES\n.nf\n")
        .replace("Exit codes:\n", ".fi\n.SH EXIT STATUS\n.nf\n");
    format!("{page}{}\n.fi\n{version}", extra.trim_end()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_that_begins_as_roff() {
        let pages = pages().unwrap();
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[0], "oneiric.1");
        for name in ["oneiric-status.1", "oneiric-workflow-run.1", "oneiric-manifest-schema.1"] {
            assert!(names.contains(&name), "{name} is not in {names:?}");
        }
        for (name, page) in &pages {
            let text = std::str::from_utf8(page).unwrap();
            assert!(text.contains(".TH oneiric"), "{name}");
            for section in [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION"] {
                assert!(text.contains(section), "{name} has no {section}");
            }
            assert!(!text.contains("EXTRA"), "{name}");
            let count = |request: &str| text.lines().filter(|line| *line == request).count();
            assert_eq!(count(".nf"), count(".fi"), "{name}");
        }
    }

    #[test]
    fn groff_has_nothing_to_complain_of() {
        use std::process::{Command, Stdio};
        for (name, page) in pages().unwrap() {
            let groff = ["-man", "-Tutf8", "-ww", "-b", "-z"];
            let started = Command::new("groff")
                .args(groff)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn();
            let Ok(mut groff) = started else {
                eprintln!("SKIPPED: groff is not here, the pages were not set");
                return;
            };
            groff.stdin.take().unwrap().write_all(&page).unwrap();
            let said = groff.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&said.stderr).into_owned();
            // Some systems have the program without its macros.
            if said.contains("can't open 'an.tmac'") || said.contains("cannot open macro file") {
                eprintln!("SKIPPED: groff has no manual macros here");
                return;
            }
            assert_eq!(said, "", "{name}");
        }
    }
}
