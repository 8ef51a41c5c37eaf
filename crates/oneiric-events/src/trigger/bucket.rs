//! Windows as records of the store: a few of them in one, by the hash of their key.
//!
//! Values of a trigger's key come and go without end, and a record of the store leaves its row behind. So the
//! records of a trigger are [`BUCKETS`] at most, and each holds at most [`MAX_WINDOWS`] windows that matter. A
//! trigger has room for some ten thousand keys at a time before the first bucket is full; an event for which
//! there is no room starts no run, and whoever emits it is told.

use oneiric_core::{Digest, Key, RunId, Timestamp};
use serde::{Deserialize, Serialize};

use super::window::Window;

/// The family of the records.
pub const FAMILY: &str = "event-window";

/// How many records a trigger has at most.
pub const BUCKETS: u16 = 4096;

/// How many windows one record holds at most.
pub const MAX_WINDOWS: usize = 16;

/// The longest value of a key, in bytes.
pub const MAX_KEY_BYTES: usize = 256;

/// The version of [`Bucket`] that this release writes.
const SCHEMA: u16 = 1;

/// Some windows of a trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    schema: u16,
    /// Whose trigger: `key:provider`.
    pub handler: String,
    /// What it starts.
    pub workflow: Key,
    windows: Vec<Window>,
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// It is damaged.
    #[error("window record `{place}` cannot be read: {error}")]
    Malformed {
        /// Its key in the store.
        place: String,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// A later release wrote it.
    #[error("window record `{place}` is of version {found}, known is {SCHEMA}; use a newer oneiric")]
    Newer {
        /// Its key in the store.
        place: String,
        /// Its version.
        found: u16,
    },
}

/// The key in the store of the record that holds a window: `HANDLER>WORKFLOW#NTH/BUCKET`, where `nth` counts the
/// triggers of that handler for that workflow, from 0.
pub fn place(handler: &str, workflow: &Key, nth: usize, key: &str) -> String {
    let digest = Digest::of(key.as_bytes());
    let [high, low, ..] = *digest.as_bytes();
    let bucket = u16::from_be_bytes([high, low]) % BUCKETS;
    format!("{handler}>{workflow}#{nth}/{bucket:03x}")
}

impl Bucket {
    /// One without windows.
    pub fn new(handler: impl Into<String>, workflow: Key) -> Self {
        Self { schema: SCHEMA, handler: handler.into(), workflow, windows: Vec::new() }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`BucketError`]; then it must not be overwritten.
    pub fn read(place: &str, bytes: &[u8]) -> Result<Self, BucketError> {
        #[derive(Deserialize)]
        struct Version {
            schema: u16,
        }
        let wrong = |error| BucketError::Malformed { place: place.to_owned(), error };
        let Version { schema } = serde_json::from_slice(bytes).map_err(wrong)?;
        if schema > SCHEMA {
            return Err(BucketError::Newer { place: place.to_owned(), found: schema });
        }
        serde_json::from_slice(bytes).map_err(wrong)
    }

    /// The record; `None` where there is nothing to keep.
    pub fn write(&self) -> Option<Vec<u8>> {
        let bytes = || serde_json::to_vec(self).expect("windows are plain data");
        (!self.windows.is_empty()).then(bytes)
    }

    /// The windows in it, by key.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// The window of a key; a new one where there is none.
    pub fn window(&self, key: &str) -> Window {
        let known = self.windows.iter().find(|window| window.key == key);
        known.cloned().unwrap_or_else(|| Window::new(key))
    }

    /// Whether there is no room for a window of this key.
    pub fn is_full(&self, key: &str) -> bool {
        self.windows.len() >= MAX_WINDOWS && self.windows.iter().all(|window| window.key != key)
    }

    /// Sets a window.
    pub fn put(&mut self, window: Window) {
        match self.windows.binary_search_by(|other| other.key.cmp(&window.key)) {
            Ok(at) => self.windows[at] = window,
            Err(at) => self.windows.insert(at, window),
        }
    }

    /// Forgets windows that say nothing that matters any more.
    pub fn shed(&mut self, now: Timestamp, is_over: impl Fn(RunId) -> bool) {
        self.windows.retain(|window| !window.is_idle(now, &is_over));
    }

    /// When the first of them is due.
    pub fn due(&self) -> Option<Timestamp> {
        self.windows.iter().filter_map(Window::due).min()
    }
}

#[cfg(test)]
mod tests {
    use oneiric_core::Key;

    use super::*;

    fn key() -> Key {
        Key::new("shop.digest").unwrap()
    }

    fn counting(key: &str, until: i64) -> Window {
        Window { counts_until: Some(Timestamp::from_micros(until)), ..Window::new(key) }
    }

    #[test]
    fn a_record_of_a_later_release_is_refused() {
        let check = |text: &str, expected: &str| {
            let error = Bucket::read("h>w#0/001", text.as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
        };
        check(r#"{"schema":2}"#, "window record `h>w#0/001` is of version 2, known is 1");
        check("{", "window record `h>w#0/001` cannot be read: ");
    }

    #[test]
    fn what_is_written_is_read() {
        let mut bucket = Bucket::new("h:p", key());
        assert_eq!(bucket.write(), None);
        bucket.put(counting("b", 5));
        bucket.put(counting("a", 7));
        let read = Bucket::read("x", &bucket.write().unwrap()).unwrap();
        assert_eq!(read, bucket);
        assert_eq!(read.windows().iter().map(|window| &*window.key).collect::<Vec<_>>(), ["a", "b"]);
    }

    /// Files of this shape lie in stores out there.
    #[test]
    fn the_first_shape_is_read() {
        let text = include_str!("window-1.json");
        let bucket = Bucket::read("x", text.as_bytes()).unwrap();
        assert_eq!(bucket.due(), Some(Timestamp::from_micros(2_000_000)));
        assert_eq!(bucket.windows()[0].gathered.as_ref().unwrap().events, 2);
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&bucket.write().unwrap()).unwrap(), value);
    }

    #[test]
    fn a_full_record_has_room_once_a_window_is_idle() {
        let mut bucket = Bucket::new("h:p", key());
        (0..MAX_WINDOWS).for_each(|n| bucket.put(counting(&n.to_string(), n as i64 + 1)));
        assert!(bucket.is_full("x") && !bucket.is_full("3"));
        bucket.shed(Timestamp::from_micros(1), |_| false);
        assert!(!bucket.is_full("x"));
        assert_eq!(bucket.windows().len(), MAX_WINDOWS - 1);
    }

    #[test]
    fn places_of_a_trigger_are_bounded() {
        let places: std::collections::BTreeSet<_> =
            (0..50_000).map(|n| place("h:p", &key(), 0, &n.to_string())).collect();
        assert_eq!(places.len(), usize::from(BUCKETS));
        assert_eq!(place("h:p", &key(), 1, ""), "h:p>shop.digest#1/3b0".to_owned());
    }
}
