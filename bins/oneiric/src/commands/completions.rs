//! `completions`: scripts for shells.

use clap::CommandFactory as _;

use crate::args::Args;
use crate::exit::Code;
use crate::failure::Failure;
use crate::session::Session;

/// Prints the script.
pub(super) fn completions(session: &mut Session, shell: clap_complete::Shell) -> Result<Code, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "oneiric", &mut script);
    session.screen.text(&String::from_utf8_lossy(&script))?;
    Ok(Code::Ok)
}
