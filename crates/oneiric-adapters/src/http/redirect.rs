//! Where a redirect leads, and what of the request goes along (RFC 9110 §15.4, Fetch §4.4).

use url::Url;

use super::message::Request;

/// Headers that are for one server only.
const CONFIDENTIAL: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "x-hook-secret"];
/// Headers that speak of a body.
const OF_BODY: [&str; 4] = ["content-length", "content-type", "content-encoding", "transfer-encoding"];

/// Whether the status asks to go elsewhere.
pub(super) const fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Turns `request` into the one that follows it to `location`. Credentials stay with the server that
/// they were meant for; a body goes along with 307 and 308 only, unless the method stays.
///
/// # Errors
/// What is wrong with the location.
pub(super) fn follow(request: &mut Request, from: &Url, status: u16, location: &str) -> Result<Url, String> {
    let mut to = from.join(location).map_err(|error| format!("leads to `{location}`: {error}"))?;
    if to.fragment().is_none() {
        to.set_fragment(from.fragment());
    }
    if from.origin() != to.origin() {
        request.headers.retain(|(name, _)| !is_one_of(name, &CONFIDENTIAL));
    }
    let method = request.method.as_str();
    let becomes_get = match status {
        303 => method != "HEAD",
        301 | 302 => method == "POST",
        _ => false,
    };
    if becomes_get && method != "GET" {
        "GET".clone_into(&mut request.method);
        request.body.clear();
        request.headers.retain(|(name, _)| !is_one_of(name, &OF_BODY));
    }
    Ok(to)
}

fn is_one_of(name: &str, list: &[&str]) -> bool {
    list.iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_takes_along_what_belongs_to_its_target() {
        let check = |method: &str, status, location: &str, expected: (&str, &str, &str, usize)| {
            let mut request = Request::new(method, "")
                .header("Authorization", "Bearer x")
                .header("Content-Type", "text/plain")
                .header("Accept", "*/*")
                .body("body");
            let from = Url::parse("https://a.example/x/y?z").unwrap();
            let to = follow(&mut request, &from, status, location).unwrap();
            let names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
            let found = (to.as_str(), request.method.as_str(), &*names.join(" "), request.body.len());
            assert_eq!(found, expected, "{method} {status} {location}");
        };
        let all = "Authorization Content-Type Accept";
        check("POST", 307, "/n", ("https://a.example/n", "POST", all, 4));
        check("POST", 308, "n", ("https://a.example/x/n", "POST", all, 4));
        check("POST", 302, "n", ("https://a.example/x/n", "GET", "Authorization Accept", 0));
        check("PUT", 301, "n", ("https://a.example/x/n", "PUT", all, 4));
        check("PUT", 303, "n", ("https://a.example/x/n", "GET", "Authorization Accept", 0));
        check("HEAD", 303, "n", ("https://a.example/x/n", "HEAD", all, 4));
        check("GET", 302, "//b.example/", ("https://b.example/", "GET", "Content-Type Accept", 4));
        check("GET", 302, "http://a.example/", ("http://a.example/", "GET", "Content-Type Accept", 4));
        check(
            "GET",
            302,
            "https://a.example:444/",
            ("https://a.example:444/", "GET", "Content-Type Accept", 4),
        );
        let from = Url::parse("https://a.example/").unwrap();
        assert!(follow(&mut Request::new("GET", ""), &from, 302, "http://[").is_err());
    }
}
