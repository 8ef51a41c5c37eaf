//! `workflow`: what workflows would do, and doing it.

mod graph;
mod list;
mod plan;
mod run;

pub(super) use graph::graph;
pub(super) use list::list;
pub(super) use plan::{PlanOf, Plans, plan};
pub(super) use run::run;
