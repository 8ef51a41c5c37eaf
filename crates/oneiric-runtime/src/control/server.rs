//! The answering side.

use std::fs;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use oneiric_core::{BootId, Clock};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::place::Place;
use super::protocol::{Answer, MAX_LINE, Request};
use crate::error::Kind;

/// Connections at a time. People and their scripts ask; more than these wait in the listener's line.
const CONNECTIONS: usize = 16;

/// How long a connection may take to ask.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest request, in bytes: five names.
const MAX_REQUEST: u64 = 4096;

/// Answers one request.
pub(crate) type Answering =
    Arc<dyn Fn(Request) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// A listening socket and the task that serves it.
#[derive(Debug)]
pub(crate) struct Server {
    path: PathBuf,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens in a state folder. Must be called inside of a tokio runtime.
    pub(crate) fn open(
        state_dir: &Path,
        boot: BootId,
        clock: Arc<dyn Clock>,
        answering: Answering,
    ) -> io::Result<Self> {
        let place = Place::create(state_dir)?;
        clear(&place);
        let name = boot.to_string();
        let listener = UnixListener::bind(place.cradle(&name))?;
        place.publish(&name)?;
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, clock, answering, stop.clone()));
        Ok(Self { path: place.path(&name), stop, task: Some(task) })
    }

    /// Its socket.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Listens no more, and waits at most `limit` for the answers under way.
    pub(crate) async fn close(mut self, clock: &dyn Clock, limit: Duration) {
        self.stop.cancel();
        let Some(mut task) = self.task.take() else { return };
        tokio::select! {
            // It panicked or is over; either way nobody listens.
            _ = &mut task => {}
            () = clock.sleep(limit) => {
                task.abort();
                let _ = task.await;
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes the sockets that dead processes left.
fn clear(place: &Place) {
    for name in place.names() {
        if place.is_dead(&name) {
            let _ = fs::remove_file(place.path(&name));
        }
    }
}

async fn serve(listener: UnixListener, clock: Arc<dyn Clock>, answering: Answering, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    let (clock, answering) = (Arc::clone(&clock), Arc::clone(&answering));
                    connections.spawn(async move {
                        if let Err(error) = converse(stream, &*clock, &answering).await {
                            tracing::debug!(%error, "a control connection ended early");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "no control connection can be taken");
                    // Out of descriptors, most likely: somebody has to give one back first.
                    clock.sleep(PATIENCE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn converse(stream: UnixStream, clock: &dyn Clock, answering: &Answering) -> io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut line = Vec::new();
    let mut reading = BufReader::new(reading).take(MAX_REQUEST);
    tokio::select! {
        read = reading.read_until(b'\n', &mut line) => { read?; }
        () = clock.sleep(PATIENCE) => return Err(io::ErrorKind::TimedOut.into()),
    }
    if line.is_empty() {
        // Somebody looked whether this process lives.
        return Ok(());
    }
    let answer = match serde_json::from_slice::<Request>(&line) {
        Ok(request) => answering(request).await,
        Err(error) => Answer::Refused {
            kind: Kind::Configuration,
            message: format!("the request cannot be read: {error}"),
            help: Some("use the `oneiric` of the same version as the process".to_owned()),
        },
    };
    let mut text = serde_json::to_vec(&answer).map_err(io::Error::other)?;
    text.push(b'\n');
    if text.len() as u64 > MAX_LINE {
        return Err(io::Error::other("the answer is too long"));
    }
    tokio::select! {
        written = writing.write_all(&text) => written,
        () = clock.sleep(PATIENCE) => Err(io::ErrorKind::TimedOut.into()),
    }
}
