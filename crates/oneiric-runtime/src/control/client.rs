//! The asking side. Blocking: it is used by commands that do nothing else meanwhile.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oneiric_core::BootId;

use super::place::Place;
use super::protocol::{Answer, MAX_LINE, Request};

/// Why a live process gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// It went away, or does not listen any more.
    #[error("the process behind {path} does not answer: {source}")]
    Gone {
        /// Its socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is of another version, or no process of ours at all.
    #[error("the process behind {path} gave an answer that cannot be read: {reason}")]
    Unreadable {
        /// Its socket.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A live process on a state folder.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: UnixStream,
}

/// The processes that are live on a state folder; none where there is no such folder. Creates nothing.
pub fn live(state_dir: &Path) -> Vec<Client> {
    let Some(place) = Place::existing(state_dir) else { return Vec::new() };
    let names = place.names().into_iter();
    names
        .filter_map(|name| {
            // Nobody behind it: its process is dead, and the next one clears it away.
            let stream = UnixStream::connect(place.address(&name)).ok()?;
            Some(Client { path: place.path(&name), stream })
        })
        .collect()
}

/// The sockets that dead processes left on a state folder; the next process to start there removes them.
/// Creates nothing.
pub fn stale(state_dir: &Path) -> Vec<PathBuf> {
    let Some(place) = Place::existing(state_dir) else { return Vec::new() };
    let names = place.names().into_iter();
    names.filter(|name| place.is_dead(name)).map(|name| place.path(&name)).collect()
}

/// How long a process may take to say that it heard the bell.
const RING_WAIT: Duration = Duration::from_millis(500);

/// Rings at every process that is live on a state folder but the one behind the socket `own`; returns how
/// many heard it. One that did not looks into the store by itself, within a minute.
pub fn ring(state_dir: &Path, own: Option<&Path>) -> usize {
    let others = live(state_dir).into_iter().filter(|client| Some(client.path()) != own);
    others.filter_map(|client| client.ask(&Request::Ring {}, RING_WAIT).ok()).count()
}

/// Asks every process that is live on a state folder but the boot `own`, all at once. `None` where one did
/// not answer in time; one that ended meanwhile is not among them.
pub(crate) fn ask_all(
    state_dir: &Path,
    own: Option<BootId>,
    request: &Request,
    limit: Duration,
) -> Vec<(BootId, Option<Answer>)> {
    let others = live(state_dir).into_iter().filter_map(|client| Some((client.boot()?, client)));
    let others: Vec<_> = others.filter(|(boot, _)| Some(*boot) != own).collect();
    std::thread::scope(|scope| {
        let asking: Vec<_> = others
            .into_iter()
            .map(|(boot, client)| (boot, scope.spawn(move || client.ask(request, limit))))
            .collect();
        asking
            .into_iter()
            .filter_map(|(boot, asking)| match asking.join() {
                Ok(Ok(answer)) => Some((boot, Some(answer))),
                Ok(Err(error)) if error.is_end() => None,
                // It did not answer in time, or not in words that are understood here.
                Ok(Err(_)) | Err(_) => Some((boot, None)),
            })
            .collect()
    })
}

impl ControlError {
    /// Whether the process went away.
    pub fn is_end(&self) -> bool {
        match self {
            ControlError::Gone { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
            ),
            ControlError::Unreadable { .. } => false,
        }
    }
}

impl Client {
    /// Its start of its process, which its socket is named after.
    pub fn boot(&self) -> Option<BootId> {
        self.path.file_stem()?.to_str()?.parse().ok()
    }

    /// Its socket, which tells it from the others.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks, and waits for the answer at most `limit`.
    ///
    /// # Errors
    /// [`ControlError`]; whether a swap was done is then unknown, and asking for the status tells.
    pub fn ask(self, request: &Request, limit: Duration) -> Result<Answer, ControlError> {
        let Self { path, mut stream } = self;
        let mut line = serde_json::to_vec(request).expect("a request is plain data");
        line.push(b'\n');
        let asked = stream
            .set_read_timeout(Some(limit))
            .and_then(|()| stream.set_write_timeout(Some(limit)))
            .and_then(|()| stream.write_all(&line));
        let mut answer = Vec::new();
        let read = asked.and_then(|()| BufReader::new(stream).take(MAX_LINE).read_until(b'\n', &mut answer));
        match read {
            Err(source) => Err(ControlError::Gone { path, source }),
            Ok(0) => Err(ControlError::Gone { path, source: io::ErrorKind::UnexpectedEof.into() }),
            Ok(_) => serde_json::from_slice(&answer)
                .map_err(|error| ControlError::Unreadable { path, reason: error.to_string() }),
        }
    }
}
