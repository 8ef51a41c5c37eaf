//! `run`: what happened, and going on.

mod again;
mod explain;
mod journal;
mod left;
mod list;
mod log;
mod resume;
mod show;
mod tell;
mod watch;

pub(super) use again::{fork, rerun};
pub(super) use explain::explain;
pub(super) use left::leave;
pub(super) use list::list;
pub(super) use oneiric_runtime::json::is_free;
pub(super) use resume::{resume, retry_now};
pub(super) use show::{reported, show};
pub(super) use tell::{cancel, extend, pause};
pub(super) use watch::watch;

use oneiric_core::BootId;
use oneiric_store::RunRecord;

use crate::report::Standing;

/// Where a stored run stands.
fn standing(run: &RunRecord, dead: &[BootId]) -> Standing {
    if is_free(run, dead) { Standing::Interrupted } else { Standing::At(run.state.status) }
}
