//! What a supervisor is made of.

use std::fmt;
use std::sync::Arc;

use oneiric_core::probe::Prober;
use oneiric_core::roles::Stream;
use oneiric_core::{Clock, Key, Lifecycle};

use crate::Activity;

/// What a supervisor is made of.
#[derive(Clone)]
pub struct Parts {
    /// Where the instances of services come from, and who asks them whether they are healthy.
    pub lifecycle: Lifecycle,
    /// What operators said of services. A service that runs is in flight.
    pub activity: Activity,
    /// Who puts questions to the outside; [`super::check_probes`] says whether somebody is needed.
    pub prober: Option<Arc<dyn Prober>>,
    /// Where the lines of services go.
    pub lines: Arc<dyn Lines>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("prober", &self.prober)
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

/// Keeps what services write.
pub trait Lines: Send + Sync + fmt::Debug {
    /// A line, without its line feed. Must not block for longer than a write to a file does.
    fn line(&self, key: &Key, stream: Stream, line: &str);
}

const _: fn(&dyn Lines) = |_| {};

/// Keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLines;

impl Lines for NoLines {
    fn line(&self, _: &Key, _: Stream, _: &str) {}
}
