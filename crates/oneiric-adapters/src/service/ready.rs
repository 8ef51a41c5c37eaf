//! When a program has said that it is ready: by a line, or through its socket.

use std::sync::atomic::{AtomicBool, Ordering};

use oneiric_core::roles::{ServiceContext, Stream};
use regex::{Regex, RegexBuilder};

/// The most memory that a compiled expression may take; a line that says "ready" needs some hundred bytes of it.
const MAX_EXPRESSION_BYTES: usize = 1024 * 1024;

/// What occurs in a line that says so.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    /// A text.
    Text(String),
    /// A regular expression; written between slashes, as in patterns of topics.
    Expression(Regex),
}

impl Pattern {
    /// Reads a text, or an expression between slashes.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("is empty; every line would have it".to_owned());
        }
        match text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')).filter(|inner| !inner.is_empty())
        {
            None => Ok(Self::Text(text.to_owned())),
            Some(inner) => RegexBuilder::new(inner)
                .size_limit(MAX_EXPRESSION_BYTES)
                .build()
                .map(Self::Expression)
                .map_err(|error| format!("is no regular expression: {error}")),
        }
    }

    fn occurs_in(&self, line: &str) -> bool {
        match self {
            Self::Text(text) => line.contains(text),
            Self::Expression(expression) => expression.is_match(line),
        }
    }
}

/// Hands lines on to the log, and says once that the service is ready.
#[derive(Debug)]
pub(super) struct Ready<'a> {
    cx: &'a ServiceContext,
    pattern: Option<&'a Pattern>,
    said: AtomicBool,
}

impl<'a> Ready<'a> {
    pub(super) fn new(cx: &'a ServiceContext, pattern: Option<&'a Pattern>) -> Self {
        Self { cx, pattern, said: AtomicBool::new(false) }
    }

    /// Takes a line that the program wrote.
    pub(super) fn line(&self, stream: Stream, line: &str) {
        self.cx.line(stream, line);
        if let Some(pattern) = self.pattern
            && !self.said.load(Ordering::Relaxed)
            && pattern.occurs_in(line)
        {
            self.say();
        }
    }

    /// The service is ready.
    pub(super) fn say(&self) {
        if !self.said.swap(true, Ordering::Relaxed) {
            self.cx.ready();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_text_or_an_expression_between_slashes() {
        let check = |pattern: &str, line: &str, expected: bool| {
            assert_eq!(Pattern::read(pattern).unwrap().occurs_in(line), expected, "{pattern} {line}");
        };
        check("listening on (any)", "now listening on (any) port", true);
        check("listening", "Listening", false);
        check("/listening on .*:\\d+$/", "listening on 0.0.0.0:80", true);
        check("/listening on .*:\\d+$/", "listening on 0.0.0.0:80 soon", false);
        check("/srv/up", "see /srv/up", true);
        check("//", "a//b", true);
        for wrong in ["", "  ", "/(/", "/(a{9999}){9999}/"] {
            assert!(Pattern::read(wrong).is_err(), "{wrong}");
        }
    }
}
