//! The socket: bound once, bounded in connections, closed in an orderly way.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use oneiric_core::Clock;
use oneiric_runtime::Oneiric;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::app::App;
use crate::authority::NamedError;
use crate::connections::{Connections, Patient, Place};
use crate::google::KeySource;
use crate::kept::Kept;
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
pub enum ServerError {
    /// The address is taken, is not of this machine, or needs more rights.
    #[error("cannot listen on {address}: {error}; name another port with `--http-port`, 0 for a free one")]
    Bind {
        /// Where it was to listen.
        address: SocketAddr,
        /// Why it cannot.
        #[source]
        error: io::Error,
    },
    /// Nobody could show a token that settings name.
    #[error(transparent)]
    Token(#[from] NamedError),
}

impl Server {
    /// Opens the port. Whoever connects waits until [`Server::serve`].
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn bind(oneiric: Oneiric, options: Options) -> Result<Self, ServerError> {
        let refused = |error| ServerError::Bind { address: options.address, error };
        let app = App::new(oneiric, options.clone())?;
        let listener = TcpListener::bind(options.address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address, app })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cancelled when a client asks the process to stop. Whoever serves sees to it.
    pub fn asked_to_stop(&self) -> CancellationToken {
        self.app.stop().clone()
    }

    /// Believes tokens that Google signs, where settings name an audience: `source` reads its keys, the first time when
    /// somebody shows such a token.
    #[must_use]
    pub fn with_keys(self, source: Arc<dyn KeySource>) -> Self {
        self.app.authority().believe(source);
        self
    }

    /// Answers until `stop` is cancelled; then takes no connection any more, lets requests under way end for as long
    /// as `grace`, and cuts the rest. Dropping the future cuts all of them at once.
    pub async fn serve(self, stop: CancellationToken, grace: Duration, clock: Arc<dyn Clock>) {
        let router = routes::router(self.app.clone());
        self.answer(router, stop, grace, clock).await;
    }

    async fn answer(self, router: Router, stop: CancellationToken, grace: Duration, clock: Arc<dyn Clock>) {
        let limits = self.app.options().http.limits.clone();
        let streams = self.app.ending().clone();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.header_seconds.duration())
            .max_buf_size(limits.header_bytes as usize);
        let (room, ending) = (Connections::new(limits.connections as usize), CancellationToken::new());
        let desk = Arc::new(Desk {
            http,
            router,
            patience: limits.write_seconds.duration(),
            clock: Arc::clone(&clock),
            ending: ending.clone(),
        });
        let (mut connections, mut newcomer) = (JoinSet::new(), None);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => {}
                // The next one waits in the kernel's queue, which is bounded, too.
                accepted = self.listener.accept(), if newcomer.is_none() => match accepted {
                    Ok((stream, _)) => newcomer = Some(stream),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::select! {
                            () = stop.cancelled() => break,
                            () = clock.sleep(ACCEPT_PAUSE) => {}
                        }
                    }
                },
                place = room.enter(), if newcomer.is_some() => {
                    if let Some(stream) = newcomer.take() {
                        connections.spawn(Arc::clone(&desk).converse(stream, place));
                    }
                }
            }
        }
        drop((self.listener, newcomer));
        ending.cancel();
        streams.cancel();
        let all_ended = async { while connections.join_next().await.is_some() {} };
        tokio::select! {
            () = all_ended => {}
            () = clock.sleep(grace) => tracing::warn!("requests were cut off: they did not end in time"),
        }
    }
}

/// What every connection is answered with.
struct Desk {
    http: http1::Builder,
    router: Router,
    /// How long a client may take nothing of its answer.
    patience: Duration,
    clock: Arc<dyn Clock>,
    ending: CancellationToken,
}

impl Desk {
    /// Answers one connection to its end.
    async fn converse(self: Arc<Self>, stream: TcpStream, place: Arc<Place>) {
        // Answers are small and whole: waiting for more to send only makes them late.
        let _ = stream.set_nodelay(true);
        let io = Patient::new(TokioIo::new(stream), self.patience, Arc::clone(&self.clock));
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let (working, router) = (place.work(), self.router.clone());
            async move {
                let answer = router.oneshot(request.map(Body::new)).await?;
                Ok::<_, Infallible>(answer.map(|body| Kept { body, _with: working }))
            }
        });
        let connection = self.http.serve_connection(io, service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = place.cut().cancelled() => {
                tracing::debug!("a silent connection made room");
                return;
            }
            () = self.ending.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            // The client went away, was too slow, or sent what is no HTTP.
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

#[cfg(test)]
mod tests;
