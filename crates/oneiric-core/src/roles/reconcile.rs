//! What became of a try whose outcome nobody knows.

use serde::{Deserialize, Serialize};

use crate::{Fault, Payload};

/// What somebody who looked found out about an earlier try.
///
/// Shape: `{"outcome":"done","output":...}`, `{"outcome":"not_done"}` or `{"outcome":"unknown"}`. That is
/// what a task answers that a manifest names as `reconcile`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Reconciled {
    /// The effect has happened; this is what the try would have answered.
    Done {
        /// The output; `null` unless said.
        #[serde(default)]
        output: Payload,
    },
    /// The effect has not happened, and will not: the node may be tried again.
    NotDone,
    /// It cannot be found out: a person decides.
    Unknown,
}

impl Reconciled {
    /// Reads the answer of a task that was asked.
    ///
    /// # Errors
    /// The permanent fault `bad-reconciliation` where it is none.
    pub fn read(answer: &Payload) -> Result<Self, Fault> {
        answer.read().map_err(|error| {
            Fault::permanent(
                "bad-reconciliation",
                format!("not an answer about an outcome ({error}); write {{\"outcome\": \"done\", \"output\": ...}}, {{\"outcome\": \"not_done\"}} or {{\"outcome\": \"unknown\"}}"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_answer_is_done_not_done_or_unknown() {
        let check = |answer: Value, expected: Option<Reconciled>| {
            let found = Reconciled::read(&Payload::from(answer.clone()));
            assert_eq!(found.clone().ok(), expected, "{answer}: {found:?}");
        };
        let done = |output: Value| Some(Reconciled::Done { output: output.into() });
        check(json!({"outcome": "done", "output": {"receipt": 7}}), done(json!({"receipt": 7})));
        check(json!({"outcome": "done"}), done(Value::Null));
        check(json!({"outcome": "not_done"}), Some(Reconciled::NotDone));
        check(json!({"outcome": "unknown"}), Some(Reconciled::Unknown));
        check(json!(true), None);
        check(json!({"outcome": "maybe"}), None);
    }
}
