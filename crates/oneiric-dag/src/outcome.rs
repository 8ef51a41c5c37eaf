//! What a caller makes of a run: its outputs, or why there are none.

use oneiric_core::nearest::nearest;
use oneiric_core::payload::ShapeError;
use oneiric_core::{Fault, NodeId, RunId};
use oneiric_store::{NodeStatus, RunStatus};
use serde::de::DeserializeOwned;

use crate::executor::{Ended, RunHandle};
use crate::report::{NodeReport, RunReport};

/// Why a run did not complete.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Incomplete {
    /// It failed, was cancelled, or waits for a person.
    #[error("{}", reached(.0))]
    Reached(Box<RunReport>),
    /// The process is going down; another one resumes the run.
    #[error("run {0} is suspended: the process is shutting down")]
    Suspended(RunId),
    /// The run is no longer ours, or the store has failed.
    #[error("run {run} is lost: {fault}")]
    Lost {
        /// The run.
        run: RunId,
        /// Why.
        fault: Fault,
    },
}

/// Why an output is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    /// The graph has no such node.
    #[error("run {run} has no node `{node}`{}", hint(.near.as_ref()))]
    Unknown {
        /// The run.
        run: RunId,
        /// What was asked for.
        node: String,
        /// The node that was most likely meant.
        near: Option<NodeId>,
    },
    /// The node did not complete.
    #[error("node `{node}` has no output: it is {}", .status.name())]
    None {
        /// The node.
        node: NodeId,
        /// Where it stands.
        status: NodeStatus,
    },
    /// The output is not what the type says.
    #[error("the output of node `{node}`: {source}")]
    Shape {
        /// The node.
        node: NodeId,
        /// What is wrong with it.
        source: ShapeError,
    },
}

impl RunHandle {
    /// Waits until the run has completed.
    ///
    /// # Errors
    /// [`Incomplete`] where it ended in any other way; cancelling the wait leaves the run alone.
    pub async fn completed(&self) -> Result<RunReport, Incomplete> {
        match self.ended().await {
            Ended::Reached(RunStatus::Completed) => Ok(self.report()),
            Ended::Reached(_) => Err(Incomplete::Reached(Box::new(self.report()))),
            Ended::Suspended => Err(Incomplete::Suspended(self.id())),
            Ended::Lost(fault) => Err(Incomplete::Lost { run: self.id(), fault }),
        }
    }
}

impl RunReport {
    /// What one node did; `None` where the report has no such node.
    pub fn node(&self, id: &str) -> Option<&NodeReport> {
        self.nodes.iter().find(|node| node.id.as_str() == id)
    }

    /// The output of a node as a type of your own.
    ///
    /// # Errors
    /// [`OutputError`] where there is no such node, it did not complete, or the type says otherwise.
    pub fn output<T: DeserializeOwned>(&self, node: &str) -> Result<T, OutputError> {
        let Some(node) = self.node(node) else {
            let near = nearest(node, self.nodes.iter().map(|known| known.id.as_str()));
            let near = near.and_then(|near| self.node(near)).map(|near| near.id.clone());
            return Err(OutputError::Unknown { run: self.run, node: node.to_owned(), near });
        };
        match node.status {
            NodeStatus::Completed => {
                node.output.read().map_err(|source| OutputError::Shape { node: node.id.clone(), source })
            }
            status => Err(OutputError::None { node: node.id.clone(), status }),
        }
    }
}

fn reached(report: &RunReport) -> String {
    let mut text = format!("run {} is {}", report.run, report.status);
    let Some(fault) = &report.fault else { return text };
    let is_culprit =
        |node: &&NodeReport| node.status == NodeStatus::Failed && node.fault.as_ref() == Some(fault);
    if let Some(node) = report.nodes.iter().find(is_culprit) {
        text.push_str(&format!(": node `{}`", node.id));
    }
    text.push_str(&format!(": {fault}"));
    text
}

fn hint(near: Option<&NodeId>) -> String {
    near.map_or(String::new(), |near| format!("; did you mean `{near}`?"))
}

#[cfg(test)]
mod tests {
    use oneiric_core::Payload;
    use serde_json::{Value, json};

    use super::*;

    fn node(id: &str, status: NodeStatus, output: Value, fault: Option<Fault>) -> NodeReport {
        NodeReport {
            id: id.parse().unwrap(),
            status,
            attempts: 1,
            started_at: None,
            ended_at: None,
            output: Payload::from(output),
            fault,
            skip: None,
        }
    }

    fn report() -> RunReport {
        let fault = Fault::permanent("exit-code", "`sh` exited with 3");
        RunReport {
            run: RunId::from_bytes([1; 16]),
            status: RunStatus::Failed,
            started_at: None,
            ended_at: None,
            fault: Some(fault.clone()),
            nodes: vec![
                node("price", NodeStatus::Completed, json!({"total": "ten"}), None),
                node("charge", NodeStatus::Failed, Value::Null, Some(fault)),
                node("ship", NodeStatus::Skipped, Value::Null, None),
            ],
        }
    }

    #[test]
    fn an_output_that_is_not_there_says_why() {
        #[derive(Debug, serde::Deserialize)]
        struct Price {
            #[expect(dead_code, reason = "it is only ever read as something else")]
            total: u32,
        }
        let check = |node: &str, expected: &str| {
            assert_eq!(report().output::<Price>(node).unwrap_err().to_string(), expected);
        };
        check(
            "price",
            "the output of node `price`: field `total`: invalid type: string \"ten\", expected u32",
        );
        check("ship", "node `ship` has no output: it is skipped");
        check("chagre", "run 01010101010101010101010101010101 has no node `chagre`; did you mean `charge`?");
        assert_eq!(report().output::<Value>("price").unwrap(), json!({"total": "ten"}));
    }

    #[test]
    fn a_run_that_did_not_complete_names_the_node_that_failed() {
        assert_eq!(
            Incomplete::Reached(Box::new(report())).to_string(),
            "run 01010101010101010101010101010101 is failed: node `charge`: `sh` exited with 3"
        );
    }
}
