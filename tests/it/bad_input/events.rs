//! Mistakes about events: topics, payloads, headers, ids, options and subscriptions.

use super::Case;

/// One handler.
const HANDLER: &str = "entries:
- {domain: event, key: shop.audit, provider: shop, factory: 'builtin:echo', event_topics: [order.paid]}
";

/// One that says something of its events that cannot be.
fn wrong(more: &str) -> String {
    format!(
        "entries:\n- {{domain: event, key: shop.audit, provider: shop, factory: 'builtin:echo', {more}}}\n"
    )
}

pub(super) fn cases() -> Vec<Case> {
    let case = |name: &'static str, arguments: &str, says: &[&'static str]| {
        Case::new(name, &format!("--manifest m.yaml event emit {arguments}"), 2, says)
            .given(|home| drop(home.file("m.yaml", HANDLER)))
    };
    let inspector = |name: &'static str, arguments: &str, says: &[&'static str]| {
        Case::new(name, &format!("--manifest m.yaml orchestrate {arguments}"), 2, says)
            .given(|home| drop(home.file("m.yaml", HANDLER)))
    };
    let subscription = |name: &'static str, more: &'static str, says: &[&'static str]| {
        Case::new(name, "--manifest m.yaml event emit order.paid", 2, says)
            .given(move |home| drop(home.file("m.yaml", &wrong(more))))
    };
    vec![
        case("no topic", "--payload {}", &["--topic", "required"]),
        case("two topics", "order.paid --topic order.sent", &["cannot be used with"]),
        case("a topic of nothing", "--topic=", &["the topic is empty"]),
        case("a topic with a bell", "--topic=a\u{7}b", &["control character"]),
        case("a payload that ends early", "order.paid --payload {", &["--payload:1:1", "'{\"order_id\""]),
        case("a payload that is a list", "order.paid --payload [1]", &["a list", "a JSON object"]),
        case("a payload in no file", "order.paid --payload @gone.json", &["gone.json", "--payload @"]),
        case("headers that are a number", "order.paid --headers 3", &["the headers are a number, they must"]),
        case("an id with a space", "order.paid --event-id a~b", &["white space", "--event-id"]),
        case("an id that is a number", "order.paid --headers {\"event_id\":7}", &["`event_id` is not text"]),
        case("an unknown priority", "order.paid --priority urgent", &["low, normal, high, critical"]),
        case("an unknown promise", "order.paid --delivery maybe", &["at-least-once, fire-and-forget"]),
        case("no time to live", "order.paid --expires-in 0", &["--expires-in", "more than 0"]),
        case("a timeout in words", "order.paid --timeout soon", &["--timeout", "a number of seconds"]),
        case("both left and waited for", "order.paid --detach --wait", &["--detach", "--wait"]),
        case(
            "left to others without being kept",
            "order.paid --detach --delivery fire-and-forget",
            &["`--detach`", "leave out one of the two"],
        ),
        inspector("a topic to serve", "--topic order.paid", &["--events"]),
        inspector("a payload of no topic", "--events --payload {}", &["--topic"]),
        inspector("half a payload", "--events --topic order.paid --payload {", &["--payload:1:1"]),
        inspector("an empty topic to look at", "--events --topic=", &["the topic is empty"]),
        inspector("the id of no event", "--events --topic a --headers {\"event_id\":7}", &["is not text"]),
        subscription(
            "a filter without a path",
            "event_filters: [{pth: tenant, equals: a}]",
            &["m.yaml", "path"],
        ),
        subscription("a condition that is no CEL", "event_when: 'payload. >'", &["event_when"]),
        subscription("a pattern that goes on", "event_topics: ['order.>.x']", &["`>` stands for the rest"]),
    ]
}
