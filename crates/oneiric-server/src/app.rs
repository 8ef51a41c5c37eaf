//! What handlers work with.

use std::sync::Arc;

use oneiric_runtime::Oneiric;

use crate::options::Options;

/// The process, as its handlers see it. A clone is the same one.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    oneiric: Oneiric,
    options: Options,
}

impl App {
    pub(crate) fn new(oneiric: Oneiric, options: Options) -> Self {
        Self(Arc::new(Inner { oneiric, options }))
    }

    pub(crate) fn oneiric(&self) -> &Oneiric {
        &self.0.oneiric
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }
}
