//! What an answer means.

use oneiric_core::{Fault, Payload, Timestamp};
use serde_json::Value;

use crate::Limits;
use crate::http::Response;

/// How many bytes of a body that is no result its fault shows.
const SHOWN_BYTES: usize = 200;

/// How many characters of what a problem says go into the message.
const SAID_CHARS: usize = 500;

/// The result in an answer.
///
/// # Errors
/// `output-too-large` and `bad-output` (permanent), those of [`success`], and that of the exchange.
pub(super) fn judge(
    answer: Result<Response, Fault>,
    name: &str,
    limits: Limits,
    now: Timestamp,
) -> Result<Payload, Fault> {
    let answer = answer.map_err(|fault| match fault.code.as_str() {
        // One word for one thing, whichever way an output comes.
        "response-too-large" => {
            let most = limits.stdout_bytes;
            Fault::permanent("output-too-large", format!("`{name}` answered with more than {most} bytes"))
        }
        _ => fault,
    })?;
    let answer = success(answer, name, now)?;
    if answer.status == 204 || answer.body.trim_ascii().is_empty() {
        return Ok(Payload::NULL);
    }
    serde_json::from_slice::<Value>(&answer.body).map(Payload::from).map_err(|error| {
        let start = String::from_utf8_lossy(&answer.body[..answer.body.len().min(SHOWN_BYTES)]);
        let message = format!("`{name}` answered with what is not JSON ({error}); it begins {start:?}");
        Fault::permanent("bad-output", message)
    })
}

/// The answer, where its status is 2xx.
///
/// # Errors
/// The fault `http-STATUS`.
pub(super) fn success(answer: Response, name: &str, now: Timestamp) -> Result<Response, Fault> {
    let said = problem(&answer);
    let answer = answer.success(now).map_err(|fault| match said {
        Some(said) => {
            let status = fault.code.trim_start_matches("http-");
            Fault { message: format!("`{name}` answered {status}: {said}"), ..fault }
        }
        None => fault,
    })?;
    if answer.is_success() {
        return Ok(answer);
    }
    let status = answer.status;
    let way_out = match answer.header("location") {
        Some(place) => format!("; name the place that it redirects to: {place}"),
        None => String::new(),
    };
    Err(Fault::permanent(format!("http-{status}"), format!("`{name}` answered {status}{way_out}")))
}

/// What a problem says for people (RFC 9457), and what most servers write instead.
fn problem(answer: &Response) -> Option<String> {
    let kind = answer.header("content-type")?.split(';').next()?.trim().to_ascii_lowercase();
    if kind != "application/json" && !kind.ends_with("+json") {
        return None;
    }
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let text = |key: &str| body.get(key)?.as_str().filter(|text| !text.trim().is_empty());
    let said = match (text("title"), text("detail")) {
        (Some(title), Some(detail)) => format!("{title}: {detail}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => text("message").or_else(|| text("error"))?.to_owned(),
    };
    Some(said.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SAID_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use oneiric_core::Class;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, kind: &str, body: &str) -> Result<Value, Fault> {
        let headers = vec![
            ("content-type".to_owned(), kind.to_owned()),
            ("retry-after".to_owned(), "3".to_owned()),
            ("location".to_owned(), "/there".to_owned()),
        ];
        let response = Response { status, url: "http://h/p?q".to_owned(), headers, body: body.into() };
        judge(Ok(response), "http://h/p", Limits::STANDARD, Timestamp::from_micros(0)).map(Value::from)
    }

    #[test]
    fn json_or_nothing_is_a_result() {
        for (status, body, expected) in
            [(200, "{\"a\": 1}", json!({"a": 1})), (202, " \n", json!(null)), (204, "junk", json!(null))]
        {
            assert_eq!(answer(status, "text/plain", body), Ok(expected), "{status} {body}");
        }
        let fault = answer(200, "text/html", "<html>").unwrap_err();
        assert_eq!((fault.class, fault.code.as_str()), (Class::Permanent, "bad-output"));
        assert!(fault.message.ends_with("it begins \"<html>\""), "{fault}");
    }

    #[test]
    fn a_status_is_a_fault_with_what_the_other_side_says() {
        let check = |status: u16, kind: &str, body: &str, class: Class, message: &str| {
            let fault = answer(status, kind, body).unwrap_err();
            assert_eq!((fault.class, fault.code), (class, format!("http-{status}")));
            assert_eq!(fault.message, message);
        };
        let problem = "application/problem+json; charset=utf-8";
        check(
            422,
            problem,
            r#"{"title": "No funds", "detail": "7 of\n 9"}"#,
            Class::Permanent,
            "`http://h/p` answered 422: No funds: 7 of 9",
        );
        check(409, problem, r#"{"title": "Twice"}"#, Class::Permanent, "`http://h/p` answered 409: Twice");
        check(
            403,
            "application/json",
            r#"{"error": "who?"}"#,
            Class::Denied,
            "`http://h/p` answered 403: who?",
        );
        check(500, "text/plain", "oh  no", Class::Transient, "`http://h/p` answered 500: oh no");
        check(503, problem, "{", Class::Transient, "`http://h/p` answered 503: {");
        check(
            307,
            "text/plain",
            "",
            Class::Permanent,
            "`http://h/p` answered 307; name the place that it redirects to: /there",
        );
        assert_eq!(answer(429, "text/plain", "").unwrap_err().retry_after_ms, Some(3000));
        assert_eq!(answer(400, "text/plain", "").unwrap_err().retry_after_ms, None);
    }
}
