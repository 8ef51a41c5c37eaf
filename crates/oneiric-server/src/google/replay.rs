//! Which callbacks were carried out already, so that whoever caught one cannot have it carried out again.
//!
//! A callback is the token, the address and the body together. It is remembered for as long as its token counts.
//! One that was not carried out is forgotten, so that the platform may bring it again with the same token.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oneiric_core::Digest;

/// The most callbacks that are remembered, at 100 bytes each. Past that the one that would expire first is forgotten:
/// to refuse new ones would be worse, as what a callback starts is idempotent besides.
const MOST: usize = 65_536;

/// What was carried out, or is being carried out.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    known: HashSet<[u8; 32]>,
    /// By when they may be forgotten.
    until: BTreeSet<(i64, [u8; 32])>,
}

/// A callback that is carried out. Unless it is [`Once::done`], it is forgotten with this.
#[derive(Debug)]
pub(crate) struct Once {
    seen: Arc<Seen>,
    callback: (i64, [u8; 32]),
    done: bool,
}

impl Seen {
    /// `None` where this callback is known. `until` and `now` are in seconds.
    pub(crate) fn once(
        self: &Arc<Self>,
        token: Digest,
        at: &str,
        body: &[u8],
        until: i64,
        now: i64,
    ) -> Option<Once> {
        let mut whole = Vec::with_capacity(96);
        for part in [token, Digest::of(at.as_bytes()), Digest::of(body)] {
            whole.extend_from_slice(part.as_bytes());
        }
        let callback = (until, *Digest::of(&whole).as_bytes());
        let mut inner = self.inner();
        // The leeway of clocks is a minute; two are enough.
        while inner.until.first().is_some_and(|(until, _)| *until + 120 < now) || inner.until.len() >= MOST {
            let Some((_, oldest)) = inner.until.pop_first() else { break };
            inner.known.remove(&oldest);
        }
        if !inner.known.insert(callback.1) {
            return None;
        }
        inner.until.insert(callback);
        drop(inner);
        Some(Once { seen: Arc::clone(self), callback, done: false })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Once {
    /// It was carried out.
    pub(crate) fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Once {
    fn drop(&mut self) {
        if !self.done {
            let mut inner = self.seen.inner();
            inner.known.remove(&self.callback.1);
            inner.until.remove(&self.callback);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_is_carried_out_once_while_its_token_counts() {
        let seen = Arc::new(Seen::default());
        let ask = |token: &[u8], at, body: &[u8], now| seen.once(Digest::of(token), at, body, 1000, now);
        let first = ask(b"t", "/a", b"{}", 0).unwrap();
        assert!(ask(b"t", "/a", b"{}", 0).is_none(), "it is under way");
        drop(first);
        ask(b"t", "/a", b"{}", 0).unwrap().done();
        assert!(ask(b"t", "/a", b"{}", 999).is_none());
        for (token, at, body) in [(&b"u"[..], "/a", &b"{}"[..]), (b"t", "/b", b"{}"), (b"t", "/a", b"{ }")] {
            assert!(ask(token, at, body, 0).is_some());
        }
        assert!(ask(b"t", "/a", b"{}", 1121).is_some(), "the token does not count any more");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let seen = Arc::new(Seen::default());
        for n in 0..MOST as i64 + 10 {
            seen.once(Digest::of(b"t"), "/", &n.to_le_bytes(), 10 + n, 0).unwrap().done();
        }
        let inner = seen.inner();
        assert_eq!((inner.known.len(), inner.until.len()), (MOST, MOST));
    }
}
