//! Answers to a probe, and when they are a verdict.

use super::spec::Probe;

/// So many failures in a row are one, and so many successes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    good: u32,
    bad: u32,
    /// What was last found; `None` before the first verdict.
    pub(super) well: Option<bool>,
}

impl Tally {
    /// Counts an answer. `Some` where the verdict is another one than before.
    pub(super) fn count(&mut self, passed: bool, probe: &Probe) -> Option<bool> {
        let (run, other, needed) = if passed {
            (&mut self.good, &mut self.bad, probe.success_threshold)
        } else {
            (&mut self.bad, &mut self.good, probe.failure_threshold)
        };
        *other = 0;
        *run = run.saturating_add(1);
        let reached = *run >= needed && self.well != Some(passed);
        if reached {
            self.well = Some(passed);
        }
        reached.then_some(passed)
    }
}

#[cfg(test)]
mod tests {
    use oneiric_core::probe::Question;

    use super::*;

    #[test]
    fn a_verdict_takes_as_many_answers_in_a_row_as_its_threshold() {
        let probe = Probe { failure_threshold: 3, success_threshold: 2, ..Probe::of(Question::Component) };
        let check = |answers: &str, verdicts: &str| {
            let mut tally = Tally::default();
            let told: String = answers
                .chars()
                .map(|answer| match tally.count(answer == '+', &probe) {
                    None => '.',
                    Some(true) => '+',
                    Some(false) => '-',
                })
                .collect();
            assert_eq!(told, verdicts, "{answers}");
        };
        check("++++", ".+..");
        check("+-+-+-", "......");
        check("++---++", ".+..-.+");
        check("++--+--+---", ".+........-");
    }
}
