//! The context of a run as it is given on the command line.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use oneiric_core::Payload;
use serde_json::Value;

use crate::exit::Code;
use crate::failure::Failure;

/// The longest context, in bytes. It is stored with the run and handed to every node without a
/// payload; what is larger belongs into a file that the context names.
const LONGEST: u64 = 16 << 20;

/// How to write one.
const HOW: &str = "write a JSON object in single quotes: --context '{\"order_id\": \"demo-123\"}', or keep it in a \
                   file: --context @context.json";

/// Reads the value of `--context`: a JSON object, `@FILE`, or `-` for standard input.
pub(crate) fn read(given: &str) -> Result<Payload, Failure> {
    if given == "-" {
        let text = bounded(io::stdin().lock(), "standard input")?;
        return parse(&text, "standard input");
    }
    if let Some(path) = given.strip_prefix('@') {
        let file = File::open(Path::new(path)).map_err(|error| unreadable(path, &error))?;
        return parse(&bounded(file, path)?, path);
    }
    parse(given, "--context")
}

fn bounded(from: impl Read, name: &str) -> Result<String, Failure> {
    let mut text = String::new();
    from.take(LONGEST + 1).read_to_string(&mut text).map_err(|error| unreadable(name, &error))?;
    if text.len() as u64 > LONGEST {
        return Err(Failure::said(
            Code::Configuration,
            format!("the context in {name} is longer than {LONGEST} bytes"),
        )
        .help("put the data into a file or a bucket and name it in the context"));
    }
    Ok(text)
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    Failure::said(Code::Configuration, format!("cannot read the context from {name}: {error}")).help(HOW)
}

fn parse(text: &str, name: &str) -> Result<Payload, Failure> {
    let wrong = |message: String| Failure::said(Code::Configuration, message).help(HOW);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or(&what).replace("EOF", "the text ends");
        wrong(format!("the context is no JSON: {name}:{}:{}: {what}", error.line(), error.column()))
    })?;
    let kind = match value {
        Value::Object(_) => return Ok(Payload::from(value)),
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
    };
    Err(wrong(format!("the context is {kind}, it must be a JSON object")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_a_json_object() {
        assert_eq!(parse("{\"a\": [1]}", "x").unwrap().value()["a"][0], 1);
        let check = |text, expected| {
            let failure = parse(text, "--context").unwrap_err();
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
        let error = read("@/does/not/exist").unwrap_err();
        assert!(error.to_string().starts_with("cannot read the context from /does/not/exist: "));
    }
}
