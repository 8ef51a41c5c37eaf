//! Events as they are accepted: the log as a stream.

use axum::extract::State;
use oneiric_runtime::json::Event;
use oneiric_runtime::{Error, Oneiric, Tail};
use oneiric_store::{EnvelopeFilter, Order};
use schemars::JsonSchema;
use serde::Deserialize;

use super::topics;
use crate::app::App;
use crate::problem::Problem;
use crate::read::Query;
use crate::sse::{Beginning, Frame, LastSeen, Next, Source, Stream};

/// From where, and which.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    /// Only of these topics, with commas between them; `order.*` is a pattern.
    #[serde(default)]
    topic: Option<String>,
    /// Only what comes after this place in the log.
    #[serde(default)]
    after: Option<u64>,
    /// `now` (unless said), `start`, or the place of the first event.
    #[serde(default)]
    from: Option<String>,
}

pub(super) async fn follow(
    State(app): State<App>,
    seen: LastSeen,
    Query(from): Query<From>,
) -> Result<Stream, Problem> {
    // A log is long: whoever wants all of it says so.
    let after = match Beginning::of(seen, from.after, from.from.as_deref().or(Some("now")))? {
        Beginning::After(place) => place,
        Beginning::Now => {
            let newest = app.oneiric().store().envelopes(EnvelopeFilter::all(Order::Newest, 1)).await?;
            newest.first().map_or(0, |event| event.n)
        }
    };
    let tail = Tail::after(topics(from.topic.as_deref())?, after);
    Ok(Stream::open(&app, after, Log { oneiric: app.oneiric().clone(), tail }))
}

struct Log {
    oneiric: Oneiric,
    tail: Tail,
}

impl Source for Log {
    async fn next(&mut self) -> Result<Next, Error> {
        let events = self.oneiric.next_of(&mut self.tail).await?;
        let frames = events
            .iter()
            .map(|event| Frame::of(Some(event.n), event.envelope.topic.as_str(), &Event::of(event)));
        Ok(Next::More(frames.collect()))
    }
}
