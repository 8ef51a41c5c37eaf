//! Queries, forms and paths as upstream's client writes them.

use serde_json::{Map, Value};
use url::Url;

use crate::actions::python::text;

/// The URL with these parameters instead of its own; with none of them, without a query.
pub(super) fn replaced(url: &str, params: &Map<String, Value>) -> String {
    let (rest, fragment) = match url.split_once('#') {
        Some((rest, fragment)) => (rest, format!("#{fragment}")),
        None => (url, String::new()),
    };
    let base = rest.split_once('?').map_or(rest, |(base, _)| base);
    let query = form(params);
    if query.is_empty() { format!("{base}{fragment}") } else { format!("{base}?{query}{fragment}") }
}

/// `a=1&b=x+y`: a list is a parameter that comes more than once.
pub(super) fn form(params: &Map<String, Value>) -> String {
    let mut into = String::new();
    let mut append = |name: &str, value: &Value| {
        if !into.is_empty() {
            into.push('&');
        }
        quoted(name, &mut into);
        into.push('=');
        quoted(&primitive(value), &mut into);
    };
    for (name, value) in params {
        match value {
            Value::Array(items) => items.iter().for_each(|item| append(name, item)),
            one => append(name, one),
        }
    }
    into
}

/// Python's `quote_plus`: letters, digits and `_.-~` stay, a blank is a plus.
fn quoted(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                into.push(char::from(byte))
            }
            b' ' => into.push('+'),
            _ => into.push_str(&format!("%{byte:02X}")),
        }
    }
}

fn primitive(value: &Value) -> String {
    match value {
        Value::Bool(truth) => truth.to_string(),
        Value::Null => String::new(),
        other => text::str(other),
    }
}

/// A path below a base, as a link on a page in that folder.
pub(super) fn joined(base: &str, path: &str) -> Option<String> {
    let base = Url::parse(&format!("{}/", base.trim_end_matches('/'))).ok()?;
    let joined = base.join(path.trim_start_matches('/')).ok()?;
    // `//evil.example` and `http://evil.example` are no paths.
    (joined.origin() == base.origin()).then(|| joined.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_query_is_written_as_upstreams_client_does() {
        let check = |url: &str, params: Value, expected: &str| {
            assert_eq!(replaced(url, params.as_object().unwrap()), expected);
        };
        check(
            "http://a/?old=1#f",
            json!({"b": [1, true], "c": null, "d": "x y&ä"}),
            "http://a/?b=1&b=true&c=&d=x+y%26%C3%A4#f",
        );
        check("http://a/p", json!({"f": 1.0}), "http://a/p?f=1.0");
        check("http://a/p?old=1", json!({}), "http://a/p");
    }

    #[test]
    fn a_path_stays_with_its_base() {
        let check = |base: &str, path: &str, expected: Option<&str>| {
            assert_eq!(joined(base, path).as_deref(), expected, "{base} {path}");
        };
        check("https://a.example", "/v1/x?y=1", Some("https://a.example/v1/x?y=1"));
        check("https://a.example/api/", "v1", Some("https://a.example/api/v1"));
        check("https://a.example/api", "../v1", Some("https://a.example/v1"));
        check("https://a.example", "http://evil.example/", None);
    }
}
