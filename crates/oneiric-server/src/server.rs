//! The socket: bound once, bounded in connections, closed in an orderly way.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use oneiric_core::Clock;
use oneiric_runtime::Oneiric;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::options::Options;
use crate::routes;

/// How long accepting waits after it failed, which it does where the process is out of descriptors: trying again at
/// once would only burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The port, open.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: App,
}

/// Why the port cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}; name another port with `--http-port`, 0 for a free one")]
pub struct ServerError {
    /// Where it was to listen.
    pub address: SocketAddr,
    /// Why it cannot.
    #[source]
    pub error: io::Error,
}

impl Server {
    /// Opens the port. Whoever connects waits until [`Server::serve`].
    ///
    /// # Errors
    /// [`ServerError`] where the address is taken, is not of this machine, or needs more rights.
    pub async fn bind(oneiric: Oneiric, options: Options) -> Result<Self, ServerError> {
        let refused = |error| ServerError { address: options.address, error };
        let listener = TcpListener::bind(options.address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address, app: App::new(oneiric, options) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cancelled when a client asks the process to stop. Whoever serves sees to it.
    pub fn asked_to_stop(&self) -> CancellationToken {
        self.app.stop().clone()
    }

    /// Answers until `stop` is cancelled; then takes no connection any more, lets requests under way end for as long
    /// as `grace`, and cuts the rest. Dropping the future cuts all of them at once.
    pub async fn serve(self, stop: CancellationToken, grace: Duration, clock: Arc<dyn Clock>) {
        let limits = self.app.options().http.limits.clone();
        let room = Arc::new(Semaphore::new(limits.connections as usize));
        let streams = self.app.ending().clone();
        let router = routes::router(self.app);
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.header_seconds.duration())
            .max_buf_size(limits.header_bytes as usize);
        let (http, ending) = (Arc::new(http), CancellationToken::new());
        let mut connections = JoinSet::new();
        loop {
            let next = async {
                // Whoever finds no room waits in the kernel's queue, which is bounded, too.
                let room = Arc::clone(&room).acquire_owned().await.ok()?;
                match self.listener.accept().await {
                    Ok((stream, _)) => Some((stream, room)),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        clock.sleep(ACCEPT_PAUSE).await;
                        None
                    }
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = next => {
                    let Some((stream, room)) = accepted else { continue };
                    let (http, router, ending) = (Arc::clone(&http), router.clone(), ending.clone());
                    connections.spawn(async move {
                        converse(&http, stream, router, ending).await;
                        drop(room);
                    });
                }
            }
        }
        drop(self.listener);
        ending.cancel();
        streams.cancel();
        let all_ended = async { while connections.join_next().await.is_some() {} };
        tokio::select! {
            () = all_ended => {}
            () = clock.sleep(grace) => tracing::warn!("requests were cut off: they did not end in time"),
        }
    }
}

/// Answers one connection to its end.
async fn converse(http: &http1::Builder, stream: TcpStream, router: Router, ending: CancellationToken) {
    // Answers are small and whole: waiting for more to send only makes them late.
    let _ = stream.set_nodelay(true);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = ending.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // The client went away, was too slow, or sent what is no HTTP.
        tracing::debug!(%error, "a connection ended early");
    }
}
