//! The report for programs, in the shape that the library has for it.

use oneiric_runtime::json;
use serde::ser::{Serialize, Serializer};

use super::Report;

impl Serialize for Report<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let log = |node: &oneiric_core::NodeId| {
            let lines = self.tails.get(&(self.run.run, node.clone()))?;
            Some(lines.iter().map(String::as_str).collect())
        };
        let (workflow, status) = (self.workflow.as_str(), self.standing.word());
        json::Run::new(workflow, &self.run, status, self.record, &self.progress, log)
            .repeating(self.parent)
            .serialize(serializer)
    }
}
