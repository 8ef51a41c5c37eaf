//! `event emit`: an event to everybody who wants it.

use std::io::Write as _;

use oneiric_core::roles::{DeliveryMode, Envelope};
use serde_json::Value;

use crate::args::EmitArgs;
use crate::commands::conduct::{Conductor, on_workers};
use crate::context::Given;
use crate::exit::Code;
use crate::failure::Failure;
use crate::session::Session;

/// Emits it, and prints upstream's report.
pub(in crate::commands) fn emit(session: &mut Session, args: &EmitArgs) -> Result<Code, Failure> {
    let read = |given: Given, text: Option<&str>| given.read(text.unwrap_or("{}"));
    let payload = read(Given::PAYLOAD, args.payload.as_deref())?;
    let headers = read(Given::HEADERS, args.headers.as_deref())?;
    let mut envelope = Envelope::new(args.topic.topic().clone(), payload);
    if let Value::Object(headers) = Value::from(headers) {
        envelope.headers = headers;
    }
    envelope.delivery = Some(DeliveryMode::AtLeastOnce);
    let report = on_workers(async {
        let conductor = Conductor::start(session, async |_| Ok(())).await?;
        let report = match conductor.oneiric().emit_and_wait(envelope, args.timeout).await {
            Ok(report) => report,
            Err(error) => return conductor.give_up(error.into()).await,
        };
        conductor.leave().await;
        Ok(report)
    })?;
    let success = report.dispatched.is_success();
    session.screen.emit(&report, |screen| {
        for outcome in &report.dispatched.results {
            writeln!(screen, "{}", outcome.handler)?;
        }
        Ok(())
    })?;
    Ok(if success { Code::Ok } else { Code::Execution })
}
