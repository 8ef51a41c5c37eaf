//! Which names an expression uses: what has to be there, and what need not be converted.

use std::collections::BTreeSet;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, operators};

use crate::nearest::nearest;

use super::ExprError;
use super::error::excerpt;

/// What an expression may look at; never less than what it does look at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct References {
    /// Whether it uses `inputs`.
    pub inputs: bool,
    /// Which nodes it uses.
    pub nodes: Nodes,
    /// Which other variables it uses.
    pub variables: BTreeSet<String>,
}

/// Which nodes an expression uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nodes {
    /// These and no others: each is written as `nodes.ID` or `nodes["ID"]`.
    Named(BTreeSet<String>),
    /// Any: it walks over `nodes`, or computes the id.
    All,
}

impl Default for Nodes {
    fn default() -> Self {
        Nodes::Named(BTreeSet::new())
    }
}

impl References {
    /// Adds what another expression uses.
    pub fn extend(&mut self, other: &References) {
        self.inputs |= other.inputs;
        match (&mut self.nodes, &other.nodes) {
            (Nodes::Named(ours), Nodes::Named(theirs)) => ours.extend(theirs.iter().cloned()),
            (nodes, Nodes::All) => *nodes = Nodes::All,
            (Nodes::All, Nodes::Named(_)) => {}
        }
        self.variables.extend(other.variables.iter().cloned());
    }
}

/// The names of types, which CEL treats as values, and the namespace of optional values.
const TYPES: [&str; 12] = [
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "optional",
    "optional_type",
    "string",
    "type",
    "uint",
];

/// The functions of CEL's standard library that are there: no clock, no chance, no time zones.
const FUNCTIONS: [&str; 20] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "hasValue",
    "int",
    "matches",
    "none",
    "of",
    "ofNonZeroValue",
    "or",
    "orValue",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
    "value",
];

/// The references of a syntax tree, which must use no other names than `variables`.
pub(super) fn of(text: &str, ast: &IdedExpr, variables: &[&str]) -> Result<References, ExprError> {
    let mut walk = Walk { text, variables, bound: Vec::new(), found: References::default() };
    walk.expression(ast)?;
    Ok(walk.found)
}

struct Walk<'a> {
    text: &'a str,
    variables: &'a [&'a str],
    // The variables of the comprehensions around, innermost last.
    bound: Vec<&'a str>,
    found: References,
}

impl<'a> Walk<'a> {
    fn expression(&mut self, expression: &'a IdedExpr) -> Result<(), ExprError> {
        if let Some(id) = self.named_node(&expression.expr) {
            if let Nodes::Named(ids) = &mut self.found.nodes {
                ids.insert(id.to_owned());
            }
            return Ok(());
        }
        match &expression.expr {
            Expr::Ident(name) => self.name(name),
            Expr::Literal(_) => Ok(()),
            Expr::Select(select) => self.expression(&select.operand),
            Expr::Call(call) => {
                self.function(&call.func_name)?;
                call.target.as_deref().into_iter().chain(&call.args).try_for_each(|e| self.expression(e))
            }
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.expression(element)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.expression(&entry.key)?;
                    self.expression(&entry.value)
                }
                EntryExpr::StructField(_) => self.unsupported("a message"),
            }),
            Expr::Comprehension(walk) => {
                self.expression(&walk.iter_range)?;
                self.expression(&walk.accu_init)?;
                let outside = self.bound.len();
                self.bound.push(&walk.iter_var);
                self.bound.extend(walk.iter_var2.as_deref());
                for inner in [&walk.loop_cond, &walk.loop_step, &walk.result] {
                    self.expression(inner)?;
                }
                self.bound.truncate(outside);
                Ok(())
            }
            Expr::Struct(_) => self.unsupported("a message"),
            Expr::Unspecified => self.unsupported("an incomplete expression"),
        }
    }

    /// The id in `nodes.ID`, `nodes["ID"]`, their optional forms, and `"ID" in nodes`.
    fn named_node(&self, expression: &'a Expr) -> Option<&'a str> {
        let is_nodes = |operand: &IdedExpr| matches!(&operand.expr, Expr::Ident(name) if name == "nodes" && self.is_visible(name));
        let literal = |operand: &'a IdedExpr| match &operand.expr {
            Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
            _ => None,
        };
        match expression {
            Expr::Select(select) if is_nodes(&select.operand) => Some(&select.field),
            Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
                (operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT, [operand, id])
                    if is_nodes(operand) =>
                {
                    literal(id)
                }
                (operators::IN, [id, operand]) if is_nodes(operand) => literal(id),
                _ => None,
            },
            _ => None,
        }
    }

    fn is_visible(&self, name: &str) -> bool {
        self.variables.contains(&name) && !self.bound.contains(&name)
    }

    fn name(&mut self, name: &str) -> Result<(), ExprError> {
        if self.bound.contains(&name) || name.starts_with('@') {
            return Ok(());
        }
        if self.variables.contains(&name) {
            match name {
                "inputs" => self.found.inputs = true,
                "nodes" => self.found.nodes = Nodes::All,
                other => _ = self.found.variables.insert(other.to_owned()),
            }
            return Ok(());
        }
        if TYPES.contains(&name) {
            return Ok(());
        }
        let known = self.variables.iter().chain(&self.bound).copied();
        let hint = match nearest(name, known) {
            Some(near) => format!(", did you mean `{near}`?"),
            None => format!("; there are `{}`", self.variables.join("`, `")),
        };
        Err(self.unknown("name", name, hint))
    }

    fn function(&self, name: &str) -> Result<(), ExprError> {
        let is_operator = !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_operator || FUNCTIONS.contains(&name) {
            return Ok(());
        }
        let macros = ["all", "exists", "exists_one", "filter", "has", "map"];
        let near = nearest(name, FUNCTIONS.into_iter().chain(macros));
        let hint = match near {
            Some(near) if near == name => "; it takes other arguments".to_owned(),
            Some(near) => format!(", did you mean `{near}`?"),
            None => String::new(),
        };
        Err(self.unknown("function", name, hint))
    }

    fn unknown(&self, what: &'static str, name: &str, hint: String) -> ExprError {
        ExprError::Unknown { text: excerpt(self.text), what, name: excerpt(name), hint }
    }

    fn unsupported(&self, what: &'static str) -> Result<(), ExprError> {
        Err(ExprError::Unsupported { text: excerpt(self.text), what })
    }
}
