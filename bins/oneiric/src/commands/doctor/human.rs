//! The examination, for people.

use std::io::{self, Write as _};

use oneiric_core::Timestamp;

use super::{Examination, Finding};
use crate::output::palette::Tone;
use crate::output::text::{clean, count, wrap};
use crate::output::{Screen, time};

/// Lines of one finding at most; what is longer is in `--json`.
const LINES: usize = 6;

/// Prints what was done, what was found, and what to know.
pub(super) fn print(screen: &mut Screen, found: &Examination, now: Timestamp) -> io::Result<()> {
    for done in found.fixed.iter().flatten() {
        told(screen, "fixed", Tone::Good, done)?;
    }
    for finding in &found.findings {
        told(screen, finding.kind, Tone::Bad, &sentence(finding, now))?;
        cure(screen, &finding.cure)?;
    }
    if found.more > 0 {
        writeln!(screen, "and {} more", found.more)?;
    }
    for hint in &found.hints {
        told(screen, "hint", Tone::Odd, &hint.says)?;
        if let Some(text) = &hint.cure {
            cure(screen, text)?;
        }
    }
    let place = clean(&found.place);
    let Some(store) = &found.store else {
        return writeln!(screen, "there is no state in {place} yet");
    };
    let rows = |family: &str| usize::try_from(store.checked.get(family).copied().unwrap_or(0));
    let rows = |family: &str, noun: &str| count(rows(family).unwrap_or(usize::MAX), noun);
    let (runs, events) = (rows("runs", "run"), rows("journal", "event"));
    let findings = found.findings.len() + usize::try_from(found.more).unwrap_or(usize::MAX);
    let (word, tone) = match findings {
        0 => ("nothing is stuck".to_owned(), Tone::Good),
        some => (count(some, "finding"), Tone::Bad),
    };
    let word = screen.palette.paint(tone, &word);
    let looked = format!("in {place}: {runs} and {events} were examined");
    writeln!(screen, "{word} {}", screen.palette.paint(Tone::Faint, &looked))
}

fn sentence(finding: &Finding, now: Timestamp) -> String {
    match finding.since {
        Some(at) => format!("{} ({})", finding.means, time::ago(at, now)),
        None => finding.means.clone(),
    }
}

fn told(screen: &mut Screen, word: &str, tone: Tone, text: &str) -> io::Result<()> {
    let room = screen.width.saturating_sub(word.len() + 2);
    let mut lines = wrap(&clean(text), room.max(20), LINES).into_iter();
    let first = lines.next().unwrap_or_default();
    writeln!(screen, "{} {first}", screen.palette.paint(tone, &format!("{word}:")))?;
    for line in lines {
        writeln!(screen, "  {line}")?;
    }
    Ok(())
}

fn cure(screen: &mut Screen, text: &str) -> io::Result<()> {
    // Not wrapped: it is there to be copied.
    writeln!(screen, "  {} {}", screen.palette.paint(Tone::Busy, "cure:"), clean(text))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use oneiric_store::liveness;

    use super::super::{Hint, Sound};
    use super::*;
    use crate::output::tests::printed;

    #[test]
    fn what_is_stuck_is_told_with_its_cure() {
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        let found = Examination {
            place: "/var/lib/oneiric".to_owned(),
            liveness: liveness::counts(&[]),
            findings: vec![Finding {
                kind: "owner_dead",
                run: None,
                event: None,
                handler: None,
                node: None,
                pid: Some(4711),
                since: Some(Timestamp::from_micros(1_699_999_000_000_000)),
                means: "run 1c0ffee5 belongs to process 4711, which is dead, and nobody has taken it over"
                    .to_owned(),
                cure: "oneiric run resume 1c0ffee5".to_owned(),
            }],
            more: 3,
            hints: vec![Hint {
                kind: "nobody_serves",
                says: "no process here takes what waits for one: 2 runs".to_owned(),
                cure: Some("oneiric orchestrate".to_owned()),
            }],
            store: Some(Sound {
                checked: BTreeMap::from([("runs".to_owned(), 12), ("journal".to_owned(), 340)]),
                problems: Vec::new(),
            }),
            fixed: Some(vec!["buried process 4712, freed 2 runs".to_owned()]),
        };
        insta::assert_snapshot!("stuck_100", printed(100, |screen| print(screen, &found, now)));
        let clean = Examination { findings: Vec::new(), more: 0, hints: Vec::new(), fixed: None, ..found };
        insta::assert_snapshot!("clean_100", printed(100, |screen| print(screen, &clean, now)));
    }
}
