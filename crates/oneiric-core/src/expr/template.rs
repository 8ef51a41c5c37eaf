//! Expressions in payloads.

use serde_json::{Map, Value};

use super::error::ConversionError;
use super::{Expr, ExprError, RUN_VARIABLES, References, Scope, lexical, scope};

/// A payload with expressions in its strings (decision 11).
///
/// A string that is wholly `${{ expr }}` becomes the value of the expression, with its type. Inside
/// of text the value is interpolated: strings as they are, everything else as compact JSON. `$${{`
/// stands for the characters `${{`. Every other string, and every key, stays as it is.
///
/// `{"to": "${{ inputs.to }}", "text": "found ${{ nodes.scan.output.n }}"}` renders to
/// `{"to": ["a@x", "b@x"], "text": "found 5"}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    root: Part,
    references: References,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Literal(Value),
    Whole { expr: Expr, pointer: String },
    Mixed { pieces: Vec<Piece>, pointer: String },
    List(Vec<Part>),
    Fields(Vec<(String, Part)>),
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Expr(Expr),
}

impl Template {
    /// Compiles the expressions of a payload, over [`RUN_VARIABLES`]. `None` where it has none: such
    /// a payload is used as it is.
    ///
    /// # Errors
    /// [`ExprError::InPayload`] names the string by its JSON pointer.
    pub fn compile(payload: &Value) -> Result<Option<Template>, ExprError> {
        Self::compile_with(payload, RUN_VARIABLES)
    }

    /// Compiles the expressions of a payload over other variables; see [`Expr::compile_with`].
    ///
    /// # Errors
    /// As [`Template::compile`].
    pub fn compile_with(payload: &Value, variables: &[&str]) -> Result<Option<Template>, ExprError> {
        if !has_mark(payload) {
            return Ok(None);
        }
        let mut references = References::default();
        let mut compiler = Compiler { variables, pointer: String::new(), references: &mut references };
        let root = compiler.part(payload)?;
        Ok(Some(Template { root, references }))
    }

    /// A payload without expressions, where a template is wanted: it renders to itself.
    pub fn literal(payload: Value) -> Self {
        Self { root: Part::Literal(payload), references: References::default() }
    }

    /// What its expressions may look at, all together.
    pub fn references(&self) -> &References {
        &self.references
    }

    /// The payload for a scope.
    ///
    /// # Errors
    /// As [`Expr::evaluate`], in [`ExprError::InPayload`].
    pub fn render(&self, scope: &dyn Scope) -> Result<Value, ExprError> {
        let in_payload = |error: ConversionError| at("", error.of("${{ … }}"));
        let context = scope::bind(&self.references, scope).map_err(in_payload)?;
        self.root.render(&context)
    }
}

impl Part {
    fn render(&self, context: &cel::Context<'_, '_>) -> Result<Value, ExprError> {
        Ok(match self {
            Part::Literal(value) => value.clone(),
            Part::Whole { expr, pointer } => expr.evaluate_in(context).map_err(|error| at(pointer, error))?,
            Part::Mixed { pieces, pointer } => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(piece) => text.push_str(piece),
                        Piece::Expr(expr) => match expr.evaluate_in(context) {
                            Ok(Value::String(value)) => text.push_str(&value),
                            Ok(other) => text.push_str(&other.to_string()),
                            Err(error) => return Err(at(pointer, error)),
                        },
                    }
                }
                Value::String(text)
            }
            Part::List(parts) => {
                Value::Array(parts.iter().map(|part| part.render(context)).collect::<Result<_, _>>()?)
            }
            Part::Fields(fields) => {
                let field = |(name, part): &(String, Part)| Ok((name.clone(), part.render(context)?));
                Value::Object(fields.iter().map(field).collect::<Result<Map<_, _>, _>>()?)
            }
        })
    }
}

fn at(pointer: &str, error: ExprError) -> ExprError {
    ExprError::InPayload { pointer: pointer.to_owned(), source: Box::new(error) }
}

fn has_mark(payload: &Value) -> bool {
    match payload {
        Value::String(text) => text.contains("${{"),
        Value::Array(items) => items.iter().any(has_mark),
        Value::Object(fields) => fields.values().any(has_mark),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

struct Compiler<'a> {
    variables: &'a [&'a str],
    pointer: String,
    references: &'a mut References,
}

impl Compiler<'_> {
    fn part(&mut self, payload: &Value) -> Result<Part, ExprError> {
        if !has_mark(payload) {
            return Ok(Part::Literal(payload.clone()));
        }
        match payload {
            Value::String(text) => self.string(text).map_err(|error| at(&self.pointer, error)),
            Value::Array(items) => {
                let parts =
                    items.iter().enumerate().map(|(index, item)| self.child(&index.to_string(), item));
                Ok(Part::List(parts.collect::<Result<_, _>>()?))
            }
            Value::Object(fields) => {
                let part = |(name, item): (&String, &Value)| Ok((name.clone(), self.child(name, item)?));
                Ok(Part::Fields(fields.iter().map(part).collect::<Result<_, _>>()?))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(Part::Literal(payload.clone())),
        }
    }

    fn child(&mut self, name: &str, item: &Value) -> Result<Part, ExprError> {
        let parent = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        let part = self.part(item)?;
        self.pointer.truncate(parent);
        Ok(part)
    }

    fn string(&mut self, text: &str) -> Result<Part, ExprError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(mark) = rest.find("${{") {
            let offset = text.len() - rest.len() + mark;
            let inside = &rest[mark + 3..];
            if let Some(before) = rest[..mark].strip_suffix('$') {
                literal.push_str(before);
                literal.push_str("${{");
                rest = inside;
                continue;
            }
            literal.push_str(&rest[..mark]);
            let end = lexical::end(inside).ok_or(ExprError::Unclosed { offset })?;
            let expr = Expr::compile_with(inside[..end].trim(), self.variables)?;
            self.references.extend(expr.references());
            rest = &inside[end + 2..];
            if pieces.is_empty() && literal.is_empty() && rest.is_empty() {
                return Ok(Part::Whole { expr, pointer: self.pointer.clone() });
            }
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Expr(expr));
        }
        literal.push_str(rest);
        if pieces.is_empty() {
            return Ok(Part::Literal(Value::String(literal)));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Part::Mixed { pieces, pointer: self.pointer.clone() })
    }
}
