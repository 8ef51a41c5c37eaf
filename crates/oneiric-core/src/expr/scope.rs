//! What an expression sees.

use std::collections::{BTreeMap, HashMap};

use cel::Context;
use cel::common::types::{CelMap, CelMapKey, CelString};
use serde_json::Value;

use super::error::ConversionError;
use super::json::{Boxed, to_cel};
use super::references::{Nodes, References};
use super::work;

/// A node as an expression sees it: `{"output": ..., "status": "completed"}`.
#[derive(Debug, Clone, Copy)]
pub struct NodeView<'a> {
    /// What it returned; `null` where it has not.
    pub output: &'a Value,
    /// The name of its state.
    pub status: &'a str,
}

/// Where an expression finds what its names mean. Only what [`super::Expr::references`] names is
/// asked for, once per evaluation.
pub trait Scope {
    /// The context of the run: `inputs`.
    fn inputs(&self) -> &Value;

    /// One node: `nodes.ID`. `None` makes it a missing key.
    fn node(&self, id: &str) -> Option<NodeView<'_>>;

    /// Every node, for expressions that do not name theirs.
    fn nodes(&self) -> Box<dyn Iterator<Item = (&str, NodeView<'_>)> + '_>;

    /// Any other variable that the expression was compiled with. `None` makes it an unknown name.
    fn variable(&self, name: &str) -> Option<&Value> {
        let _ = name;
        None
    }
}

const _: fn(&dyn Scope) = |_| {};

/// A scope that holds its values: for tests, and for expressions outside of a run.
#[derive(Debug, Clone, Default)]
pub struct Values {
    inputs: Value,
    nodes: BTreeMap<String, (String, Value)>,
    variables: BTreeMap<String, Value>,
}

impl Values {
    /// A scope with a context and no node.
    pub fn new(inputs: Value) -> Self {
        Self { inputs, ..Self::default() }
    }

    /// Adds a node.
    #[must_use]
    pub fn with_node(mut self, id: impl Into<String>, status: impl Into<String>, output: Value) -> Self {
        self.nodes.insert(id.into(), (status.into(), output));
        self
    }

    /// Adds a variable.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<String>, value: Value) -> Self {
        self.variables.insert(name.into(), value);
        self
    }
}

impl Scope for Values {
    fn inputs(&self) -> &Value {
        &self.inputs
    }

    fn node(&self, id: &str) -> Option<NodeView<'_>> {
        self.nodes.get(id).map(|(status, output)| NodeView { output, status })
    }

    fn nodes(&self) -> Box<dyn Iterator<Item = (&str, NodeView<'_>)> + '_> {
        Box::new(self.nodes.iter().map(|(id, (status, output))| (id.as_str(), NodeView { output, status })))
    }

    fn variable(&self, name: &str) -> Option<&Value> {
        self.variables.get(name)
    }
}

/// Converts what the references name, and nothing else.
pub(super) fn bind<'v>(
    references: &'v References,
    scope: &'v dyn Scope,
) -> Result<Context<'v, 'v>, ConversionError> {
    let mut context = Context::with_env(work::environment());
    if references.inputs {
        context.add_variable_as_val("inputs", to_cel(scope.inputs())?);
    }
    let nodes: Option<HashMap<CelMapKey<'v>, Boxed<'v>>> = match &references.nodes {
        Nodes::Named(ids) if ids.is_empty() => None,
        Nodes::Named(ids) => Some(
            ids.iter()
                .filter_map(|id| Some((id.as_str(), scope.node(id)?)))
                .map(|(id, view)| Ok((CelMapKey::from(id), node(view)?)))
                .collect::<Result<_, _>>()?,
        ),
        Nodes::All => Some(
            scope
                .nodes()
                .map(|(id, view)| Ok((CelMapKey::from(id), node(view)?)))
                .collect::<Result<_, _>>()?,
        ),
    };
    if let Some(nodes) = nodes {
        context.add_variable_as_val("nodes", Box::new(CelMap::from(nodes)));
    }
    for name in &references.variables {
        if let Some(value) = scope.variable(name) {
            context.add_variable_as_val(name.as_str(), to_cel(value)?);
        }
    }
    Ok(context)
}

fn node(view: NodeView<'_>) -> Result<Boxed<'_>, ConversionError> {
    let status: Boxed<'_> = Box::new(CelString::from(view.status));
    let fields = HashMap::from([
        (CelMapKey::from("output"), to_cel(view.output)?),
        (CelMapKey::from("status"), status),
    ]);
    Ok(Box::new(CelMap::from(fields)))
}
