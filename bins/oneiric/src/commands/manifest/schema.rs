//! `manifest schema`: what editors check manifests with.

use oneiric_core::manifest;

use crate::exit::Code;
use crate::failure::Failure;
use crate::output::Format;
use crate::session::Session;

/// Prints it; as JSON for people, too.
pub(in crate::commands) fn schema(session: &mut Session) -> Result<Code, Failure> {
    if session.screen.format == Format::Human {
        session.screen.format = Format::Json;
    }
    session.screen.emit(&manifest::schema(), |_| Ok(()))?;
    Ok(Code::Ok)
}
