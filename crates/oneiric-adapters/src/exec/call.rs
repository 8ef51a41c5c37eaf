//! One call: start the program, move its streams, see it end.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::process::ExitStatus;
use std::time::Duration;

use oneiric_core::roles::Stream;
use oneiric_core::{Clock, Fault, Payload};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdin;

use super::output::Output;
use super::{Program, variables};
use crate::foreign::Call;
use crate::process::group::{Group, Pipes};
use crate::process::lines::Lines;
use crate::process::spawning::{refused, unless_torn_down};
use crate::process::status;

/// How much is read at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// How long a call waits for what a killed group still has in its pipes. They are empty at once, except
/// where a descendant that left the group holds them open.
const DRAIN: Duration = Duration::from_secs(1);

/// Runs the program once.
///
/// Dropping the future kills the process group.
///
/// # Errors
/// Permanent where the program cannot be run or its output is no result, `cancelled` where the call was
/// cancelled before the program exited, otherwise what [`status::judge`] says.
pub(super) async fn call(program: &Program, call: &Call<'_>) -> Result<Payload, Fault> {
    let name = program.launch.name.as_str();
    if call.is_cancelled() {
        return Err(call.cancelled_fault(name));
    }
    let input = input(call)?;
    let mut command = program.launch.command()?;
    command.envs(variables::of_call(call, &program.settings));
    let (mut group, pipes) =
        Group::spawn(command, program.reaper.clone()).map_err(|error| refused(name, &error))?;

    let mut output = Output::new(program.stdout, program.limits);
    let mut log = Lines::new(program.limits);
    let mut to_stdout = |line: &str| call.line(Stream::Stdout, line);
    let mut to_stderr = |line: &str| call.line(Stream::Stderr, line);

    let Pipes { stdin, stdout, stderr } = pipes;
    let end = {
        let streams = async {
            tokio::try_join!(
                feed(name, stdin, input),
                pump(name, stdout, |chunk| output.push(name, chunk, &mut to_stdout)),
                pump(name, stderr, |chunk| {
                    log.push(chunk, &mut to_stderr);
                    Ok(())
                }),
            )
            .map(|_| ())
        };
        follow(name, &mut group, pin!(streams), call, program.clock.as_ref()).await
    };
    output.finish(&mut to_stdout);
    log.finish(&mut to_stderr);

    status::judge(name, end?.into(), log.last())?;
    output.result(name).await
}

/// The payload as one line: `read` in a shell fails on a line without its end.
fn input(call: &Call<'_>) -> Result<Vec<u8>, Fault> {
    let mut bytes = serde_json::to_vec(call.input.value()).map_err(|error| {
        Fault::permanent("bad-payload", format!("cannot write the payload as JSON: {error}"))
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Moves the streams until the program has exited.
///
/// Its exit ends the call: what it left running is killed, because nobody would own it, and because it
/// would hold the pipes open. The exit is looked at first, so that a program that finished before
/// the cancellation was seen has finished.
async fn follow(
    name: &str,
    group: &mut Group,
    mut streams: Pin<&mut impl Future<Output = Result<(), Fault>>>,
    call: &Call<'_>,
    clock: &dyn Clock,
) -> Result<ExitStatus, Fault> {
    let mut open = true;
    let status = loop {
        tokio::select! {
            biased;
            status = group.wait() => break status.map_err(|error| lost(name, &error))?,
            end = &mut streams, if open => {
                end?;
                open = false;
            }
            () = call.cancelled() => {
                stop(group, streams, open, call.grace(), clock).await;
                return Err(call.cancelled_fault(name));
            }
        }
    };
    group.kill();
    if open {
        tokio::select! {
            biased;
            end = streams => end?,
            () = clock.sleep(DRAIN) => {}
        }
    }
    Ok(status)
}

/// Stops a cancelled group: SIGTERM, up to `grace` for the program and for everything that still
/// holds its pipes, then SIGKILL.
async fn stop(
    group: &mut Group,
    mut streams: Pin<&mut impl Future<Output = Result<(), Fault>>>,
    mut open: bool,
    grace: Duration,
    clock: &dyn Clock,
) {
    group.terminate();
    let mut out_of_grace = clock.sleep(grace);
    let mut running = true;
    while running || (open && !group.is_empty()) {
        tokio::select! {
            biased;
            _ = group.wait(), if running => running = false,
            _ = &mut streams, if open => open = false,
            () = &mut out_of_grace => break,
        }
    }
    group.kill();
    let drain = async {
        if running {
            let _ = group.wait().await;
        }
        if open {
            let _ = streams.await;
        }
    };
    tokio::select! {
        biased;
        () = drain => {}
        () = clock.sleep(DRAIN) => {}
    }
}

/// Writes the input and closes the pipe. A program that does not read it is not at fault.
async fn feed(name: &str, mut stdin: ChildStdin, bytes: Vec<u8>) -> Result<(), Fault> {
    match stdin.write_all(&bytes).await {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(unless_torn_down(&error, || {
            Fault::transient("stdin", format!("cannot write the input of `{name}`: {error}"))
        })),
        _ => Ok(()),
    }
}

/// Reads until the end and hands every chunk on.
async fn pump(
    name: &str,
    mut from: impl AsyncRead + Unpin,
    mut take: impl FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    loop {
        chunk.clear();
        match from.read_buf(&mut chunk).await {
            Ok(0) => return Ok(()),
            Ok(_) => take(&chunk)?,
            Err(error) => {
                return Err(unless_torn_down(&error, || {
                    Fault::transient("stdout", format!("cannot read the output of `{name}`: {error}"))
                }));
            }
        }
    }
}

/// The child's status is gone, and with it the knowledge whether it succeeded.
fn lost(name: &str, error: &io::Error) -> Fault {
    unless_torn_down(error, || {
        Fault::unknown_outcome("status-lost", format!("cannot tell how `{name}` ended: {error}"))
    })
}
