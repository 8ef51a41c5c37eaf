//! What an operator says of a component, and what is true after it.

use oneiric_core::Timestamp;
use oneiric_store::ActivityRecord;

/// The longest note, in bytes: a sentence and a link.
pub const MAX_NOTE: usize = 1000;

/// What is wanted of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// It takes no work.
    Pause,
    /// It is no longer paused; where it drains, it goes on doing so.
    Unpause,
    /// It takes no work, and what it has is waited for.
    Drain,
    /// It drains no longer; where it is paused, it stays so.
    Undrain,
    /// It takes work.
    Accept,
}

/// A wish, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What is wanted.
    pub wish: Wish,
    /// Why, for people. `None` leaves the note that is there, also where work is taken again (upstream's
    /// rule); an empty one removes it.
    pub note: Option<String>,
}

impl Change {
    /// A wish that leaves the note as it is.
    pub const fn of(wish: Wish) -> Self {
        Self { wish, note: None }
    }

    /// What is true after it.
    #[must_use]
    pub fn apply(&self, before: ActivityRecord, now: Timestamp) -> ActivityRecord {
        let (paused, draining) = match self.wish {
            Wish::Pause => (true, before.draining),
            Wish::Unpause => (false, before.draining),
            Wish::Drain => (before.paused, true),
            Wish::Undrain => (before.paused, false),
            Wish::Accept => (false, false),
        };
        let same = (paused, draining) == (before.paused, before.draining);
        let note = match &self.note {
            None => before.note,
            Some(note) => (!note.is_empty()).then(|| note.clone()),
        };
        ActivityRecord { paused, draining, note, at: if same { before.at } else { now }, ..before }
    }
}

#[cfg(test)]
mod tests {
    use oneiric_core::{Domain, Key};

    use super::*;

    fn record(paused: bool, draining: bool, note: Option<&str>) -> ActivityRecord {
        let key = Key::new("k").unwrap();
        let at = Timestamp::from_micros(1);
        ActivityRecord {
            paused,
            draining,
            note: note.map(str::to_owned),
            ..ActivityRecord::accepting(Domain::TASK, key, at)
        }
    }

    fn check(
        before: (bool, bool, Option<&str>),
        change: (Wish, Option<&str>),
        after: (bool, bool, Option<&str>),
    ) {
        let (wish, note) = change;
        let change = Change { wish, note: note.map(str::to_owned) };
        let found = change.apply(record(before.0, before.1, before.2), Timestamp::from_micros(2));
        let expected = record(after.0, after.1, after.2);
        let moved = (before.0, before.1) != (after.0, after.1);
        let at = Timestamp::from_micros(if moved { 2 } else { 1 });
        assert_eq!(found, ActivityRecord { at, ..expected }, "{change:?}");
    }

    #[test]
    fn pausing_and_draining_are_two_marks() {
        check((false, false, None), (Wish::Pause, None), (true, false, None));
        check((true, false, None), (Wish::Drain, None), (true, true, None));
        check((true, true, None), (Wish::Unpause, None), (false, true, None));
        check((true, true, None), (Wish::Undrain, None), (true, false, None));
        check((true, true, None), (Wish::Accept, None), (false, false, None));
    }

    #[test]
    fn a_note_stays_until_another_one_is_given() {
        check((false, false, None), (Wish::Pause, Some("db moves")), (true, false, Some("db moves")));
        check((true, false, Some("a")), (Wish::Pause, None), (true, false, Some("a")));
        check((true, false, Some("a")), (Wish::Drain, Some("b")), (true, true, Some("b")));
        check((true, false, Some("a")), (Wish::Accept, None), (false, false, Some("a")));
        check((true, false, Some("a")), (Wish::Accept, Some("")), (false, false, None));
    }

    #[test]
    fn what_says_nothing_is_the_default() {
        let done = Change::of(Wish::Accept).apply(record(true, false, None), Timestamp::from_micros(2));
        assert!(done.is_default());
        let kept = Change::of(Wish::Accept).apply(record(true, false, Some("a")), Timestamp::from_micros(2));
        assert!(!kept.is_default());
    }
}
