//! Streams of events for clients that come and go: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
//!
//! Each event has the id that it has in its log, so that whoever comes back with `Last-Event-ID` goes on where it was.
//! Between the log and a client lies a buffer with a bound: a client that does not read is cut off with the event
//! `stream.reset`, and loses nothing, because the log has it.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream as FuturesStream;
use oneiric_runtime::{Error, Phase};
use schemars::SchemaGenerator;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::app::App;
use crate::describe::{Answer, Answers, Asks, Operation};
use crate::problem::Problem;
use crate::read::header;

/// Events between the log and a client: a page of it. They are small; outputs of nodes do not stand in them.
const BUFFER: usize = 256;

/// How long a client may leave its buffer full before it is cut off.
const STALLED: Duration = Duration::from_secs(30);

/// How often something is sent where nothing happens, so that proxies keep the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long clients are asked to wait before they come back.
const COME_BACK: Duration = Duration::from_secs(3);

/// The event that says that the stream was cut, and where to go on.
const RESET: &str = "stream.reset";

/// One event.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Its place in the log; `None` for what stands in no log.
    pub(crate) id: Option<u64>,
    /// Its word.
    pub(crate) event: String,
    /// JSON.
    pub(crate) data: String,
}

impl Frame {
    /// An event that shows a value.
    pub(crate) fn of(id: Option<u64>, event: impl Into<String>, shown: &impl Serialize) -> Self {
        // What JSON cannot hold no shape has; the event itself still counts.
        let data = serde_json::to_string(shown).unwrap_or_else(|_| "null".to_owned());
        Self { id, event: event.into(), data }
    }
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    /// These, and then more.
    More(Vec<Frame>),
    /// These are the last.
    Last(Vec<Frame>),
}

/// Where events come from. Dropping the future of `next` loses nothing.
pub(crate) trait Source: Send + 'static {
    /// Waits for what comes next.
    fn next(&mut self) -> impl Future<Output = Result<Next, Error>> + Send;
}

/// What goes through the buffer.
#[derive(Debug)]
enum Part {
    Frame(Frame),
    /// The stream has come to its end, and was not cut.
    End,
}

/// A stream on its way to a client.
pub(crate) struct Stream {
    parts: mpsc::Receiver<Part>,
    /// Reads the log into the buffer; goes with the stream.
    reading: AbortOnDropHandle<()>,
    /// The last place that was sent.
    last: u64,
    is_over: bool,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("last", &self.last).finish_non_exhaustive()
    }
}

impl Stream {
    /// Sends what `source` has after the place `after`, until it ends, the client leaves, or the process stops.
    pub(crate) fn open(app: &App, after: u64, mut source: impl Source) -> Self {
        let (put, parts) = mpsc::channel(BUFFER);
        let app = app.clone();
        let reading = async move {
            let reading = read(&mut source, &put, &app);
            tokio::select! {
                () = reading => {}
                () = app.over() => {}
            }
        };
        let reading = AbortOnDropHandle::new(tokio::spawn(reading));
        Self { parts, reading, last: after, is_over: false }
    }
}

async fn read(source: &mut impl Source, put: &mpsc::Sender<Part>, app: &App) {
    loop {
        let (frames, is_last) = match source.next().await {
            Ok(Next::More(frames)) => (frames, false),
            Ok(Next::Last(frames)) => (frames, true),
            Err(error) => {
                tracing::warn!(%error, "a stream of events was cut: its log cannot be read");
                return;
            }
        };
        let end = is_last.then_some(Part::End);
        for part in frames.into_iter().map(Part::Frame).chain(end) {
            let sent = tokio::select! {
                sent = put.send(part) => sent.is_ok(),
                () = app.oneiric().clock().sleep(STALLED) => false,
            };
            // Nobody is there any more, or nobody reads.
            if !sent {
                return;
            }
        }
        if is_last {
            return;
        }
    }
}

impl FuturesStream for Stream {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let event = match ready!(self.parts.poll_recv(cx)) {
            Some(Part::Frame(frame)) => {
                self.last = frame.id.unwrap_or(self.last);
                let event = Event::default().event(frame.event).data(frame.data);
                match frame.id {
                    Some(id) => event.id(id.to_string()),
                    None => event,
                }
            }
            Some(Part::End) => {
                self.is_over = true;
                return Poll::Ready(None);
            }
            None => {
                self.is_over = true;
                self.reading.abort();
                Event::default().event(RESET).data(format!("{{\"after\":{}}}", self.last))
            }
        };
        Poll::Ready(Some(Ok(event)))
    }
}

impl IntoResponse for Stream {
    fn into_response(self) -> Response {
        let first = Event::default().retry(COME_BACK).comment("connected");
        let events =
            futures_util::StreamExt::chain(futures_util::stream::iter([Ok::<_, Infallible>(first)]), self);
        let heartbeat = KeepAlive::new().interval(HEARTBEAT).text("keepalive");
        let mut response = Sse::new(events).keep_alive(heartbeat).into_response();
        // nginx would gather them: <https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering>.
        let unbuffered = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
        response.headers_mut().insert(unbuffered.0, unbuffered.1);
        response
    }
}

impl Answers for Stream {
    fn answer(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        let content = Some(("text/event-stream", schemas.subschema_for::<String>()));
        operation.answers.push(Answer {
            status: "200",
            about: "Events: `id` is the place in the log, `event` the kind, `data` JSON. After `stream.reset` go on \
                    with `Last-Event-ID`.",
            content,
        });
    }
}

/// The header `Last-Event-ID`: the place after which a client that was here before goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastSeen(pub(crate) Option<u64>);

impl<S: Sync> FromRequestParts<S> for LastSeen {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(said) = parts.headers.get("last-event-id") else { return Ok(Self(None)) };
        let place = said.to_str().ok().filter(|text| !text.is_empty());
        match place.map(str::parse) {
            Some(Ok(place)) => Ok(Self(Some(place))),
            Some(Err(_)) | None => Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "bad-event-id",
                "`Last-Event-ID` is no id of an event of this stream: they are whole numbers",
            )),
        }
    }
}

impl Asks for LastSeen {
    fn ask(operation: &mut Operation, _: &mut SchemaGenerator) {
        header(operation, "Last-Event-ID", "Goes on after this event; wins over `after` and `from`.");
    }
}

/// Where a stream begins, by the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// After this place.
    After(u64),
    /// With what comes from now on.
    Now,
}

impl Beginning {
    /// `seen` wins over `after`, which wins over `from`; without any of them everything is sent.
    ///
    /// # Errors
    /// A [`Problem`] for a `from` that is none.
    pub(crate) fn of(seen: LastSeen, after: Option<u64>, from: Option<&str>) -> Result<Self, Problem> {
        if let Some(place) = seen.0.or(after) {
            return Ok(Self::After(place));
        }
        match from {
            None | Some("start") => Ok(Self::After(0)),
            Some("now") => Ok(Self::Now),
            Some(place) => match place.parse::<u64>() {
                Ok(place) => Ok(Self::After(place.saturating_sub(1))),
                Err(_) => Err(crate::read::invalid(format!(
                    "`from` is `{place}`, and must be `start`, `now` or the id of the first event"
                ))),
            },
        }
    }
}

impl App {
    /// Waits until streams are to end: nothing of the process goes on any more, or nobody is answered any more.
    pub(crate) async fn over(&self) {
        tokio::select! {
            () = self.oneiric().reached(Phase::Stopped) => {}
            () = self.ending().cancelled() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_was_here_before_goes_on_where_it_was() {
        let check = |seen, after, from, expected| {
            let found = Beginning::of(LastSeen(seen), after, from).map_err(|problem| problem.code);
            assert_eq!(found, expected, "{seen:?} {after:?} {from:?}");
        };
        check(None, None, None, Ok(Beginning::After(0)));
        check(None, None, Some("start"), Ok(Beginning::After(0)));
        check(None, None, Some("now"), Ok(Beginning::Now));
        check(None, None, Some("7"), Ok(Beginning::After(6)));
        check(None, None, Some("0"), Ok(Beginning::After(0)));
        check(None, Some(3), Some("now"), Ok(Beginning::After(3)));
        check(Some(9), Some(3), Some("now"), Ok(Beginning::After(9)));
        check(None, None, Some("soon"), Err("invalid"));
    }
}
