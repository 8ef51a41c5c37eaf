//! `metadata.exec`: what is its own beside how a program is started.

use oneiric_core::Fault;

use super::output::Mode;
use crate::foreign::Section;
use crate::process::launch;

/// Every key of the section.
pub(super) const KEYS: [&str; 5] = {
    let [args, cwd, env, memory] = launch::KEYS;
    [args, cwd, env, memory, "stdout"]
};

/// What standard output means.
///
/// # Errors
/// Permanent, names the modes there are.
pub(super) fn mode(section: &Section) -> Result<Mode, Fault> {
    let Some(name) = section.text("stdout")? else { return Ok(Mode::default()) };
    Mode::NAMED.iter().find(|(known, _)| *known == name).map(|(_, mode)| *mode).ok_or_else(|| {
        let known = Mode::NAMED.map(|(known, _)| known).join(", ");
        section.wrong("stdout", &format!("is `{name}`; allowed are {known}"))
    })
}
