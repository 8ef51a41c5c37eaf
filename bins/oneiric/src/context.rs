//! JSON objects as they are given on the command line: the context of a run, the payload of an action.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use oneiric_core::Payload;
use serde_json::Value;

use crate::exit::Code;
use crate::failure::Failure;

/// The longest one, in bytes. A context is stored with the run and handed to every node without a
/// payload; what is larger belongs into a file that it names.
const LONGEST: u64 = 16 << 20;

/// What is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given {
    noun: &'static str,
    option: &'static str,
    /// `is, it` or `are, they`.
    grammar: (&'static str, &'static str),
}

/// Of one thing.
const ONE: (&str, &str) = ("is", "it");

impl Given {
    /// The context of a run.
    pub(crate) const CONTEXT: Given = Given { noun: "context", option: "--context", grammar: ONE };
    /// The payload of an action.
    pub(crate) const PAYLOAD: Given = Given { noun: "payload", option: "--payload", grammar: ONE };
    /// The headers of an event.
    pub(crate) const HEADERS: Given =
        Given { noun: "headers", option: "--headers", grammar: ("are", "they") };

    /// Reads the value of the option: a JSON object, `@FILE`, or `-` for standard input.
    pub(crate) fn read(self, given: &str) -> Result<Payload, Failure> {
        if given == "-" {
            let text = self.bounded(io::stdin().lock(), "standard input")?;
            return self.parse(&text, "standard input");
        }
        if let Some(path) = given.strip_prefix('@') {
            let file = File::open(Path::new(path)).map_err(|error| self.unreadable(path, &error))?;
            return self.parse(&self.bounded(file, path)?, path);
        }
        self.parse(given, self.option)
    }

    fn bounded(self, from: impl Read, name: &str) -> Result<String, Failure> {
        let Given { noun, grammar: (is, _), .. } = self;
        let mut text = String::new();
        from.take(LONGEST + 1).read_to_string(&mut text).map_err(|error| self.unreadable(name, &error))?;
        if text.len() as u64 > LONGEST {
            let message = format!("the {noun} in {name} {is} longer than {LONGEST} bytes");
            let help = format!("put the data into a file or a bucket and name it in the {noun}");
            return Err(Failure::said(Code::Configuration, message).help(help));
        }
        Ok(text)
    }

    fn unreadable(self, name: &str, error: &io::Error) -> Failure {
        let message = format!("cannot read the {} from {name}: {error}", self.noun);
        Failure::said(Code::Configuration, message).help(self.how())
    }

    /// How to write one.
    fn how(self) -> String {
        let Given { noun, option, .. } = self;
        format!(
            "write a JSON object in single quotes: {option} '{{\"order_id\": \"demo-123\"}}', or keep it in a file: \
             {option} @{noun}.json"
        )
    }

    fn parse(self, text: &str, name: &str) -> Result<Payload, Failure> {
        let Given { noun, grammar: (is, it), .. } = self;
        let wrong = |message: String| Failure::said(Code::Configuration, message).help(self.how());
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let value: Value = serde_json::from_str(text).map_err(|error| {
            let what = error.to_string();
            let what = what.split(" at line ").next().unwrap_or(&what).replace("EOF", "the text ends");
            wrong(format!("the {noun} {is} no JSON: {name}:{}:{}: {what}", error.line(), error.column()))
        })?;
        let kind = match value {
            Value::Object(_) => return Ok(Payload::from(value)),
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
        };
        Err(wrong(format!("the {noun} {is} {kind}, {it} must be a JSON object")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_a_json_object() {
        assert_eq!(Given::CONTEXT.parse("{\"a\": [1]}", "x").unwrap().value()["a"][0], 1);
        let check = |text, expected| {
            let failure = Given::CONTEXT.parse(text, "--context").unwrap_err();
            assert_eq!((failure.to_string().as_str(), failure.code()), (expected, Code::Configuration));
        };
        check("{a: 1}", "the context is no JSON: --context:1:2: key must be a string");
        check("", "the context is no JSON: --context:1:0: the text ends while parsing a value");
        check("{\n\"a\": }", "the context is no JSON: --context:2:6: expected value");
        check("[1]", "the context is a list, it must be a JSON object");
        check("null", "the context is null, it must be a JSON object");
        check("3", "the context is a number, it must be a JSON object");
    }

    #[test]
    fn a_context_may_stand_in_a_file() {
        let error = Given::PAYLOAD.read("@/does/not/exist").unwrap_err();
        assert!(error.to_string().starts_with("cannot read the payload from /does/not/exist: "));
    }
}
