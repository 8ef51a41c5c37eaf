//! The socket through which a program says that it is ready, as under systemd: `sd_notify(3)`.
//!
//! The socket has no file, so that nothing is left of it. Its name can be seen by everybody on the machine; the kernel says
//! who sent a message, and only those of the same user, or of the group of the service, are heard.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram as Unbound};

use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt};
use nix::unistd::{Pid, close, getpgid};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

/// The variable in which a program finds it.
pub(super) const VARIABLE: &str = "NOTIFY_SOCKET";

/// How much of a message is read: systemd reads as much.
const MAX_MESSAGE_BYTES: usize = 4096;

/// How many descriptors the kernel lets a message carry (`SCM_MAX_FD`): with room for all, none is lost unclosed.
const MAX_DESCRIPTORS: usize = 253;

/// What a program says and somebody wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// It can do its work.
    Ready,
    /// What it is doing, in a sentence for people.
    Status(String),
}

/// Reads a message: one assignment a line. Everything that nobody here wants to know is passed over.
fn words(message: &[u8]) -> Vec<Word> {
    let text = String::from_utf8_lossy(message);
    let word = |line: &str| match line.split_once('=')? {
        ("READY", "1") => Some(Word::Ready),
        ("STATUS", status) => Some(Word::Status(status.to_owned())),
        _ => None,
    };
    text.lines().filter_map(word).collect()
}

/// The socket of one start.
pub(super) struct Notify {
    socket: UnixDatagram,
    name: String,
}

impl Notify {
    /// Opens a socket with this name, which no other may have: at most 100 bytes.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(super) fn open(name: String) -> io::Result<Self> {
        let socket = Unbound::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::PassCred, &true)?;
        Ok(Self { socket: UnixDatagram::from_std(socket)?, name })
    }

    /// The value of the variable.
    pub(super) fn address(&self) -> String {
        format!("@{}", self.name)
    }

    /// The next words of one who is heard. Safe to drop.
    ///
    /// # Errors
    /// Where the socket cannot be read any more.
    pub(super) async fn next(&self, group: Pid) -> io::Result<Vec<Word>> {
        loop {
            let (sender, words) = self.socket.async_io(Interest::READABLE, || self.receive()).await?;
            if sender.is_some_and(|sender| is_heard(&sender, group)) && !words.is_empty() {
                return Ok(words);
            }
        }
    }

    fn receive(&self) -> io::Result<(Option<UnixCredentials>, Vec<Word>)> {
        let mut message = [0; MAX_MESSAGE_BYTES];
        let mut control = cmsg_space!(UnixCredentials, [RawFd; MAX_DESCRIPTORS]);
        let mut parts = [IoSliceMut::new(&mut message)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let received = recvmsg::<()>(self.socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
        let mut sender = None;
        for message in received.cmsgs().into_iter().flatten() {
            match message {
                ControlMessageOwned::ScmCredentials(found) => sender = Some(found),
                // Nobody here keeps any; to close them is what a sender waits for that asks whether it was heard
                // (`BARRIER=1`).
                ControlMessageOwned::ScmRights(descriptors) => {
                    for descriptor in descriptors {
                        let _ = close(descriptor);
                    }
                }
                _ => {}
            }
        }
        let bytes = received.bytes;
        Ok((sender, words(&message[..bytes])))
    }
}

fn is_heard(sender: &UnixCredentials, group: Pid) -> bool {
    sender.uid() == UnixCredentials::new().uid() || getpgid(Some(Pid::from_raw(sender.pid()))) == Ok(group)
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_line_by_line() {
        let check = |message: &[u8], expected: &[Word]| assert_eq!(words(message), expected);
        let status = |text: &str| Word::Status(text.to_owned());
        check(b"READY=1", &[Word::Ready]);
        check(b"STATUS=loading a=b\nREADY=1\nMAINPID=7\n", &[status("loading a=b"), Word::Ready]);
        check(b"READY=0\nSTOPPING=1\nWATCHDOG=1\nnonsense\n", &[]);
        check(b"STATUS=\xff", &[status("\u{fffd}")]);
        check(b"", &[]);
    }
}
