//! What every event says of itself: upstream's headers.

use oneiric_core::Timestamp;
use oneiric_core::roles::{Envelope, EventId};
use serde_json::Value;

/// The version of the envelope's shape that upstream writes into every event.
pub const VERSION: &str = "1.0.0";

/// Fills in what an event does not say: `event_id`, `source`, `version` and `timestamp`. Returns its id.
///
/// `chance` is 80 random bits. What the emitter said stays; an id that is none is replaced, so that
/// [`Envelope::check`] belongs in front of this.
pub fn stamp(envelope: &mut Envelope, source: &str, now: Timestamp, chance: [u8; 10]) -> EventId {
    let id = envelope.event_id().unwrap_or_else(|| fresh(now, chance));
    let headers = &mut envelope.headers;
    headers.insert("event_id".to_owned(), id.as_str().into());
    let mut say = |name: &str, value: Value| {
        headers.entry(name).or_insert(value);
    };
    say("source", source.into());
    say("version", VERSION.into());
    say("timestamp", rfc3339(now).into());
    id
}

/// A UUID of version 7: ids sort by age.
fn fresh(now: Timestamp, chance: [u8; 10]) -> EventId {
    let millis = u64::try_from(now.as_micros() / 1000).unwrap_or(0);
    let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &chance).into_uuid();
    EventId::new(uuid.hyphenated().to_string()).expect("a UUID is a word")
}

/// As the headers of events have it: `2025-11-21T10:24:12.123456Z`.
pub fn rfc3339(at: Timestamp) -> String {
    match jiff::Timestamp::from_microsecond(at.as_micros()) {
        Ok(at) => format!("{at:.6}"),
        // Beyond the year 9999: there is no way to write it, and no clock that shows it.
        Err(_) => at.as_micros().to_string(),
    }
}

/// A time that somebody wrote as RFC 3339, in any zone; `None` for what is none.
pub fn from_rfc3339(text: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_micros(at.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_emitter_said_stays() {
        let now = Timestamp::from_micros(1_763_719_852_123_456);
        let mut plain = Envelope::new("t".parse().unwrap(), json!({}));
        let id = stamp(&mut plain, "shop", now, [7; 10]);
        assert_eq!(
            json!(plain.headers),
            json!({
                "event_id": id.as_str(), "source": "shop", "version": "1.0.0",
                "timestamp": "2025-11-21T10:10:52.123456Z",
            })
        );
        assert_eq!(id.as_str(), "019aa5e5-305b-7707-8707-070707070707");
        let mut said = Envelope::new("t".parse().unwrap(), json!({}))
            .with_header("event_id", "e-1")
            .with_header("source", "elsewhere");
        assert_eq!(stamp(&mut said, "shop", now, [7; 10]).as_str(), "e-1");
        assert_eq!(said.source(), Some("elsewhere"));
    }

    #[test]
    fn a_time_is_read_as_it_is_written() {
        let at = Timestamp::from_micros(1_700_000_000_123_456);
        assert_eq!(from_rfc3339(&rfc3339(at)), Some(at));
        assert_eq!(from_rfc3339("2023-11-14T23:13:20.123456+01:00"), Some(at));
        assert_eq!(from_rfc3339("yesterday"), None);
    }
}
