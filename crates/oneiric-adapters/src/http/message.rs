//! What is sent and what comes back, in words of our own.

use std::time::Duration;

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST`, ...
    pub method: String,
    /// Where to: `https://example.com/path?query`.
    pub url: String,
    /// Names and values, sent in this order; a name may come twice.
    pub headers: Vec<(String, String)>,
    /// The body; empty is none.
    pub body: Vec<u8>,
    /// Whether to send it twice is as good as once. Decides what a lost connection means: a transient
    /// fault, or an unknown outcome.
    pub idempotent: bool,
    /// How many redirects are followed; at most [`super::Limits::max_redirects`].
    pub max_redirects: u32,
    /// Where set, the answer is read up to so many bytes, and the rest is left unread; otherwise one that is longer than
    /// [`super::Limits::max_response_bytes`] is an error.
    pub first_bytes: Option<usize>,
    /// The longest time from the first look-up to the last byte, where it is shorter or longer than
    /// [`super::Limits::total`].
    pub timeout: Option<Duration>,
}

impl Request {
    /// A request without headers and body that follows no redirect. It counts as idempotent where its
    /// method does (RFC 9110 §9.2.2).
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        let method = method.into();
        let idempotent = matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE");
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            idempotent,
            max_redirects: 0,
            first_bytes: None,
            timeout: None,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// `200`, `404`, ...
    pub status: u16,
    /// Where it came from: differs from the request's after redirects.
    pub url: String,
    /// Names in lower case, in the order received. Bytes that are no UTF-8 are read as Latin-1.
    pub headers: Vec<(String, String)>,
    /// The body as it was sent; nothing is decompressed.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}
