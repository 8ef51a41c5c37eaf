//! `manifest validate`: everything that running would find before it runs.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;

use oneiric_core::manifest::{self, Place, Problem};
use oneiric_core::{Domain, Key};
use oneiric_runtime::{Bundle, Catalog, Error, Loaded, ManifestFile, read_manifest};
use serde::Serialize;

use crate::args::ValidateArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::palette::Tone;
use crate::output::text::count;
use crate::problems::{self, Sheet};
use crate::session::Session;

/// `{"files":[{"file":"...","ok":true,"entries":15,"workflows":1,"problems":[]}]}`.
#[derive(Serialize)]
struct Validated<'a> {
    files: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    ok: bool,
    entries: usize,
    workflows: usize,
    problems: Vec<problems::Line<'a>>,
}

/// What was found in one file.
struct Checked {
    file: ManifestFile,
    entries: usize,
    workflows: usize,
    sheet: Option<Sheet>,
}

/// Checks the files as one set.
pub(in crate::commands) fn validate(session: &mut Session, args: ValidateArgs) -> Result<Code, Failure> {
    let mut paths = session.manifests.clone();
    paths.extend(args.files);
    if paths.is_empty() {
        return Err(Failure::said(Code::Configuration, "no manifest was named")
            .help("name it: `oneiric manifest validate FILE`"));
    }
    let files = paths.iter().map(|path| read_manifest(path)).collect::<Result<Vec<_>, _>>()?;
    let mut checked = files.into_iter().map(alone).collect::<Result<Vec<_>, Failure>>()?;
    // Where a file is broken, what it would offer is not known, and others would be blamed for that.
    if checked.iter().all(|file| file.sheet.is_none()) {
        together(session, &mut checked)?;
    }
    let lines = checked.iter().map(|file| Line {
        file: &file.file.name,
        ok: file.sheet.is_none(),
        entries: file.entries,
        workflows: file.workflows,
        problems: file
            .sheet
            .as_ref()
            .map(|sheet| problems::lines(std::slice::from_ref(sheet)))
            .unwrap_or_default(),
    });
    let validated = Validated { files: lines.collect() };
    session.screen.emit(&validated, |screen| {
        for line in &validated.files {
            if line.ok {
                let ok = screen.palette.paint(Tone::Good, "ok");
                let entries = if line.entries == 1 { "entry" } else { "entries" };
                writeln!(
                    screen,
                    "{ok}    {}  {} {entries}, {}",
                    line.file,
                    line.entries,
                    count(line.workflows, "workflow")
                )?;
            } else {
                let fail = screen.palette.paint(Tone::Bad, "fail");
                writeln!(screen, "{fail}  {}  {}", line.file, count(line.problems.len(), "problem"))?;
            }
        }
        Ok(())
    })?;
    let sheets: Vec<Sheet> = checked.into_iter().filter_map(|file| file.sheet).collect();
    if sheets.is_empty() { Ok(Code::Ok) } else { Err(Failure::Files(sheets)) }
}

/// Syntax, fields and graphs of one file.
fn alone(file: ManifestFile) -> Result<Checked, Failure> {
    let parsed = manifest::parse(&file.name, &file.bytes);
    let manifest = match parsed {
        Ok(manifest) => manifest,
        Err(problems) => {
            let sheet = Sheet::new(problems, file.bytes.clone());
            return Ok(Checked { file, entries: 0, workflows: 0, sheet: Some(sheet) });
        }
    };
    let graphs =
        manifest.entries.iter().filter(|entry| entry.domain == Domain::WORKFLOW && entry.dag.is_some());
    let (entries, workflows) = (manifest.entries.len(), graphs.count());
    let sheet = match Catalog::load(Bundle { files: vec![file.clone()] }) {
        Ok(_) => None,
        Err(Error::Manifest { problems, text }) => Some(Sheet::new(problems, text)),
        Err(other) => return Err(other.into()),
    };
    Ok(Checked { file, entries, workflows, sheet })
}

/// Tasks and factories of every workflow, with all files at hand.
fn together(session: &Session, checked: &mut [Checked]) -> Result<(), Failure> {
    let builder = checked.iter().fold(session.builder()?, |builder, checked| {
        builder.manifest_text(checked.file.name.clone(), checked.file.bytes.clone())
    });
    let loaded = match builder.load() {
        Ok(loaded) => loaded,
        Err(error @ (Error::UnknownWorkflow { .. } | Error::Services { .. })) => {
            let (sheet, text) = match error {
                Error::UnknownWorkflow { problems, text } => {
                    (Sheet::new(problems, Arc::clone(&text)).ending(Code::Resolution), text)
                }
                Error::Services { problems, text } => (Sheet::new(problems, Arc::clone(&text)), text),
                other => return Err(other.into()),
            };
            let of = checked.iter_mut().find(|checked| checked.file.bytes == text);
            let Some(of) = of else { return Err(Failure::Files(vec![sheet])) };
            of.sheet = Some(sheet);
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let mut found: HashMap<String, (Code, Vec<Problem>)> = HashMap::new();
    let active = loaded.catalog().registry().active(&Domain::WORKFLOW);
    let keys: Vec<_> = active.map(|candidate| candidate.descriptor()).collect();
    for workflow in keys {
        let place = workflow.source.place().unwrap_or_default();
        let Some(file) =
            checked.iter().find(|checked| checked.file.name == place).map(|checked| &checked.file)
        else {
            continue;
        };
        let (code, mut problems) = of_workflow(&loaded, &workflow.key, file);
        let entry = found.entry(file.name.clone()).or_insert((Code::Configuration, Vec::new()));
        entry.0 = entry.0.worst(code);
        entry.1.append(&mut problems);
    }
    for checked in checked {
        if let Some((code, problems)) =
            found.remove(&checked.file.name).filter(|(_, problems)| !problems.is_empty())
        {
            checked.sheet = Some(Sheet::of(code, problems, checked.file.bytes.clone()));
        }
    }
    Ok(())
}

/// Every task that is not known, at the node that names it; else the first other obstacle.
fn of_workflow(loaded: &Loaded, key: &Key, file: &ManifestFile) -> (Code, Vec<Problem>) {
    let text = String::from_utf8_lossy(&file.bytes);
    let catalog = loaded.catalog();
    let workflow = match catalog.workflow(key, None) {
        Ok((_, workflow)) => workflow,
        // An entry without a graph cannot be run, but upstream's may stand for one kept elsewhere.
        Err(_) => return (Code::Ok, Vec::new()),
    };
    match loaded.check(key, None) {
        Ok(()) => (Code::Ok, Vec::new()),
        Err(Error::UnknownTask { problems, .. }) => (Code::Resolution, problems.problems),
        Err(error) => {
            let first = workflow.dag().nodes.first().map(|node| node.position).unwrap_or_default();
            let place = Place::of_name(&file.name, &text, first);
            let problem =
                Problem { place, message: format!("workflow `{key}`: {error}"), help: error.help() };
            (error.kind().into(), vec![problem])
        }
    }
}
