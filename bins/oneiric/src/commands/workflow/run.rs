//! `workflow run`: run a workflow, durably.

use oneiric_core::Payload;
use oneiric_runtime::{RunOptions, RunRequest};

use crate::args::RunArgs;
use crate::commands::conduct::{Conductor, on_workers};
use crate::commands::run::leave;
use crate::context::Given;
use crate::exit::Code;
use crate::failure::Failure;
use crate::session::Session;

/// Runs it and reports.
pub(in crate::commands) fn run(session: &mut Session, args: RunArgs) -> Result<Code, Failure> {
    let input =
        args.context.as_deref().map(|given| Given::CONTEXT.read(given)).transpose()?.unwrap_or(Payload::NULL);
    let timeout_ms = args.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
    let request = RunRequest {
        input,
        id: args.run_id,
        trigger: "cli".to_owned(),
        options: RunOptions {
            provider: args.provider,
            max_parallel: args.max_parallel,
            timeout_ms,
            ..RunOptions::default()
        },
        ..RunRequest::new(args.key)
    };
    if args.detach {
        let (workflow, provider) = (request.workflow.clone(), request.options.provider.clone());
        return leave(
            session,
            &workflow,
            async |loaded| loaded.check(&workflow, provider.as_ref()),
            async |oneiric| oneiric.submit(request).await,
        );
    }
    let (handle, followed) = on_workers(async {
        let conductor = Conductor::start(session, async |loaded| {
            loaded.check(&request.workflow, request.options.provider.as_ref())?;
            loaded.bring_up(&request.workflow, &request.options).await
        })
        .await?;
        conductor.hint_at_interrupted(session).await;
        let handle = match conductor.oneiric().run(request).await {
            Ok(handle) => handle,
            Err(error) => return conductor.give_up(error.into()).await,
        };
        conductor.watch(&handle, &[]);
        let followed = conductor.follow(std::slice::from_ref(&handle)).await?;
        Ok((handle, followed))
    })?;
    followed.report(session, &handle, None)
}
