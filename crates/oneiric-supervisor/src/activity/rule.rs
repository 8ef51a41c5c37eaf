//! The rule: what a paused or draining component admits. Pure; the table is in the tests.

use std::fmt;

use oneiric_core::gate::Purpose;

/// What an operator said of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Marks {
    /// It takes no work; what it has goes on.
    pub paused: bool,
    /// It takes no work, and somebody waits for what it has to end.
    pub draining: bool,
}

impl Marks {
    /// Whether it takes work.
    pub const fn accepts(self) -> bool {
        !self.paused && !self.draining
    }
}

/// Upstream's words, which stand in denials: `paused & draining`.
impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.paused, self.draining) {
            (false, false) => "accepting",
            (true, false) => "paused",
            (false, true) => "draining",
            (true, true) => "paused & draining",
        })
    }
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Yes, and it is in flight from now on.
    Counted,
    /// Yes. It is no work of the component.
    Passed,
    /// Not now: somebody will change something.
    NotNow,
    /// No.
    No,
}

/// Whether a component with these marks admits something; `busy` says that work of it is in flight.
///
/// New work (a run, a node's try, an event, a call) waits for the marks to go. What is taken over was accepted before,
/// and leaving it half done would be what a drain is there to avoid. A swap is no work: while a component
/// drains, the swap comes when nothing is in flight, which is what the drain is for. A pause is an
/// operator's hand on the component, and only a forced swap goes past it.
pub const fn decide(purpose: Purpose, marks: Marks, busy: bool) -> Answer {
    match purpose {
        Purpose::Resume => Answer::Counted,
        Purpose::Run | Purpose::Node | Purpose::Event | Purpose::Call => {
            if marks.accepts() {
                Answer::Counted
            } else {
                Answer::NotNow
            }
        }
        Purpose::Swap { forced: true } => Answer::Passed,
        Purpose::Swap { forced: false } => match (marks.paused, marks.draining && busy) {
            (true, _) => Answer::No,
            (false, true) => Answer::NotNow,
            (false, false) => Answer::Passed,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::Answer::{Counted, No, NotNow, Passed};
    use super::*;

    /// Purpose by marks: accepting, paused, draining with work in flight, draining without, both with, both
    /// without.
    #[test]
    fn the_table_of_what_is_admitted() {
        let swap = |forced| Purpose::Swap { forced };
        let table = [
            (Purpose::Run, [Counted, NotNow, NotNow, NotNow, NotNow, NotNow]),
            (Purpose::Node, [Counted, NotNow, NotNow, NotNow, NotNow, NotNow]),
            (Purpose::Event, [Counted, NotNow, NotNow, NotNow, NotNow, NotNow]),
            (Purpose::Call, [Counted, NotNow, NotNow, NotNow, NotNow, NotNow]),
            (Purpose::Resume, [Counted; 6]),
            (swap(false), [Passed, No, NotNow, Passed, No, No]),
            (swap(true), [Passed; 6]),
        ];
        let (paused, draining) = (true, true);
        let states = [
            (Marks::default(), true),
            (Marks { paused, draining: false }, true),
            (Marks { paused: false, draining }, true),
            (Marks { paused: false, draining }, false),
            (Marks { paused, draining }, true),
            (Marks { paused, draining }, false),
        ];
        for (purpose, row) in table {
            let found = states.map(|(marks, busy)| decide(purpose, marks, busy));
            assert_eq!(found, row, "{purpose:?}");
        }
    }
}
