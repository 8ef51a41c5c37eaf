//! What happens in a run, as it happens: its journal as a stream, or a page of it.

use axum::extract::State;
use oneiric_runtime::json::{JournalLine, RunLine};
use oneiric_runtime::{Error, Follow, Oneiric};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::row;
use crate::app::App;
use crate::problem::Problem;
use crate::read::{Path, Query, invalid};
use crate::shown::{Either, Nothing, Shown};
use crate::sse::{Beginning, Frame, LastSeen, Next, Source, Stream};

/// Events on a page, unless said.
const PAGE: usize = 200;

/// The most events on a page.
const MOST: usize = 500;

/// The event behind the last one: how the run ended. It stands in no journal and has no id.
const ENDED: &str = "run.ended";

/// From where, and how.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    /// Only what comes after this event, by its `seq`.
    #[serde(default)]
    after: Option<u64>,
    /// `start` (unless said), `now`, or the `seq` of the first event.
    #[serde(default)]
    from: Option<String>,
    /// `false` answers with a page of what there is instead of a stream.
    #[serde(default)]
    stream: Option<bool>,
    /// The most events of a page, 1 to 500; 200 unless said.
    #[serde(default)]
    limit: Option<usize>,
}

/// A page of a run's journal.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Page {
    run_id: String,
    workflow: String,
    events: Vec<JournalLine>,
    /// What `after` has to be for the next page.
    next: u64,
}

/// The journal, the page of it, or nothing: a client that has seen all of a run that has ended is not to come back.
pub(super) type Followed = Either<Stream, Either<Shown<Page>, Nothing>>;

pub(super) async fn follow(
    State(app): State<App>,
    Path(run): Path<String>,
    seen: LastSeen,
    Query(from): Query<From>,
) -> Result<Followed, Problem> {
    let oneiric = app.oneiric();
    let record = row(oneiric, &run).await?;
    let last = oneiric.store().last_seq(record.id).await?;
    let after = match Beginning::of(seen, from.after, from.from.as_deref())? {
        Beginning::After(place) => place,
        Beginning::Now => last,
    };
    let limit = from.limit.unwrap_or(PAGE);
    if !(1..=MOST).contains(&limit) {
        return Err(invalid(format!("`limit` must be 1 to {MOST}")));
    }
    let mut follow = Follow::after(oneiric, record.id, after).await?;
    if from.stream == Some(false) {
        let events = follow.page(oneiric, limit).await?;
        let (run_id, workflow) = (record.id.to_string(), record.workflow.to_string());
        let page = Shown::of(&Page { run_id, workflow, events, next: follow.place() })?;
        return Ok(Either::Other(Either::One(page)));
    }
    if record.state.status.is_terminal() && seen.0.is_some_and(|seen| seen >= last) {
        return Ok(Either::Other(Either::Other(Nothing)));
    }
    let source = Journal { oneiric: oneiric.clone(), follow };
    Ok(Either::One(Stream::open(&app, after, source)))
}

struct Journal {
    oneiric: Oneiric,
    follow: Follow,
}

impl Source for Journal {
    async fn next(&mut self) -> Result<Next, Error> {
        match self.follow.next(&self.oneiric).await? {
            Ok(lines) => {
                let frame = |line: JournalLine| Frame::of(Some(line.seq), line.event.name(), &line);
                Ok(Next::More(lines.into_iter().map(frame).collect()))
            }
            Err(record) => Ok(Next::Last(vec![Frame::of(None, ENDED, &RunLine::of(&record, &[]))])),
        }
    }
}
