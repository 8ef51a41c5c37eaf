//! The kits around workflows: `workflow.audit`, `.notify`, `.orchestrate`, `.retry`.

pub(super) mod audit;
pub(super) mod notify;
pub(super) mod orchestrate;
pub(super) mod redact;
pub(super) mod retry;
mod schedule;

/// How severe a record may be.
pub(super) const LEVELS: [&str; 5] = ["debug", "info", "warning", "error", "critical"];

/// The level that a word means; `info` where it means none.
pub(super) fn level_of(word: &str) -> &'static str {
    let word = word.to_lowercase();
    LEVELS.into_iter().find(|known| *known == word).unwrap_or("info")
}
