//! Standard output as a result.

use oneiric_core::{Fault, Payload};
use serde_json::Value;

use crate::Limits;
use crate::process::lines::Lines;

/// How many bytes of an output that is no result its fault shows.
const SHOWN_BYTES: usize = 200;

/// Outputs longer than this are parsed on a blocking thread: a megabyte of JSON takes some
/// milliseconds, which would stall everything else on the worker.
const INLINE_PARSE_BYTES: usize = 256 * 1024;

/// What standard output means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mode {
    /// One JSON document, or nothing for `null`.
    #[default]
    Json,
    /// Text in UTF-8, without its last line feed.
    Text,
    /// Log lines; the result is `null`.
    None,
}

impl Mode {
    /// The modes by their names in `metadata.exec.stdout`.
    pub(super) const NAMED: [(&'static str, Mode); 3] =
        [("json", Mode::Json), ("text", Mode::Text), ("none", Mode::None)];
}

/// Standard output while the process writes it.
#[derive(Debug)]
pub(super) enum Output {
    Json(Kept),
    Text(Kept),
    Logged(Lines),
}

/// Bytes that are kept whole, or not at all.
#[derive(Debug)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    limit: usize,
}

impl Output {
    pub(super) fn new(mode: Mode, limits: Limits) -> Self {
        let kept = Kept { bytes: Vec::new(), limit: limits.stdout_bytes };
        match mode {
            Mode::Json => Output::Json(kept),
            Mode::Text => Output::Text(kept),
            Mode::None => Output::Logged(Lines::new(limits)),
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// The permanent fault `output-too-large`.
    pub(super) fn push(
        &mut self,
        program: &str,
        chunk: &[u8],
        to: &mut impl FnMut(&str),
    ) -> Result<(), Fault> {
        match self {
            Output::Json(kept) | Output::Text(kept) => kept.push(program, chunk),
            Output::Logged(lines) => {
                lines.push(chunk, to);
                Ok(())
            }
        }
    }

    /// Hands on what is left for the log.
    pub(super) fn finish(&mut self, to: &mut impl FnMut(&str)) {
        match self {
            Output::Json(_) | Output::Text(_) => {}
            Output::Logged(lines) => lines.finish(to),
        }
    }

    /// The result.
    ///
    /// # Errors
    /// The permanent fault `bad-output`, which shows how the output begins.
    pub(super) async fn result(self, program: &str) -> Result<Payload, Fault> {
        match self {
            Output::Logged(_) => Ok(Payload::NULL),
            Output::Text(kept) => text(program, kept.bytes),
            Output::Json(kept) if kept.bytes.len() <= INLINE_PARSE_BYTES => json(program, &kept.bytes),
            Output::Json(kept) => {
                let program = program.to_owned();
                tokio::task::spawn_blocking(move || json(&program, &kept.bytes))
                    .await
                    .unwrap_or_else(|error| Err(Fault::shutdown(format!("parsing was given up: {error}"))))
            }
        }
    }
}

impl Kept {
    fn push(&mut self, program: &str, chunk: &[u8]) -> Result<(), Fault> {
        let limit = self.limit;
        if chunk.len() > limit - self.bytes.len() {
            let message = format!("`{program}` wrote more than {limit} bytes to standard output");
            return Err(Fault::permanent("output-too-large", message));
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }
}

fn json(program: &str, bytes: &[u8]) -> Result<Payload, Fault> {
    if bytes.trim_ascii().is_empty() {
        return Ok(Payload::NULL);
    }
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => Ok(value.into()),
        Err(error) => Err(bad(program, "one JSON document", &error, bytes)),
    }
}

fn text(program: &str, mut bytes: Vec<u8>) -> Result<Payload, Fault> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Value::String(text).into()),
        // No replacement characters: a result is data, and what is replaced is lost for good.
        Err(error) => Err(bad(program, "text in UTF-8", &error.utf8_error(), error.as_bytes())),
    }
}

fn bad(program: &str, wanted: &str, error: &dyn std::error::Error, bytes: &[u8]) -> Fault {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES)]);
    let message = format!("standard output of `{program}` is not {wanted} ({error}); it begins {start:?}");
    Fault::permanent("bad-output", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_one_document_or_nothing() {
        let check = |text: &str, expected: Value| {
            assert_eq!(*json("p", text.as_bytes()).unwrap().value(), expected);
        };
        check("", json!(null));
        check(" \n", json!(null));
        check("{\"a\": [1]}\n", json!({"a": [1]}));
        for bad in ["hello", "1 2", "{\"a\":", "nul"] {
            assert_eq!(json("p", bad.as_bytes()).unwrap_err().code, "bad-output", "{bad}");
        }
        let fault = json("p", "x".repeat(1000).as_bytes()).unwrap_err();
        assert!(fault.message.ends_with(&format!("it begins {:?}", "x".repeat(200))), "{fault}");
    }

    #[test]
    fn text_loses_one_line_feed_and_nothing_else() {
        let check = |bytes: &[u8], expected: &str| {
            assert_eq!(*text("p", bytes.to_vec()).unwrap().value(), json!(expected));
        };
        check(b"", "");
        check(b"a\n", "a");
        check(b" a\n\n", " a\n");
        assert_eq!(text("p", b"a\xff\n".to_vec()).unwrap_err().code, "bad-output");
    }
}
