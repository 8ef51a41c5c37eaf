//! `manifest pack`: any format to JSON.

use std::io::Read as _;
use std::io::Write as _;
use std::path::Path;

use oneiric_core::manifest::{self, Layout, MAX_TEXT_BYTES};
use oneiric_runtime::{Error, ManifestFile, read_manifest};
use serde::Serialize;

use super::{name, only};
use crate::args::PackArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::file;
use crate::session::Session;

/// `{"input":"...","output":"...","bytes":512}`.
#[derive(Serialize)]
struct Packed {
    input: String,
    output: String,
    bytes: usize,
}

/// Converts a manifest.
pub(in crate::commands) fn pack(session: &mut Session, args: PackArgs) -> Result<Code, Failure> {
    let input = only(session, args.input, "name it: `oneiric manifest pack -i PATH`")?;
    let file = if input == Path::new("-") { standard_input()? } else { read_manifest(&input)? };
    let wrong = |problems| Error::Manifest { problems, text: file.bytes.clone() };
    // What is packed can be loaded: the conversion alone looks at the syntax only.
    manifest::parse(&file.name, &file.bytes).map_err(wrong)?;
    let layout = if args.compact { Layout::Compact } else { Layout::Pretty };
    let mut json = manifest::to_json(&file.name, &file.bytes, layout).map_err(wrong)?;
    json.push('\n');
    if args.stdout || args.output == Path::new("-") {
        session.screen.text(&json)?;
        return Ok(Code::Ok);
    }
    file::write(&args.output, json.as_bytes())?;
    let packed = Packed { input: file.name.clone(), output: name(&args.output), bytes: json.len() };
    session
        .screen
        .emit(&packed, |screen| writeln!(screen, "Packed manifest {} -> {}", packed.input, packed.output))?;
    Ok(Code::Ok)
}

fn standard_input() -> Result<ManifestFile, Failure> {
    let refuse = |reason: String| {
        Failure::from(Error::Read {
            path: "standard input".to_owned(),
            reason,
            help: "name a file with `-i PATH`".to_owned(),
        })
    };
    let mut bytes = Vec::new();
    let limited = std::io::stdin().lock().take(MAX_TEXT_BYTES as u64 + 1).read_to_end(&mut bytes);
    limited.map_err(|error| refuse(error.to_string()))?;
    if bytes.len() > MAX_TEXT_BYTES {
        return Err(refuse(format!("it is longer than {MAX_TEXT_BYTES} bytes")));
    }
    Ok(ManifestFile::new("standard input", bytes))
}
