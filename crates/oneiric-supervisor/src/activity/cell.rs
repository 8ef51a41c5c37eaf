//! One component's marks and its count, in one word.

use std::sync::atomic::{AtomicU64, Ordering};

use oneiric_store::ActivityRecord;
use tokio::sync::Notify;

use super::rule::{Answer, Marks};

const PAUSED: u64 = 1 << 63;
const DRAINING: u64 = 1 << 62;
const COUNT: u64 = DRAINING - 1;

/// Whether a component takes work, and how much of it is in flight.
///
/// Both are one word, because the question "does it take work?" and the act "one more" must be one: with
/// two variables, work that looked before a mark and counted after it would be seen by nobody. All changes
/// of one atomic variable have one order, whatever the ordering of other memory. So what entered did so
/// before the mark, and is in the count that whoever set the mark reads, or it comes after it and sees
/// the mark. From the mark on the count only falls, except for work that is taken over.
#[derive(Debug, Default)]
pub(super) struct Cell {
    word: AtomicU64,
    /// Rung where the count of a marked component falls, and where its marks change.
    fell: Notify,
}

impl Cell {
    /// Asks `rule`, and counts where it says so.
    pub(super) fn ask(&self, rule: impl Fn(Marks, bool) -> Answer) -> (Answer, Marks) {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let marks = marks(word);
            let answer = rule(marks, word & COUNT > 0);
            if answer != Answer::Counted {
                return (answer, marks);
            }
            match self.word.compare_exchange_weak(word, word + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return (answer, marks),
                Err(found) => word = found,
            }
        }
    }

    /// The end of what was counted.
    pub(super) fn leave(&self) {
        let before = self.word.fetch_sub(1, Ordering::AcqRel);
        if marks(before) != Marks::default() {
            self.fell.notify_waiters();
        }
    }

    /// Sets the marks; whether they were others before.
    pub(super) fn mark(&self, wanted: Marks) -> bool {
        let bits = if wanted.paused { PAUSED } else { 0 } | if wanted.draining { DRAINING } else { 0 };
        let mut word = self.word.load(Ordering::Acquire);
        while word & !COUNT != bits {
            let next = word & COUNT | bits;
            match self.word.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.fell.notify_waiters();
                    return true;
                }
                Err(found) => word = found,
            }
        }
        false
    }

    pub(super) fn marks(&self) -> Marks {
        marks(self.word.load(Ordering::Acquire))
    }

    pub(super) fn count(&self) -> u64 {
        self.word.load(Ordering::Acquire) & COUNT
    }

    /// Waits until the count or the marks are no longer these.
    pub(super) async fn changed(&self, count: u64, marked: Marks) {
        loop {
            let fell = self.fell.notified();
            tokio::pin!(fell);
            // First in line, then look: what happens in between is not missed.
            fell.as_mut().enable();
            if self.count() != count || self.marks() != marked {
                return;
            }
            fell.await;
        }
    }
}

fn marks(word: u64) -> Marks {
    Marks { paused: word & PAUSED != 0, draining: word & DRAINING != 0 }
}

impl From<&ActivityRecord> for Marks {
    fn from(record: &ActivityRecord) -> Self {
        Self { paused: record.paused, draining: record.draining }
    }
}
