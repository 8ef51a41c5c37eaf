//! From what happened to a request to the answer to "again or not?".

use oneiric_core::{Class, Fault, Timestamp};

use super::lookup::Refused;
use super::message::Response;
use super::retry_after;

/// How much of an error's body goes into the message: enough for a sentence, not for a page of HTML.
const EXCERPT: usize = 200;

impl Response {
    /// The response, where its status is below 400.
    ///
    /// # Errors
    /// The fault `http-STATUS`: denied for 401, 403 and 407; transient for 408, 425, 429 and 5xx, with
    /// the delay that `Retry-After` asks for, counted from `now`; permanent for every other.
    pub fn success(self, now: Timestamp) -> Result<Self, Fault> {
        if self.status < 400 {
            return Ok(self);
        }
        let class = match self.status {
            401 | 403 | 407 => Class::Denied,
            408 | 425 | 429 | 500.. => Class::Transient,
            _ => Class::Permanent,
        };
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(EXCERPT * 4)]);
        let excerpt: String =
            text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(EXCERPT).collect();
        let said = if excerpt.is_empty() { String::new() } else { format!(": {excerpt}") };
        let message = format!("`{}` answered {}{said}", without_query(&self.url), self.status);
        let fault = Fault::new(class, format!("http-{}", self.status), message);
        let asked = match self.status {
            408 | 425 | 429 | 500.. => self.header("retry-after"),
            _ => None,
        };
        Err(match asked.and_then(|value| retry_after::delay(value, now)) {
            Some(delay) => fault.retry_after(delay),
            None => fault,
        })
    }
}

/// A URL as it may stand in a message: queries and user names hold tokens.
pub(crate) fn without_query(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = &url[..end];
    match url.split_once("://").map(|(scheme, rest)| (scheme, rest, rest.find('/').unwrap_or(rest.len()))) {
        Some((scheme, rest, path)) => match rest[..path].rfind('@') {
            Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
            None => url.to_owned(),
        },
        None => url.to_owned(),
    }
}

/// The fault for a request that has no answer.
pub(super) fn of_error(error: &reqwest::Error, url: &str, idempotent: bool) -> Fault {
    let url = without_query(url);
    if let Some(Refused(fault)) = find(error) {
        return fault.clone();
    }
    let why = innermost(error);
    if error.is_builder() || error.is_request() && error.url().is_none() {
        return Fault::permanent("bad-request", format!("the request to `{url}` cannot be sent: {why}"));
    }
    if error.is_connect() {
        if error.is_timeout() {
            return Fault::transient("connect-timeout", format!("`{url}` could not be connected to in time"));
        }
        return match find::<rustls::Error>(error) {
            // A certificate does not become valid by asking again.
            Some(refused @ rustls::Error::InvalidCertificate(_)) => Fault::permanent(
                "certificate-refused",
                format!("`{url}`: {refused}; is a `ca_file` missing?"),
            ),
            _ => Fault::transient("connect-failed", format!("`{url}` could not be connected to: {why}")),
        };
    }
    lost("connection-lost", format!("the connection to `{url}` was lost: {why}"), idempotent)
}

/// The fault where a request may have been sent and no answer came.
pub(super) fn lost(code: &str, message: String, idempotent: bool) -> Fault {
    if idempotent {
        Fault::transient(code, message)
    } else {
        Fault::unknown_outcome(code, format!("{message}; whether the request took effect is not known"))
    }
}

/// The first error of that type on the way to the cause.
fn find<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // `source` of an I/O error skips the very error that it wraps.
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        Response {
            status,
            url: "https://ada:pw@api.example/v1/x?token=1".to_owned(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: body.into(),
        }
    }

    #[test]
    fn a_status_says_whether_trying_again_can_help() {
        let check = |status, expected| {
            let found = response(status, &[], "").success(Timestamp::default()).map_err(|fault| fault.class);
            assert_eq!(found.err(), expected, "{status}");
        };
        for good in [200, 204, 301, 304, 399] {
            check(good, None);
        }
        for bad in [400, 404, 405, 409, 410, 413, 422, 451] {
            check(bad, Some(Class::Permanent));
        }
        for no in [401, 403, 407] {
            check(no, Some(Class::Denied));
        }
        for later in [408, 425, 429, 500, 502, 503, 504, 599] {
            check(later, Some(Class::Transient));
        }
    }

    #[test]
    fn a_server_may_say_when_to_come_back() {
        let now = Timestamp::from_micros(784_111_777_000_000);
        let check = |status, value, expected| {
            let fault = response(status, &[("retry-after", value)], "").success(now).unwrap_err();
            assert_eq!(fault.retry_after_ms, expected, "{status} {value}");
        };
        check(429, "7", Some(7_000));
        check(503, "Sun, 06 Nov 1994 08:49:39 GMT", Some(2_000));
        check(503, "later", None);
        check(404, "7", None);
    }

    #[test]
    fn a_message_holds_a_sentence_of_the_body_and_no_token() {
        let fault = response(404, &[], "no\n  such   thing").success(Timestamp::default()).unwrap_err();
        assert_eq!(fault.message, "`https://api.example/v1/x` answered 404: no such thing");
        assert_eq!(fault.code, "http-404");
        let fault = response(500, &[], &"ä".repeat(100_000)).success(Timestamp::default()).unwrap_err();
        assert!(fault.message.chars().count() < 300);
    }
}
