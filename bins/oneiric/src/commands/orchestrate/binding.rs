//! What settings and the state say of the port.

use oneiric_server::{Options, OptionsError, tokens};

use crate::commands::token;
use crate::exit::Code;
use crate::failure::Failure;
use crate::session::Session;
use crate::wait::wait;

/// Where and for whom to answer; `None` is nowhere. Creates nothing. The state is looked at only where it decides
/// whether the process may start: a live one sees by itself which tokens there are.
pub(super) fn options(session: &Session) -> Result<Option<Options>, Failure> {
    let settings = &session.settings()?.settings;
    let options = match Options::of(settings, false) {
        Err(OptionsError::Exposed(_)) => Options::of(settings, has_tokens(session)?),
        other => other,
    };
    options.map_err(|error| Failure::said(Code::Configuration, error.to_string()))
}

fn has_tokens(session: &Session) -> Result<bool, Failure> {
    let Some(store) = session.store()? else { return Ok(false) };
    wait(tokens::any(&store)).map_err(|error| token::failure(error.into()))
}
