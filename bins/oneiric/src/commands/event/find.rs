//! Which event or handler is meant: ids are long, and handlers are known by their keys.

use std::collections::BTreeSet;

use oneiric_core::nearest::nearest;
use oneiric_core::roles::EventId;
use oneiric_runtime::{Error, logged_handlers};
use oneiric_store::{DeliveryStatus, EnvelopeFilter, EnvelopeRecord, Order, Store};

use crate::exit::Code;
use crate::failure::Failure;
use crate::wait::wait;

/// The fewest characters that name an event whose id is longer.
const FEWEST: usize = 4;

/// The most events that are looked at for a part of an id, from the newest on.
const SCANNED: usize = 10_000;

/// Events that are read at a time.
const PAGE: usize = 100;

/// The most ids that are named where several are meant.
const NAMED: usize = 3;

/// Ids that a misspelt one is compared with.
const COMPARED: usize = 1000;

/// The event that is meant: its id, the beginning or the end of it, `#` and its place in the log, or `latest`.
pub(super) fn event(store: Option<&dyn Store>, text: &str) -> Result<EnvelopeRecord, Failure> {
    let none = || {
        Failure::said(Code::Resolution, "there is no event yet")
            .help("`oneiric event emit TOPIC` makes one; `--state-dir` names another state folder")
    };
    let store = store.ok_or_else(none)?;
    if text == "latest" {
        return wait(store.envelopes(EnvelopeFilter::all(Order::Newest, 1)))?.pop().ok_or_else(none);
    }
    if let Some(place) = text.strip_prefix('#') {
        return at(store, text, place);
    }
    if let Ok(id) = text.parse::<EventId>()
        && let Some(event) = wait(store.envelope(&id))?
    {
        return Ok(event);
    }
    let (mut found, mut ids, mut before) = (Vec::new(), Vec::new(), None);
    for _ in 0..SCANNED / PAGE {
        let page = EnvelopeFilter { before, ..EnvelopeFilter::all(Order::Newest, PAGE) };
        let page = wait(store.envelopes(page))?;
        let Some(last) = page.last() else { break };
        before = Some(last.n);
        for event in page {
            let id = event.id.as_str();
            if ids.len() < COMPARED {
                ids.push(id.to_owned());
            }
            if text.len() >= FEWEST && (id.starts_with(text) || id.ends_with(text)) {
                found.push(event);
            }
        }
        if found.len() >= NAMED {
            break;
        }
    }
    match found.len() {
        0 => Err(unknown(text, ids.iter().map(String::as_str))),
        1 => Ok(found.swap_remove(0)),
        _ => {
            let ids: Vec<_> = found.iter().take(NAMED).map(|event| event.id.as_str()).collect();
            let message = format!("`{text}` is the beginning or the end of several events");
            Err(Failure::said(Code::Resolution, message).help(format!("write more of {}", ids.join(", "))))
        }
    }
}

fn at(store: &dyn Store, text: &str, place: &str) -> Result<EnvelopeRecord, Failure> {
    let wrong = |message: String| {
        Failure::said(Code::Resolution, message).help("`oneiric event list` shows the places of events")
    };
    let place: u64 = place.parse().map_err(|_| wrong(format!("`{text}` is no place in the log")))?;
    let only = EnvelopeFilter {
        after: place.checked_sub(1),
        before: place.checked_add(1),
        ..EnvelopeFilter::all(Order::Newest, 1)
    };
    wait(store.envelopes(only))?.pop().ok_or_else(|| wrong(format!("there is no event at place {place}")))
}

fn unknown<'a>(text: &str, ids: impl Iterator<Item = &'a str>) -> Failure {
    match nearest(text, ids) {
        Some(near) => {
            let message = format!("event `{text}` is unknown (did you mean `{near}`?)");
            Failure::said(Code::Resolution, message)
                .help("`oneiric event list` shows the events of this state folder")
        }
        None => Error::UnknownEvent(format!("`{text}`")).into(),
    }
}

/// The ids of events that are named in any of these ways, each once.
pub(super) fn ids(store: Option<&dyn Store>, texts: &[String]) -> Result<Vec<EventId>, Failure> {
    let mut found: Vec<EventId> = Vec::new();
    for text in texts {
        let id = event(store, text)?.id;
        if !found.contains(&id) {
            found.push(id);
        }
    }
    Ok(found)
}

/// The names of the handlers with deliveries that are meant by a key or a name. Old ones are not looked for:
/// what is written in full stands for itself.
pub(super) fn handlers(
    store: &dyn Store,
    text: &str,
    statuses: &[DeliveryStatus],
) -> Result<BTreeSet<String>, Failure> {
    let known = wait(logged_handlers(store, statuses.to_vec()))?;
    let is_meant = |name: &&String| {
        name.as_str() == text || name.strip_prefix(text).is_some_and(|rest| rest.starts_with(':'))
    };
    let found: BTreeSet<String> = known.iter().filter(is_meant).cloned().collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let keys = known.iter().filter_map(|name| name.split(':').next());
    let all = known.iter().map(String::as_str).chain(keys);
    match nearest(text, all) {
        Some(near) => {
            let message = format!("no delivery is for the handler `{text}` (did you mean `{near}`?)");
            Err(Failure::said(Code::Resolution, message).help("`oneiric event list` shows who got what"))
        }
        None => Ok(BTreeSet::from([text.to_owned()])),
    }
}

/// The one handler that is meant.
pub(super) fn handler(store: &dyn Store, text: &str, statuses: &[DeliveryStatus]) -> Result<String, Failure> {
    let mut found = handlers(store, text, statuses)?;
    match (found.pop_first(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (first, _) => {
            let names: Vec<String> = first.into_iter().chain(found).collect();
            let message = format!("`{text}` is the key of several handlers");
            Err(Failure::said(Code::Resolution, message).help(format!("write one of {}", names.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use oneiric_core::roles::Envelope;
    use oneiric_core::{Payload, Timestamp};
    use oneiric_store::{Batch, MemoryStore, Op};

    use super::*;

    fn store(ids: &[&str]) -> MemoryStore {
        let store = MemoryStore::new();
        for id in ids {
            let envelope = Envelope::new("t".parse().unwrap(), Payload::NULL);
            let record = EnvelopeRecord::new(id.parse().unwrap(), envelope, Timestamp::from_micros(0));
            wait(store.commit(Batch::of([Op::PutEnvelope(Box::new(record))]))).unwrap();
        }
        store
    }

    #[test]
    fn an_event_is_found_by_any_name_of_it() {
        let store = store(&["order-7", "order-77", "refund-1"]);
        let check = |text: &str, expected: Result<&str, &str>| {
            let found = event(Some(&store), text).map(|event| event.id.to_string());
            let found = found.map_err(|failure| failure.to_string());
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        };
        check("order-7", Ok("order-7"));
        check("refu", Ok("refund-1"));
        check("nd-1", Ok("refund-1"));
        check("latest", Ok("refund-1"));
        check("#2", Ok("order-77"));
        check("#9", Err("there is no event at place 9"));
        check("#x", Err("`#x` is no place in the log"));
        check("order", Err("`order` is the beginning or the end of several events"));
        check("odrer-77", Err("event `odrer-77` is unknown (did you mean `order-77`?)"));
        check("d-1", Err("event `d-1` is unknown"));
        assert_eq!(event(None, "latest").unwrap_err().to_string(), "there is no event yet");
    }
}
