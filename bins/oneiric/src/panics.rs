//! A defect of ours is one line, not a page.

use std::io::Write as _;
use std::panic;

/// Prints one line where something panics and asks for a report. The process then ends with Rust's
/// own code 101, which no other outcome has.
pub(crate) fn report_in_one_line() {
    panic::set_hook(Box::new(|info| {
        let what = info.payload();
        let what = what
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| what.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        // Nothing is left to be done where even this cannot be written.
        let _ = writeln!(
            std::io::stderr(),
            "error: defect in oneiric {} at {place}: {}; please report this line",
            env!("CARGO_PKG_VERSION"),
            what.replace('\n', " ")
        );
    }));
}
