//! Telling a service manager how the process stands, by the protocol of `sd_notify(3)`:
//! <https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html>.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use oneiric_core::environment::names;
use oneiric_core::{Clock, Environment};

/// Who is told; nobody where the process was started by hand.
#[derive(Debug)]
pub(crate) struct Notifier {
    to: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// As the environment says.
    pub(crate) fn of(environment: &dyn Environment) -> Self {
        let name = environment.get(names::NOTIFY_SOCKET).filter(|name| !name.is_empty());
        let to = name.and_then(|name| match connect(&name) {
            Ok(to) => Some(to),
            Err(error) => {
                tracing::warn!(socket = name, %error, "the service manager cannot be told anything");
                None
            }
        });
        Self { to, watchdog: watchdog(environment, std::process::id()) }
    }

    /// It takes work.
    pub(crate) fn ready(&self) {
        self.tell("READY=1\nSTATUS=takes work");
    }

    /// It reads its files again; [`Notifier::ready`] ends that.
    pub(crate) fn reloading(&self) {
        // The manager compares it with the clock of the system; a `Clock` of ours begins with the process.
        match nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC) {
            Ok(now) => {
                let micros = now.tv_sec() * 1_000_000 + now.tv_nsec() / 1000;
                self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
            }
            Err(error) => tracing::warn!(%error, "the service manager was not told of the reload"),
        }
    }

    /// It goes down.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=goes down");
    }

    /// Gives a sign of life twice as often as is asked for, for as long as it is polled: a process whose workers are
    /// all stuck gives none. Never returns.
    pub(crate) async fn watchdog(&self, clock: &dyn Clock) {
        let Some(every) = self.watchdog.filter(|_| self.to.is_some()) else {
            return std::future::pending().await;
        };
        loop {
            self.tell("WATCHDOG=1");
            clock.sleep(every / 2).await;
        }
    }

    fn tell(&self, state: &str) {
        let Some((socket, address)) = &self.to else { return };
        if let Err(error) = socket.send_to_addr(state.as_bytes(), address) {
            // `oneiric start` goes once it has heard that the process is ready.
            tracing::debug!(%error, "the service manager did not hear how the process stands");
        }
    }
}

fn connect(name: &str) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not hold anything up.
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

/// How often a sign of life is asked for from the process with this number.
fn watchdog(environment: &dyn Environment, pid: u32) -> Option<Duration> {
    let number = |name| environment.get(name)?.parse::<u64>().ok();
    if number(names::WATCHDOG_PID).is_some_and(|meant| meant != u64::from(pid)) {
        return None;
    }
    number(names::WATCHDOG_USEC).filter(|micros| *micros > 0).map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use oneiric_core::environment::MapEnvironment;

    use super::*;

    #[test]
    fn a_watchdog_is_meant_for_one_process() {
        let check = |said: &[(&str, &str)], expected: Option<u64>| {
            let environment = MapEnvironment::from_iter(said.iter().copied());
            assert_eq!(watchdog(&environment, 7), expected.map(Duration::from_micros), "{said:?}");
        };
        check(&[], None);
        check(&[("WATCHDOG_USEC", "500")], Some(500));
        check(&[("WATCHDOG_USEC", "500"), ("WATCHDOG_PID", "7")], Some(500));
        check(&[("WATCHDOG_USEC", "500"), ("WATCHDOG_PID", "8")], None);
        check(&[("WATCHDOG_USEC", "0")], None);
        check(&[("WATCHDOG_USEC", "soon")], None);
    }

    #[test]
    fn the_manager_hears_of_the_whole_life() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let environment = MapEnvironment::from_iter([("NOTIFY_SOCKET", path.to_str().unwrap())]);
        let notifier = Notifier::of(&environment);
        notifier.ready();
        notifier.stopping();
        let heard = || {
            let mut bytes = [0; 256];
            let count = manager.recv(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes[..count]).into_owned()
        };
        assert!(heard().starts_with("READY=1\n"));
        assert!(heard().starts_with("STOPPING=1\n"));
    }
}
