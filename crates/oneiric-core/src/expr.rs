//! Expressions: CEL, the one language of conditions, filters and payloads.
//!
//! An [`Expr`] is compiled once, when a manifest is loaded, and then evaluated against a [`Scope`].
//! It is a pure function of the scope: there is no clock and no chance in it, and where CEL leaves
//! an order open (walking a map) it is that of the keys. It always ends: text, tokens and nesting
//! are bounded when it is compiled, work and memory by [`MAX_WORK`] when it is evaluated. It does
//! not panic: what the library below may throw is caught and returned as an error.
//!
//! [`Template`] finds the expressions in a payload.
//!
//! ```
//! use oneiric_core::expr::{Expr, Values};
//! use serde_json::json;
//!
//! let scope = Values::new(json!({ "limit": 3 })).with_node("scan", "completed", json!({ "found": 5 }));
//! let when = Expr::compile("nodes.scan.output.found > inputs.limit")?;
//! assert!(when.evaluate_bool(&scope)?);
//! # Ok::<(), oneiric_core::expr::ExprError>(())
//! ```

mod error;
mod json;
mod lexical;
mod pattern;
mod references;
mod scope;
mod template;
mod work;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cel::common::ast::IdedExpr;
use cel::parser::PrattParser;
use serde_json::Value;

pub use error::ExprError;
pub use references::{Nodes, References};
pub use scope::{NodeView, Scope, Values};
pub use template::Template;
pub use work::MAX_WORK;

/// The longest expression, in bytes. Longer ones are programs, which belong into a component.
pub const MAX_BYTES: usize = 4096;

/// The most tokens of an expression: names, literals and marks. Ten lines of conditions have 200.
/// The parser recurses for some of them, so this also bounds its stack.
pub const MAX_TOKENS: usize = 1000;

/// The deepest nesting of an expression: of brackets, and of operators that wait for one another, so
/// that a sum of more terms than this is refused too. CEL asks for at least 12 and 32.
pub const MAX_DEPTH: usize = 96;

/// The names that the expressions of a workflow see: its context, and its nodes by id, each with
/// `output` and `status`.
pub const RUN_VARIABLES: &[&str] = &["inputs", "nodes"];

/// A compiled expression. A clone is the same expression.
#[derive(Clone)]
pub struct Expr(Arc<Compiled>);

struct Compiled {
    text: String,
    ast: IdedExpr,
    depth: usize,
    references: References,
}

impl Expr {
    /// Compiles an expression over [`RUN_VARIABLES`].
    ///
    /// # Errors
    /// [`ExprError`] for what is not CEL, for names and functions that do not exist, and for what
    /// exceeds the bounds; with the position where there is one.
    pub fn compile(text: &str) -> Result<Self, ExprError> {
        Self::compile_with(text, RUN_VARIABLES)
    }

    /// Compiles an expression over other variables: what an event filter sees, for example. At
    /// evaluation, all but `inputs` and `nodes` come from [`Scope::variable`].
    ///
    /// # Errors
    /// As [`Expr::compile`].
    pub fn compile_with(text: &str, variables: &[&str]) -> Result<Self, ExprError> {
        if text.len() > MAX_BYTES {
            return Err(ExprError::TooLong { bytes: text.len() });
        }
        let tokens = lexical::tokens(text);
        if tokens > MAX_TOKENS {
            return Err(ExprError::TooManyTokens { tokens });
        }
        guarded(text, work::COMPILE_STACK, || Self::build(text, variables))?
    }

    fn build(text: &str, variables: &[&str]) -> Result<Self, ExprError> {
        // The grammar-generated parser of the same crate needs several megabytes of stack for a
        // hundred terms and takes milliseconds; this one is bounded and takes microseconds.
        let parser = PrattParser::new()
            .max_recursion_depth(u16::try_from(MAX_DEPTH).unwrap_or(u16::MAX))
            .enable_optional_syntax(true);
        let mut ast = parser.parse(text).map_err(|errors| error::syntax(text, &errors))?;
        let depth = work::depth(&ast);
        if depth > MAX_DEPTH {
            return Err(ExprError::TooDeep { text: error::excerpt(text), depth });
        }
        let references = references::of(text, &ast, variables)?;
        work::meter(&mut ast);
        let depth = work::depth(&ast);
        Ok(Self(Arc::new(Compiled { text: text.to_owned(), ast, depth, references })))
    }

    /// The text as written.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// What the expression may look at. Only this is converted when it is evaluated.
    pub fn references(&self) -> &References {
        &self.0.references
    }

    /// The value for a scope.
    ///
    /// # Errors
    /// [`ExprError`] for what CEL refuses (a missing key, unlike types, a division by zero), for more
    /// work than [`MAX_WORK`], and for a result that JSON has no form for. Trying again gives the
    /// same error.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Value, ExprError> {
        let context = scope::bind(&self.0.references, scope).map_err(|error| error.of(self.text()))?;
        self.evaluate_in(&context)
    }

    /// The value of a condition for a scope.
    ///
    /// # Errors
    /// As [`Expr::evaluate`]; also where the value is neither `true` nor `false`.
    pub fn evaluate_bool(&self, scope: &dyn Scope) -> Result<bool, ExprError> {
        match self.evaluate(scope)? {
            Value::Bool(value) => Ok(value),
            other => Err(ExprError::NotBool { text: error::excerpt(self.text()), found: json::kind(&other) }),
        }
    }

    fn evaluate_in(&self, context: &cel::Context<'_, '_>) -> Result<Value, ExprError> {
        let compiled = &*self.0;
        let stack = work::evaluation_stack(compiled.depth);
        let (result, exhausted) =
            guarded(&compiled.text, stack, || work::limited(|| cel::Value::resolve(&compiled.ast, context)))?;
        if exhausted {
            return Err(ExprError::TooMuchWork { text: error::excerpt(&compiled.text) });
        }
        let value = result.map_err(|error| error::evaluation(&compiled.text, error))?;
        json::from_cel(&value).map_err(|error| error.of(&compiled.text))
    }
}

/// Runs `work` on a stack with at least `stack` bytes left, and turns a panic into an error. The
/// library below has `panic!` and `unreachable!` for trees that its parser does not make; the panic
/// hook still reports them, because each is a defect.
fn guarded<T>(text: &str, stack: usize, work: impl FnOnce() -> T) -> Result<T, ExprError> {
    stacker::maybe_grow(stack, stack + stack / 4, || catch_unwind(AssertUnwindSafe(work)))
        .map_err(|_| ExprError::Panicked { text: error::excerpt(text) })
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expr").field(&self.0.text).finish()
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.text)
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text && self.0.references == other.0.references
    }
}

const _: fn() = || {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Expr>();
    shared::<Template>();
};

#[cfg(test)]
mod tests;
