//! The two ways in which somebody asks a process to stop, and the one in which it is told to read again.

use std::io;
use std::time::Duration;

use oneiric_core::Clock;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Code;

/// Signals this close together are one: whoever ends a process often tells it, and then its whole group.
const TOGETHER: Duration = Duration::from_millis(300);

/// SIGINT and SIGTERM, caught from now on.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// SIGHUP, caught from now on: what was read from files is to be read again.
#[derive(Debug)]
pub(crate) struct Hangups(Signal);

impl Hangups {
    /// Catches them.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Waits for the next one; several that come while nobody waits are one.
    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}

impl Signals {
    /// Catches them.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one; the code with which the process then ends.
    pub(crate) async fn next(&mut self) -> Code {
        tokio::select! {
            _ = self.interrupt.recv() => Code::Interrupted,
            _ = self.terminate.recv() => Code::Terminated,
        }
    }

    /// Waits for another one that is meant as such.
    pub(crate) async fn again(&mut self, clock: &dyn Clock) -> Code {
        let mut together = clock.sleep(TOGETHER);
        loop {
            tokio::select! {
                () = &mut together => return self.next().await,
                _ = self.next() => {}
            }
        }
    }
}
