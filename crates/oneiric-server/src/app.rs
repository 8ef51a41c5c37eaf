//! What handlers work with.

use std::sync::Arc;

use oneiric_runtime::Oneiric;
use oneiric_runtime::health::HealthSource;

use crate::options::Options;
use crate::traffic::Traffic;

/// The process, as its handlers see it. A clone is the same one.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    oneiric: Oneiric,
    options: Options,
    traffic: Arc<Traffic>,
}

impl App {
    pub(crate) fn new(oneiric: Oneiric, options: Options) -> Self {
        let traffic = Arc::new(Traffic::new(oneiric.clock()));
        oneiric.report_also(Arc::clone(&traffic) as Arc<dyn HealthSource>);
        Self(Arc::new(Inner { oneiric, options, traffic }))
    }

    /// What is counted of requests.
    pub(crate) fn traffic(&self) -> &Arc<Traffic> {
        &self.0.traffic
    }

    /// Whether whoever asks for health without a token is told the names of components and services.
    pub(crate) fn tells_details(&self) -> bool {
        self.0.options.is_local
    }

    pub(crate) fn oneiric(&self) -> &Oneiric {
        &self.0.oneiric
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }
}
