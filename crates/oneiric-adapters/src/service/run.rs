//! One start: the program runs, its streams are read, it ends or is asked to.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::unistd::Pid;
use oneiric_core::roles::{ServiceContext, Stream};
use oneiric_core::{Clock, Fault};

use super::Program;
use super::notify::{self, Notify, Word};
use super::ready::Ready;
use super::settings::Settings;
use crate::Limits;
use crate::process::group::Group;
use crate::process::lines::Lines;
use crate::process::pump::pump;
use crate::process::reaper::Reaper;
use crate::process::service_id::{self, ServiceId};
use crate::process::spawning::{refused, unless_torn_down};
use crate::process::status::{self, End};
use crate::process::sweep;

/// The variables that a start sets.
pub(super) const OF_A_START: [&str; 5] = [service_id::VARIABLE, KEY, ATTEMPT, SETTINGS, notify::VARIABLE];

const KEY: &str = "ONEIRIC_SERVICE";
const ATTEMPT: &str = "ONEIRIC_ATTEMPT";
const SETTINGS: &str = "ONEIRIC_SETTINGS";

/// How long the rest of the streams is waited for once all processes are killed. It is there at once, except where
/// somebody who was not found holds them open.
const DRAIN: Duration = Duration::from_secs(1);

/// How often it is looked, while a service stops, whether anything is left of its group.
const GLANCE: Duration = Duration::from_millis(100);

/// Runs the program until it ends, or is asked to.
///
/// Dropping the future kills its group at once; the component's reaper does the rest.
pub(super) async fn run(program: &Program, cx: &ServiceContext) -> Result<(), Fault> {
    // What an earlier start left is gone before this one needs its port.
    program.reaper.settle().await;
    let owner = program.household.owner().await?;
    if cx.stop.is_cancelled() {
        return Ok(());
    }
    let id = ServiceId::next(&program.household.place, owner, &cx.key);
    let notify = program.settings.notify.then(|| open(program, &id)).transpose()?;
    let mut command = program.launch.command()?;
    command.env(KEY, cx.key.as_str()).env(ATTEMPT, cx.attempt.to_string()).env(SETTINGS, &program.handed_on);
    command.env(service_id::VARIABLE, id.as_str());
    if let Some(notify) = &notify {
        command.env(notify::VARIABLE, notify.address());
    }
    let name = program.launch.name.as_str();
    let spawned = Group::spawn_without_input(command, program.reaper.clone());
    let (group, (stdout, stderr)) = spawned.map_err(|error| refused(name, &error))?;
    let mut started = Started::new(program, group, id);

    let ready = Ready::new(cx, program.settings.ready_line.as_ref());
    // What a service writes in its life has no bound; how much of it is kept is its log's to say.
    let endless = Limits { log_bytes: usize::MAX, ..program.limits };
    let (mut output, mut errors) = (Lines::new(endless), Lines::new(endless));
    let end = {
        let streams = async {
            tokio::join!(
                pump(stdout, |chunk| output.push(chunk, &mut |line| ready.line(Stream::Stdout, line))),
                pump(stderr, |chunk| errors.push(chunk, &mut |line| ready.line(Stream::Stderr, line))),
            );
        };
        let told = told(notify.as_ref(), started.group.id(), cx, &ready);
        let clock = program.household.clock.as_ref();
        follow(&mut started, Streams::new(pin!(streams), pin!(told)), cx, &program.settings, clock).await
    };
    output.finish(&mut |line| ready.line(Stream::Stdout, line));
    errors.finish(&mut |line| ready.line(Stream::Stderr, line));

    let end = end.map_err(|error| lost(name, &error))?;
    if cx.stop.is_cancelled() {
        tracing::info!(service = %cx.key, %end, "the program was asked to stop");
        return Ok(());
    }
    judge(name, end, &program.settings.success_codes, errors.last())
}

fn open(program: &Program, id: &ServiceId) -> Result<Notify, Fault> {
    // Chance keeps others from taking the name before.
    let name = format!("oneiric-{}-{:016x}", id.short(), program.rng.next_u64());
    Notify::open(name).map_err(|error| {
        let message = format!(
            "cannot open the socket on which `{}` says that it is ready: {error}",
            program.launch.name
        );
        unless_torn_down(&error, || Fault::transient("notify", message))
    })
}

/// A running program. Dropping it kills the group, and then whatever left it.
struct Started<'a> {
    _running: Running<'a>,
    group: Group,
    remains: Remains,
}

impl<'a> Started<'a> {
    fn new(program: &'a Program, group: Group, id: ServiceId) -> Self {
        let remains =
            Remains { id: Some(id), clock: program.household.clock.clone(), reaper: program.reaper.clone() };
        program.running.store(group.id(), Ordering::Relaxed);
        Self { _running: Running(&program.running), group, remains }
    }
}

/// Says that a start is under way, for as long as it lives.
struct Running<'a>(&'a AtomicU32);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// What may be left of a start outside of its group.
struct Remains {
    /// `None` once nothing is left.
    id: Option<ServiceId>,
    clock: Arc<dyn Clock>,
    reaper: Arc<Reaper>,
}

impl Remains {
    /// Kills it. Where the future is dropped, it is done when this is dropped.
    async fn end(&mut self) {
        let Some(id) = self.id.clone() else { return };
        Sweep { id, clock: self.clock.clone(), over: false }.run().await;
        self.id = None;
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.reaper.own(Sweep { id, clock: self.clock.clone(), over: false }.run());
        }
    }
}

/// Kills what has an id. Dropped before it is over, as by a runtime that goes down, it does what can be done at once.
struct Sweep {
    id: ServiceId,
    clock: Arc<dyn Clock>,
    over: bool,
}

impl Sweep {
    async fn run(mut self) {
        let id = self.id.clone();
        let pass = move || kill_all(&id);
        let left = sweep::until_gone(self.clock.as_ref(), pass).await;
        if left > 0 {
            tracing::error!(service_id = self.id.as_str(), left, "processes of a service do not end");
        }
        self.over = true;
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        if !self.over {
            kill_all(&self.id);
        }
    }
}

fn kill_all(id: &ServiceId) -> usize {
    sweep::kill_all(service_id::VARIABLE, |found| found == id.as_str())
}

/// What the program says, on its streams and through its socket.
struct Streams<'a, S, T> {
    streams: Pin<&'a mut S>,
    /// Whether either stream is open.
    open: bool,
    /// Never ends.
    told: Pin<&'a mut T>,
}

impl<'a, S: Future<Output = ()>, T: Future<Output = ()>> Streams<'a, S, T> {
    fn new(streams: Pin<&'a mut S>, told: Pin<&'a mut T>) -> Self {
        Self { streams, open: true, told }
    }

    /// Moves them; completes when both streams have ended, and never again. Safe to drop.
    async fn moved(&mut self) {
        if !self.open {
            return self.told.as_mut().await;
        }
        tokio::select! {
            biased;
            // First, so that a flood of lines does not keep its words from being heard.
            () = self.told.as_mut() => {}
            () = self.streams.as_mut() => self.open = false,
        }
    }
}

/// Takes what comes through the socket. Never completes.
async fn told(notify: Option<&Notify>, group: u32, cx: &ServiceContext, ready: &Ready<'_>) {
    if let Some(notify) = notify {
        let group = Pid::from_raw(group.cast_signed());
        while let Ok(words) = notify.next(group).await {
            for word in words {
                match word {
                    Word::Ready => ready.say(),
                    Word::Status(status) => cx.line(Stream::Stdout, &format!("[status] {status}")),
                }
            }
        }
    }
    std::future::pending().await
}

/// Moves the streams until the program has ended, and ends what it left.
///
/// Its exit is looked at first, so that a program that ended before it was asked to has ended.
async fn follow<S: Future<Output = ()>, T: Future<Output = ()>>(
    started: &mut Started<'_>,
    mut streams: Streams<'_, S, T>,
    cx: &ServiceContext,
    settings: &Settings,
    clock: &dyn Clock,
) -> io::Result<End> {
    let status = loop {
        tokio::select! {
            biased;
            status = started.group.wait() => break status,
            () = cx.stop.cancelled() => break stop(&mut started.group, &mut streams, settings, clock).await,
            () = streams.moved() => {}
        }
    };
    started.group.kill();
    started.remains.end().await;
    if streams.open {
        let over = clock.sleep(DRAIN);
        tokio::select! {
            biased;
            () = streams.moved() => {}
            () = over => {}
        }
    }
    status.map(End::from)
}

/// Asks the group to stop and waits for it: for its first process, and for the others as long as they say something.
/// Whoever runs the service drops the future when it takes too long.
async fn stop<S: Future<Output = ()>, T: Future<Output = ()>>(
    group: &mut Group,
    streams: &mut Streams<'_, S, T>,
    settings: &Settings,
    clock: &dyn Clock,
) -> io::Result<std::process::ExitStatus> {
    group.signal(settings.stop_signal);
    let mut out_of_patience = match settings.kill_after {
        Some(time) => clock.sleep(time),
        None => Box::pin(std::future::pending()),
    };
    let mut status = None;
    while status.is_none() || (streams.open && !group.is_empty()) {
        let exited = status.is_some();
        tokio::select! {
            biased;
            found = group.wait(), if !exited => status = Some(found),
            () = &mut out_of_patience => break,
            () = streams.moved() => {}
            () = clock.sleep(GLANCE), if exited => {}
        }
    }
    group.kill();
    match status {
        Some(status) => status,
        // Killed, it ends once the system call that it is in returns.
        None => group.wait().await,
    }
}

/// What an end means that nobody asked for.
fn judge(name: &str, end: End, success: &[i32], last_line: &str) -> Result<(), Fault> {
    match end {
        End::Code(code) if success.contains(&code) => Ok(()),
        End::Code(0) => {
            Err(Fault::transient("exit-code", format!("`{name}` {end}, which is not among `success_codes`")))
        }
        End::Code(_) | End::Signal(_) => status::judge(name, end, last_line),
    }
}

/// The child's status is gone, and with it the knowledge why it ended.
fn lost(name: &str, error: &io::Error) -> Fault {
    unless_torn_down(error, || {
        Fault::transient("status-lost", format!("cannot tell how `{name}` ended: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_in_order_where_its_code_is_named() {
        let check = |end, success: &[i32], expected: Option<&str>| {
            let found = judge("p", end, success, "why").err().map(|fault| fault.message);
            assert_eq!(found.as_deref(), expected);
        };
        check(End::Code(0), &[0], None);
        check(End::Code(143), &[0, 143], None);
        check(End::Code(0), &[3], Some("`p` exited with 0, which is not among `success_codes`"));
        check(End::Code(3), &[0], Some("`p` exited with 3: why"));
        check(End::Signal(9), &[0, 9], Some("`p` was killed by SIGKILL: why"));
    }
}
