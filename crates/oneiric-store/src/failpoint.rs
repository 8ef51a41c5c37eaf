//! Places at which a test kills the process: at every boundary between an effect and its record.
//!
//! `ONEIRIC_FAILPOINT=commit.before_commit:3` kills it (SIGKILL, as a crash is: nothing is unwound, flushed
//! or told) the third time that it comes by there; without a number, the first time. Only debug builds with
//! `sqlite` look at the variable; everywhere else [`reach`] is empty and costs nothing. The names are
//! [`POINTS`].

/// Every point.
pub const POINTS: [&str; 19] = [
    // A process enters: its lock is held, its row is not written.
    "enter.locked",
    // A run begins or goes on: before that is durable, and before anything acts on it.
    "run.before_begin",
    "run.begun",
    // A try: before its effect, and before the record of it.
    "node.before_effect",
    "node.after_effect",
    // A transaction: before it, at its end, and durable with nobody told.
    "commit.before_begin",
    "commit.before_commit",
    "commit.after_commit",
    // A claim: the dead are buried, the runs are taken; the transaction is open.
    "claim.buried",
    "claim.taken",
    // A sign of life: before and after it.
    "beat.before",
    "beat.after",
    // Taking leave: before it, and before the lock is given up.
    "leave.before",
    "leave.after",
    // A command was obeyed, and neither that nor what came of it is durable.
    "command.obeyed",
    // An event was accepted, and no handler has it.
    "event.accepted",
    // A handler is about to be called with a stored event; it was called, and that is not on record.
    "delivery.before_effect",
    "delivery.after_effect",
    // Events that were gathered start a run: that is durable, and nobody was told.
    "window.fired",
];

/// Dies here where the environment says so.
#[inline]
pub fn reach(point: &'static str) {
    #[cfg(all(debug_assertions, feature = "sqlite"))]
    armed::reach(point);
    #[cfg(not(all(debug_assertions, feature = "sqlite")))]
    let _ = point;
}

#[cfg(all(debug_assertions, feature = "sqlite"))]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    #[derive(Debug)]
    struct Armed {
        point: String,
        /// How often it is passed before; wraps after the end, which nobody lives to see.
        left: AtomicU64,
    }

    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

    pub(super) fn reach(point: &'static str) {
        debug_assert!(super::POINTS.contains(&point), "{point} is a failpoint");
        let Some(armed) = ARMED.get_or_init(said) else { return };
        if armed.point != point || armed.left.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        loop {
            // Cannot fail; the loop is for the moment until the signal is delivered.
            let _ = kill(Pid::this(), Signal::SIGKILL);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "no Environment reaches the places that die")]
    fn said() -> Option<Armed> {
        parse(&std::env::var("ONEIRIC_FAILPOINT").ok()?)
    }

    fn parse(text: &str) -> Option<Armed> {
        let (point, nth) = text.split_once(':').unwrap_or((text, "1"));
        Some(Armed { point: point.to_owned(), left: AtomicU64::new(nth.parse().ok()?) })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_point_is_named_with_how_often_it_is_passed() {
            let check = |text, expected: Option<(&str, u64)>| {
                let armed = parse(text);
                let found = armed.as_ref().map(|armed| (&*armed.point, armed.left.load(Ordering::Relaxed)));
                assert_eq!(found, expected, "{text}");
            };
            check("beat.before", Some(("beat.before", 1)));
            check("claim.taken:7", Some(("claim.taken", 7)));
            check("claim.taken:x", None);
        }
    }
}
