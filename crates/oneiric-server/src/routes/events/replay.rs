//! The log of events, once more.

use std::num::NonZeroU32;

use axum::extract::State;
use oneiric_runtime::json::ReplayShape;
use oneiric_runtime::{EventSelection, Repeat, ReplayRequest};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{ids, time, topics};
use crate::app::App;
use crate::problem::Problem;
use crate::read::{Body, invalid};
use crate::shown::Shown;

/// Which events, and how. What is empty or absent excludes nothing.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Replaying {
    /// Exactly these.
    pub(super) ids: Vec<String>,
    /// Of one of these topics; `order.*` is a pattern.
    pub(super) topics: Vec<String>,
    /// Accepted at this time or later, as RFC 3339.
    since: Option<String>,
    /// Accepted before this time, as RFC 3339.
    until: Option<String>,
    /// Only their deliveries to these handlers.
    pub(super) handlers: Vec<String>,
    /// Also those that are over.
    again: bool,
    /// They also start the workflows that they should have started and did not.
    triggers: bool,
    /// The most events per second.
    rate: Option<u32>,
    /// Only says what would happen.
    dry_run: bool,
}

impl Replaying {
    pub(super) fn request(self, repeat: Repeat) -> Result<ReplayRequest, Problem> {
        let rate =
            self.rate.map(|rate| NonZeroU32::new(rate).ok_or_else(|| invalid("`rate` must be at least 1")));
        Ok(ReplayRequest {
            of: EventSelection {
                ids: ids(&self.ids)?,
                topics: topics(
                    Some(&self.topics.join(",")).filter(|all| !all.is_empty()).map(String::as_str),
                )?,
                since: self.since.as_deref().map(time).transpose()?,
                until: self.until.as_deref().map(time).transpose()?,
                handlers: self.handlers.into_iter().collect(),
            },
            repeat,
            triggers: self.triggers,
            rate: rate.transpose()?,
            dry_run: self.dry_run,
        })
    }
}

/// A replay that takes longer than a request may is cut between two events; repeated, it goes on where it was.
pub(super) async fn replay(
    State(app): State<App>,
    Body(replaying): Body<Replaying>,
) -> Result<Shown<ReplayShape>, Problem> {
    app.expect_serving()?;
    let repeat = if replaying.again { Repeat::Over } else { Repeat::Missing };
    Shown::of(&app.oneiric().replay(replaying.request(repeat)?, |_| {}).await?)
}
