//! Where a request comes from: what runs and logs are told of it.

use axum::http::HeaderMap;
use oneiric_core::Rng;

use crate::actor::Actor;

/// The header of request ids.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// The header of traces: <https://www.w3.org/TR/trace-context/>.
pub(crate) const TRACEPARENT: &str = "traceparent";

/// The longest request id that is taken over, in bytes.
const LONGEST_ID: usize = 128;

/// Where a request comes from. Handlers get it as `Extension<Origin>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The client's `x-request-id`, or one made here; the answer carries it. At most 128 visible characters.
    pub request_id: String,
    /// The trace that it belongs to, with a span id of its own: `00-<trace>-<span>-<flags>`. What it causes names it.
    pub traceparent: String,
    /// Who asks.
    pub actor: Actor,
}

impl Origin {
    /// From what the client says of itself, as far as that is sane. Nobody has been asked for a token yet.
    pub(crate) fn of(headers: &HeaderMap, rng: &dyn Rng) -> Self {
        let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let request_id = said(REQUEST_ID).filter(|id| is_sane(id)).map_or_else(|| hex(rng, 2), str::to_owned);
        let (trace, flags) = match said(TRACEPARENT).and_then(trace_of) {
            Some((trace, flags)) => (trace.to_owned(), flags.to_owned()),
            None => (hex(rng, 2), "00".to_owned()),
        };
        let traceparent = format!("00-{trace}-{}-{flags}", hex(rng, 1));
        Self { request_id, traceparent, actor: Actor::Anyone }
    }
}

fn is_sane(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Trace and flags of a `traceparent`. Later versions may add fields at the end; `ff` is none.
fn trace_of(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.splitn(5, '-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hexadecimal = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let some = |part: &str, digits| hexadecimal(part, digits) && part.bytes().any(|byte| byte != b'0');
    let whole = hexadecimal(version, 2) && version != "ff" && hexadecimal(flags, 2);
    let ends = version != "00" || parts.next().is_none();
    (whole && ends && some(trace, 32) && some(span, 16)).then_some((trace, flags))
}

/// So many times 64 random bits; never all zero, which would be no id.
fn hex(rng: &dyn Rng, words: usize) -> String {
    (0..words).map(|_| format!("{:016x}", rng.next_u64().max(1))).collect()
}

#[cfg(test)]
mod tests {
    use oneiric_core::rng::SeededRng;

    use super::*;

    #[test]
    fn a_sane_request_id_is_taken_over_and_another_is_replaced() {
        let check = |given: Option<&str>, taken: bool| {
            let mut headers = HeaderMap::new();
            if let Some(given) = given {
                headers.insert(REQUEST_ID, given.parse().unwrap());
            }
            let found = Origin::of(&headers, &SeededRng::new(1)).request_id;
            assert_eq!(given == Some(found.as_str()), taken, "{given:?}");
            assert!(is_sane(&found));
        };
        check(None, false);
        check(Some("req-1"), true);
        check(Some(&"x".repeat(128)), true);
        check(Some(&"x".repeat(129)), false);
        check(Some("a b"), false);
        check(Some(""), false);
    }

    #[test]
    fn a_trace_goes_on_with_a_span_of_its_own() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let told = |given: &str| {
            let headers = HeaderMap::from_iter([(TRACEPARENT.parse().unwrap(), given.parse().unwrap())]);
            Origin::of(&headers, &SeededRng::new(1)).traceparent
        };
        let found = told(good);
        assert!(
            found.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && found.ends_with("-01"),
            "{found}"
        );
        assert!(!found.contains("b7ad6b7169203331"), "{found}");
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        ] {
            let found = told(bad);
            assert!(
                !found.contains("0af7651916cd43dd8448eb211c80319c") && found.ends_with("-00"),
                "{bad}: {found}"
            );
            assert!(trace_of(&found).is_some(), "{found}");
        }
        assert!(told(&good.replace("00-0", "01-0")).contains("0af7651916cd43dd8448eb211c80319c"));
    }
}
