//! What is wrong with an expression.

use cel::ExecutionError;
use cel::parser::ParseErrors;

/// Why an expression or a template has no value. Trying again gives the same error.
///
/// Texts are shortened, and messages name types rather than values: payloads may hold what does not
/// belong into a log.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ExprError {
    /// The text is longer than [`super::MAX_BYTES`].
    #[error("expression is {bytes} bytes long, at most {} are allowed", super::MAX_BYTES)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The text has more tokens than [`super::MAX_TOKENS`].
    #[error("expression has {tokens} tokens, at most {} are allowed", super::MAX_TOKENS)]
    TooManyTokens {
        /// Their number.
        tokens: usize,
    },
    /// The expression is nested deeper than [`super::MAX_DEPTH`].
    #[error("expression `{text}` is nested {depth} deep, at most {} is allowed", super::MAX_DEPTH)]
    TooDeep {
        /// The expression, shortened.
        text: String,
        /// Its depth.
        depth: usize,
    },
    /// The text is not CEL.
    #[error("expression `{text}`{}: {message}", At(*position))]
    Syntax {
        /// The expression, shortened.
        text: String,
        /// Line and column, both counted from 1, where known.
        position: Option<(usize, usize)>,
        /// What was expected.
        message: String,
    },
    /// A variable or a function that does not exist.
    #[error("expression `{text}`: unknown {what} `{name}`{hint}")]
    Unknown {
        /// The expression, shortened.
        text: String,
        /// `name` or `function`.
        what: &'static str,
        /// The name.
        name: String,
        /// What was probably meant, or what there is.
        hint: String,
    },
    /// Something that CEL has and expressions here do not.
    #[error("expression `{text}`: {what} cannot be used here")]
    Unsupported {
        /// The expression, shortened.
        text: String,
        /// What it is.
        what: &'static str,
    },
    /// CEL refused to evaluate it.
    #[error("expression `{text}`: {message}")]
    Evaluation {
        /// The expression, shortened.
        text: String,
        /// The reason.
        message: String,
    },
    /// It took more work than [`super::MAX_WORK`].
    #[error("expression `{text}` takes too much work, at most {} units are allowed", super::MAX_WORK)]
    TooMuchWork {
        /// The expression, shortened.
        text: String,
    },
    /// A condition is neither true nor false.
    #[error("condition `{text}` must be a bool, it is {found}")]
    NotBool {
        /// The expression, shortened.
        text: String,
        /// The type that it has.
        found: &'static str,
    },
    /// The library below panicked: a defect, to be reported.
    #[error("expression `{text}` cannot be handled: the evaluator panicked")]
    Panicked {
        /// The expression, shortened.
        text: String,
    },
    /// A `${{` without its `}}`.
    #[error("`${{{{` at byte {offset} is not closed; write `$${{{{` for the characters themselves")]
    Unclosed {
        /// Where it stands in the string, counted from 0.
        offset: usize,
    },
    /// An error in a string of a payload.
    #[error("payload at `{pointer}`: {source}")]
    InPayload {
        /// The JSON pointer of the string; empty for the payload itself.
        pointer: String,
        /// The error.
        source: Box<ExprError>,
    },
}

struct At(Option<(usize, usize)>);

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |(line, column)| write!(f, ", line {line}, column {column}"))
    }
}

/// An error of a conversion, which does not know the expression.
#[derive(Debug)]
pub(super) struct ConversionError(pub(super) String);

impl ConversionError {
    pub(super) fn of(self, text: &str) -> ExprError {
        ExprError::Evaluation { text: excerpt(text), message: self.0 }
    }
}

/// The text on one line and no longer than a line.
pub(super) fn excerpt(text: &str) -> String {
    shorten(&text.split_whitespace().collect::<Vec<_>>().join(" "), 80)
}

fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

pub(super) fn syntax(text: &str, errors: &ParseErrors) -> ExprError {
    let first = errors.errors.iter().find(|error| error.pos.0 > 0).or(errors.errors.first());
    let position = first
        .and_then(|error| Some((usize::try_from(error.pos.0).ok()?, usize::try_from(error.pos.1).ok()?)))
        .filter(|(line, _)| *line > 0);
    let message = first.map_or("not an expression", |error| error.msg.as_str());
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    ExprError::Syntax { text: excerpt(text), position, message: shorten(message, 200) }
}

/// The sign of an operator, which has a name in errors and a pattern in the tree: `add`, `_+_`.
fn sign(function: &str) -> &str {
    match function {
        "add" => "+",
        "sub" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" => "%",
        "@in" => "in",
        other if other.contains(|c: char| c.is_ascii_punctuation() && c != '_') => other.trim_matches('_'),
        other => other,
    }
}

pub(super) fn evaluation(text: &str, error: ExecutionError) -> ExprError {
    let name = |function: &str| sign(function).to_owned();
    let kind = |value: &cel::Value| value.type_of().to_string();
    let message = match &error {
        ExecutionError::NoSuchKey(key) => format!("there is no key `{}`", shorten(key, 80)),
        ExecutionError::UndeclaredReference(name) => format!("unknown name `{}`", shorten(name, 80)),
        ExecutionError::UnsupportedBinaryOperator(operator, a, b) => {
            format!("`{}` does not take {} and {}", name(operator), kind(a), kind(b))
        }
        ExecutionError::Overflow(operator, ..) => format!("`{}` overflows", name(operator)),
        ExecutionError::ValuesNotComparable(a, b) => format!("cannot compare {} with {}", kind(a), kind(b)),
        ExecutionError::UnsupportedKeyType(value) => format!("{} cannot be a key of a map", kind(value)),
        ExecutionError::UnsupportedTargetType { target } => format!("not possible on {}", kind(target)),
        ExecutionError::NotSupportedAsMethod { method, target } => {
            format!("`{method}` is not possible on {}", kind(target))
        }
        ExecutionError::UnsupportedIndex(a, b) => format!("cannot index {} with {}", kind(b), kind(a)),
        ExecutionError::IndexOutOfBounds(_) => "the index is outside of the list".to_owned(),
        ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        ExecutionError::RemainderByZero(_) => "remainder by zero".to_owned(),
        ExecutionError::DuplicateKey(_) => "a key stands twice in a map".to_owned(),
        ExecutionError::NoSuchOverload(call) => {
            format!("`{}` does not take {}", name(call.function()), call.argument_types().join(" and "))
        }
        // The other variants carry no values; the enum is open to more.
        other => shorten(&other.to_string(), 200),
    };
    ExprError::Evaluation { text: excerpt(text), message }
}
