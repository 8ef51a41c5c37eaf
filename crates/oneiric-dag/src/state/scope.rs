//! What expressions see of a run.

use oneiric_core::expr::{Expr, ExprError, NodeView, Scope, Template};
use serde_json::Value;

use super::State;
use crate::plan::Plan;

struct Seen<'a> {
    state: &'a State,
    plan: &'a Plan,
}

impl Seen<'_> {
    fn at(&self, place: u32) -> NodeView<'_> {
        NodeView {
            output: self.state.outputs[place as usize].value(),
            status: self.state.nodes[place as usize].status.name(),
        }
    }
}

impl Scope for Seen<'_> {
    fn inputs(&self) -> &Value {
        self.state.context.value()
    }

    fn node(&self, id: &str) -> Option<NodeView<'_>> {
        self.plan.place(id).map(|place| self.at(place))
    }

    fn nodes(&self) -> Box<dyn Iterator<Item = (&str, NodeView<'_>)> + '_> {
        let nodes = (0u32..).zip(self.plan.graph().nodes());
        Box::new(nodes.map(|(place, node)| (node.id.as_str(), self.at(place))))
    }
}

pub(super) fn holds(state: &State, plan: &Plan, when: &Expr) -> Result<bool, ExprError> {
    when.evaluate_bool(&Seen { state, plan })
}

pub(super) fn render(state: &State, plan: &Plan, template: &Template) -> Result<Value, ExprError> {
    template.render(&Seen { state, plan })
}
