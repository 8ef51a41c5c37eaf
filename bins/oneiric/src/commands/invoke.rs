//! `action-invoke`: one call of an action, here.

use std::future::Future;
use std::io;
use std::time::Duration;

use oneiric_core::lifecycle::Handle;
use oneiric_core::resolver::Query;
use oneiric_core::roles::{Action, Schema};
use oneiric_core::{Clock as _, Domain, Fault, Key, Payload};
use oneiric_runtime::activity::{Change, Wish};
use oneiric_runtime::{Error, Oneiric, SystemClock};
use oneiric_store::ActivityRecord;
use serde_json::{Map, Value};

use super::here::here;
use crate::args::InvokeArgs;
use crate::context::Given;
use crate::exit::Code;
use crate::failure::Failure;
use crate::known;
use crate::output::Format;
use crate::session::Session;

/// What is printed.
enum Found {
    Result(Payload),
    Schema(Schema),
}

/// Runs it. Its result is JSON for people, too, as upstream prints it.
pub(super) fn invoke(session: &mut Session, args: &InvokeArgs) -> Result<Code, Failure> {
    let payload = match &args.payload {
        Some(given) => Given::PAYLOAD.read(given)?,
        None => Payload::from(Value::Object(Map::new())),
    };
    let said = super::activity::said(session)?;
    let found = here(session, async |oneiric| {
        let key = args.key.key();
        let action = action(oneiric, args).await?;
        if args.schema {
            let schema = action.current().ok().and_then(|action| action.schema());
            return schema.map(Found::Schema).ok_or_else(|| unwritten(key));
        }
        heed(oneiric, key, &said).await?;
        let action = oneiric.call(&action).await?;
        let result = within(args.timeout, action.apply(payload)).await;
        result.map(Found::Result).map_err(|fault| failed(key, &fault))
    })?;
    if session.screen.format == Format::Human {
        session.screen.format = Format::Json;
    }
    let nothing = |_: &mut crate::output::Screen| -> io::Result<()> { Ok(()) };
    match &found {
        Found::Result(result) => session.screen.emit(result.value(), nothing)?,
        Found::Schema(schema) => session.screen.emit(schema, nothing)?,
    }
    Ok(Code::Ok)
}

/// What operators said on the state folder counts here as well, where there is no state.
async fn heed(oneiric: &Oneiric, key: &Key, said: &[ActivityRecord]) -> Result<(), Failure> {
    let said = said.iter().find(|record| record.domain == Domain::ACTION && record.key == *key);
    for (is_so, wish) in
        said.into_iter().flat_map(|record| [(record.paused, Wish::Pause), (record.draining, Wish::Drain)])
    {
        if is_so {
            oneiric.operator().change(&Domain::ACTION, key, &Change::of(wish)).await?;
        }
    }
    Ok(())
}

async fn action(oneiric: &Oneiric, args: &InvokeArgs) -> Result<Handle<dyn Action>, Failure> {
    let query = Query { provider: args.provider.as_ref(), ..Query::default() };
    let key = args.key.key();
    match oneiric.get_by::<dyn Action>(&Domain::ACTION, key, &query).await {
        Ok(handle) => Ok(handle),
        Err(Error::Unknown(error)) => Err(known::unknown(error, &oneiric.lifecycle().registry())),
        Err(error) => Err(error.into()),
    }
}

async fn within(
    limit: Option<Duration>,
    call: impl Future<Output = Result<Payload, Fault>>,
) -> Result<Payload, Fault> {
    let Some(limit) = limit else { return call.await };
    tokio::select! {
        done = call => done,
        () = SystemClock::default().sleep(limit) => Err(Fault::timeout(limit)),
    }
}

fn failed(key: &Key, fault: &Fault) -> Failure {
    let failure = Failure::said(Code::Execution, format!("action `{key}`: {fault}"));
    if fault.code == "timeout" { failure.help("give it more time with `--timeout SECONDS`") } else { failure }
}

fn unwritten(key: &Key) -> Failure {
    Failure::said(Code::Resolution, format!("action `{key}` says nothing of what it takes and gives"))
        .help("its documentation may; `oneiric explain` shows where it comes from")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_takes_too_long_is_given_up() {
        let limit = Duration::from_millis(1);
        let fault = within(Some(limit), std::future::pending()).await.unwrap_err();
        let failure = failed(&"shop.price".parse().unwrap(), &fault);
        assert_eq!(failure.to_string(), "action `shop.price`: timed out after 1ms");
        assert_eq!(failure.code(), Code::Execution);
        let quick = within(None, async { Ok(Payload::NULL) }).await;
        assert_eq!(quick, Ok(Payload::NULL));
    }
}
