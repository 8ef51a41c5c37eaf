//! From a payload to a request.

use std::time::Duration;

use oneiric_core::Fault;
use serde_json::{Map, Value};

use super::{FetchSettings, MAX_REDIRECTS, MAX_TIMEOUT, METHODS, query};
use crate::actions::payload::Fields;
use crate::actions::python::{json as python_json, number, text, truthy};
use crate::http::Request;

impl FetchSettings {
    /// The request that a payload asks for.
    ///
    /// # Errors
    /// Upstream's code for the field that is wrong.
    pub(super) fn request(&self, fields: Fields<'_>) -> Result<Request, Fault> {
        let method = fields
            .word("method", &self.default_method, &METHODS, "http-action-invalid-method")?
            .to_uppercase();
        let url = self.url(fields)?;
        let url = match object(fields, ["params", "query"], "http-action-params-invalid")? {
            Some(params) => query::replaced(&url, params),
            None => url,
        };
        let mut headers: Map<String, Value> = self.default_headers.clone();
        if let Some(more) = fields.object("headers", "http-action-headers-invalid")? {
            headers.extend(more.iter().map(|(name, value)| (name.clone(), text::str(value).into())));
        }
        let mut request = Request::new(method, url);
        request.idempotent |= headers.keys().any(|name| name.eq_ignore_ascii_case("idempotency-key"));
        request.headers = headers.iter().map(|(name, value)| (name.clone(), text::str(value))).collect();
        if let Some((kind, body)) = body(fields)? {
            let is_said = headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"));
            if let Some(kind) = kind.filter(|_| !is_said) {
                request = request.header("content-type", kind);
            }
            request = request.body(body);
        }
        if !headers.keys().any(|name| name.eq_ignore_ascii_case("accept")) {
            request = request.header("accept", "*/*");
        }
        let timeout = match fields.get("timeout") {
            None => self.timeout_seconds,
            Some(value) => number::float(value)
                .filter(|seconds| (0.0..=MAX_TIMEOUT).contains(seconds))
                .ok_or_else(|| {
                    let why = format!("is not a number of 0 to {MAX_TIMEOUT}");
                    fields.bad("http-action-timeout-invalid", "timeout", why)
                })?,
        };
        request.timeout = Some(Duration::from_secs_f64(timeout));
        let follows = fields.get("allow_redirects").map_or(self.allow_redirects, truthy);
        request.max_redirects = if follows { MAX_REDIRECTS } else { 0 };
        Ok(request)
    }

    fn url(&self, fields: Fields<'_>) -> Result<String, Fault> {
        let code = "http-action-url-required";
        if let Some(url) = fields.first(["url"]) {
            return Ok(text::str(url));
        }
        let path = fields.text("path", "", code)?;
        match &self.base_url {
            Some(base) if path.is_empty() => Ok(base.clone()),
            Some(base) => query::joined(base, path)
                .ok_or_else(|| fields.bad(code, "path", format!("does not go with `base_url` `{base}`"))),
            None => Err(fields.missing(code, "url")),
        }
    }
}

fn object<'a, const N: usize>(
    fields: Fields<'a>,
    names: [&'static str; N],
    code: &str,
) -> Result<Option<&'a Map<String, Value>>, Fault> {
    let said = names.into_iter().find(|name| fields.first([name]).is_some());
    // Python's `or` gives the last one where all are empty.
    let name = said.unwrap_or(names[N - 1]);
    fields.object(name, code)
}

/// A body, and what kind it is where that follows from how it was given.
type Body = (Option<&'static str>, Vec<u8>);

/// The body: `content` before `data` before `json`, as upstream's client has it.
fn body(fields: Fields<'_>) -> Result<Option<Body>, Fault> {
    let code = "http-action-body-invalid";
    if let Some(content) = fields.said("content") {
        let text = content.as_str().ok_or_else(|| fields.bad(code, "content", "is not a text"))?;
        return Ok(Some((None, text.as_bytes().to_vec())));
    }
    match fields.first(["data"]) {
        Some(Value::Object(form)) => {
            return Ok(Some((Some("application/x-www-form-urlencoded"), query::form(form).into_bytes())));
        }
        Some(Value::String(text)) => return Ok(Some((None, text.as_bytes().to_vec()))),
        Some(_) => return Err(fields.bad(code, "data", "is neither a form nor a text")),
        None => {}
    }
    Ok(fields.said("json").map(|value| {
        let style = python_json::Style { ascii: false, ..python_json::Style::COMPACT };
        (Some("application/json"), python_json::dumps(value, style).into_bytes())
    }))
}
