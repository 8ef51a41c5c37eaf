//! `config`: settings, where they come from, and whether they are right.

mod explain;
mod show;

pub(super) use explain::explain;
pub(super) use show::show;

use std::io::Write as _;

use serde::Serialize;

use crate::args::{ConfigValidateArgs, SchemaArgs};
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::palette::Tone;
use crate::output::{Format, Screen};
use crate::session::Session;

/// `{"ok":true,"profile":"default","files":["settings/oneiric.yaml"]}`.
#[derive(Serialize)]
struct Validated {
    ok: bool,
    profile: Option<String>,
    files: Vec<String>,
}

/// Checks one file, or all layers.
pub(super) fn validate(session: &mut Session, args: ConfigValidateArgs) -> Result<Code, Failure> {
    let validated = match args.file {
        Some(path) => {
            session.loader().check_file(&path).map_err(Failure::settings)?;
            Validated { ok: true, profile: None, files: vec![path.display().to_string()] }
        }
        None => {
            let loaded = session.settings()?;
            let profile = Some(loaded.settings.profile.name.clone());
            Validated { ok: true, profile, files: loaded.files.clone() }
        }
    };
    session.screen.emit(&validated, |screen| {
        for file in &validated.files {
            writeln!(screen, "{}    {file}", ok(screen))?;
        }
        match &validated.profile {
            Some(profile) => writeln!(screen, "{}    all layers, profile {profile}", ok(screen)),
            None => Ok(()),
        }
    })?;
    Ok(Code::Ok)
}

fn ok(screen: &Screen) -> String {
    screen.palette.paint(Tone::Good, "ok")
}

/// Prints the JSON Schema; what reads it wants JSON, whatever people see elsewhere.
pub(super) fn schema(session: &mut Session, args: &SchemaArgs) -> Result<Code, Failure> {
    let loader = session.loader();
    if args.markdown {
        session.screen.text(&loader.reference())?;
        return Ok(Code::Ok);
    }
    session.screen.format = session.asked.filter(|format| *format == Format::Yaml).unwrap_or(Format::Json);
    session.screen.emit(&loader.json_schema(), |_| Ok(()))?;
    Ok(Code::Ok)
}
