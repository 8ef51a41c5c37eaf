//! `doctor`: what is stuck, what it means, and what to type.
//!
//! Looks at the same rows that everything else is decided by; what it knows beyond them is which
//! processes live, and which files nobody needs any more.

mod examine;
mod fix;
mod human;
mod meaning;
mod metrics;

use std::collections::BTreeMap;

use oneiric_core::Timestamp;
use oneiric_store::liveness;
use serde::Serialize;

use crate::args::DoctorArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::time;
use crate::session::{self, Session};

/// What was found: `{"place":"...","liveness":{"owner_dead":1,...},"findings":[...],"hints":[...],
/// "store":{"checked":{...},"problems":[]},"fixed":["..."]}`. `fixed` is there where it was asked for.
#[derive(Debug, Serialize)]
struct Examination {
    place: String,
    /// How many rows are stuck, by kind; each kind is there.
    liveness: BTreeMap<liveness::Kind, u64>,
    /// What somebody has to see to. At most some of each kind, see `more`.
    findings: Vec<Finding>,
    /// Findings beyond those that are listed.
    #[serde(skip_serializing_if = "is_zero")]
    more: u64,
    /// What is worth knowing and needs nobody.
    hints: Vec<Hint>,
    /// `None` where there is no state yet, or it was not asked for.
    store: Option<Sound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed: Option<Vec<String>>,
}

/// One thing that is stuck.
#[derive(Debug, Serialize)]
struct Finding {
    /// The word: one of [`liveness::Kind`], `dead_process` or `store`.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handler: Option<String>,
    /// The process that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    /// Since when, where that is known.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rfc3339")]
    since: Option<Timestamp>,
    /// What it means.
    means: String,
    /// What to type.
    cure: String,
}

/// Something to know.
#[derive(Debug, Serialize)]
struct Hint {
    kind: &'static str,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

/// What the integrity check said.
#[derive(Debug, Serialize)]
struct Sound {
    checked: BTreeMap<String, u64>,
    problems: Vec<String>,
}

/// Examines the state folder.
pub(super) fn doctor(session: &mut Session, args: &DoctorArgs) -> Result<Code, Failure> {
    if args.metrics {
        return metrics::metrics(session);
    }
    let fixed = if args.fix { Some(fix::fix(session)?) } else { None };
    let mut found = examine::examine(session)?;
    found.fixed = fixed;
    session.screen.emit(&found, |screen| human::print(screen, &found, session::now()))?;
    Ok(found.code())
}

impl Examination {
    fn code(&self) -> Code {
        let damaged = self.store.as_ref().is_some_and(|store| !store.problems.is_empty());
        match (damaged, self.findings.is_empty()) {
            (true, _) => Code::Configuration,
            (false, false) => Code::Execution,
            (false, true) => Code::Ok,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::ref_option, reason = "serde passes references")]
fn rfc3339<S: serde::Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(time::rfc3339).serialize(serializer)
}
