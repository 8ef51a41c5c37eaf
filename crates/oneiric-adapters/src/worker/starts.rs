//! How often processes are started that keep dying at their start.

use std::time::Duration;

use oneiric_core::Fault;

/// The pause after a second failed start; it doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause: long enough to be no load, short enough to be tried again while a person looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What became of the last starts; new after one that succeeded.
#[derive(Debug, Default)]
pub(super) struct Starts {
    failed: u32,
    not_before: Duration,
    fault: Option<Fault>,
}

impl Starts {
    /// A start has failed.
    pub(super) fn failed(&mut self, fault: Fault, now: Duration) {
        self.failed += 1;
        // The first failure may be an accident and costs no pause.
        let pause = match self.failed {
            1 => Duration::ZERO,
            failed => FIRST_PAUSE.saturating_mul(1 << (failed - 2).min(16)).min(LONGEST_PAUSE),
        };
        self.not_before = now + pause;
        self.fault = Some(fault);
    }

    /// The last failure, where it is too early for another start.
    pub(super) fn refusal(&self, now: Duration) -> Option<Fault> {
        let left = self.not_before.checked_sub(now).filter(|left| !left.is_zero())?;
        self.fault.clone().map(|fault| fault.retry_after(left))
    }

    /// The last failure.
    pub(super) fn last_fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_from_the_second_failure_on_up_to_its_bound() {
        let (mut starts, now) = (Starts::default(), Duration::from_secs(9));
        let pauses: Vec<_> = (0..40)
            .map(|_| {
                starts.failed(Fault::transient("x", "x"), now);
                starts.refusal(now).and_then(|fault| fault.retry_after_ms)
            })
            .collect();
        assert_eq!(pauses[..5], [None, Some(100), Some(200), Some(400), Some(800)]);
        assert_eq!(pauses[39], Some(30_000));
        assert_eq!(starts.refusal(now + LONGEST_PAUSE), None);
        assert!(starts.last_fault().is_some());
    }
}
