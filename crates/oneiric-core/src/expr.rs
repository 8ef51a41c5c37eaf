//! Expressions. (being written)
#![allow(missing_docs, dead_code)]
use serde_json::Value;
use std::collections::BTreeSet;
#[derive(Debug, Clone, thiserror::Error)]
#[error("x")]
pub struct ExprError;
#[derive(Debug, Clone)]
pub struct Expr(References);
#[derive(Debug, Clone)]
pub struct Template(References);
#[derive(Debug, Clone)]
pub struct References {
    pub inputs: bool,
    pub nodes: Nodes,
}
#[derive(Debug, Clone)]
pub enum Nodes {
    Named(BTreeSet<String>),
    All,
}
pub trait NodeValues {
    fn node(&self, id: &str) -> Option<(&Value, &str)>;
    fn ids(&self) -> Vec<&str>;
}
pub struct Scope<'a>(&'a Value, &'a dyn NodeValues);
impl<'a> Scope<'a> {
    pub fn new(i: &'a Value, n: &'a dyn NodeValues) -> Self {
        Self(i, n)
    }
}
impl Expr {
    pub fn compile(_: &str) -> Result<Self, ExprError> {
        Err(ExprError)
    }
    pub fn references(&self) -> &References {
        &self.0
    }
    pub fn evaluate_bool(&self, _: &Scope<'_>) -> Result<bool, ExprError> {
        Ok(true)
    }
}
impl Template {
    pub fn compile(_: &Value) -> Result<Option<Self>, ExprError> {
        Ok(None)
    }
    pub fn references(&self) -> &References {
        &self.0
    }
    pub fn render(&self, _: &Scope<'_>) -> Result<Value, ExprError> {
        Ok(Value::Null)
    }
}
