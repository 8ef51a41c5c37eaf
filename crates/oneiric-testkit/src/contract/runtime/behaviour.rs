//! What components are asked to do by the contract.

/// The bound on results under which a runtime is tried: 4 MiB.
pub const LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// How a component behaves when it is called, in whichever role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Returns its input.
    Echo,
    /// Returns its input, a string of ASCII letters, in capitals.
    Capitals,
    /// Fails with a transient fault whose message contains `not today`.
    FailsToday,
    /// Fails with a permanent fault whose message contains `not ever`.
    FailsForEver,
    /// Works until it is cancelled; [`super::Site::is_at_work`] meanwhile.
    Waits,
    /// Logs the lines `one`, `two` and `three`, the last one without a line feed, and returns `null`.
    Logs,
    /// Returns as many letters as its input, a number, says.
    Letters,
    /// Dies on the input `"die"` without an answer, and returns any other input.
    Dies,
    /// Returns the settings of its provider, which are `{"region": "eu", "depth": {"of": [1, 2]}}`.
    Settings,
    /// Says that it is not healthy, with `no pulse` in the reason.
    Unhealthy,
}
