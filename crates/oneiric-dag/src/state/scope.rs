//! What expressions see of a run.

use oneiric_core::expr::{Expr, ExprError, NodeValues, Scope, Template};
use serde_json::Value;

use super::State;
use crate::plan::Plan;

struct Seen<'a> {
    state: &'a State,
    plan: &'a Plan,
}

impl NodeValues for Seen<'_> {
    fn node(&self, id: &str) -> Option<(&Value, &str)> {
        let place = self.plan.place(id)?;
        let node = &self.state.nodes[place as usize];
        Some((self.state.outputs[place as usize].value(), node.status.name()))
    }

    fn ids(&self) -> Vec<&str> {
        self.plan.graph().nodes().iter().map(|node| node.id.as_str()).collect()
    }
}

pub(super) fn holds(state: &State, plan: &Plan, when: &Expr) -> Result<bool, ExprError> {
    when.evaluate_bool(&Scope::new(state.context.value(), &Seen { state, plan }))
}

pub(super) fn render(state: &State, plan: &Plan, template: &Template) -> Result<Value, ExprError> {
    template.render(&Scope::new(state.context.value(), &Seen { state, plan }))
}
