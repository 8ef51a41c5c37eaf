//! By what a process is known to belong to a service: a variable that it inherits, whatever session it makes for
//! itself.
//!
//! Shape: `ONEIRIC_SERVICE_ID=PLACE.NAMESPACE-PID-START.COUNT.KEY`. The place is a digest of the state folder; the
//! three numbers are the orchestrator, which no other process ever has on this machine: the inode of its namespace
//! of processes, its number there, and when it started; the count tells the starts of one orchestrator apart.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use oneiric_core::{Digest, Key};

use super::stat::Stat;

/// The variable.
pub(crate) const VARIABLE: &str = "ONEIRIC_SERVICE_ID";

/// How much of the digest of a state folder stands in an id: enough for the folders of one machine.
const PLACE_DIGITS: usize = 16;

/// The place of an orchestrator without a state folder.
const NOWHERE: &str = "-";

/// Counts the starts of services in this process.
static STARTS: AtomicU64 = AtomicU64::new(0);

/// A process that starts services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The inode of its namespace of processes; 0 where that cannot be seen.
    namespace: u64,
    pid: i32,
    /// In clock ticks since the machine started.
    started: u64,
}

impl Owner {
    /// This process.
    pub(crate) fn this() -> Self {
        let pid = i32::try_from(std::process::id()).unwrap_or(0);
        Self { namespace: namespace(), pid, started: Stat::of(pid).map_or(0, |stat| stat.started) }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let owner = Self {
            namespace: parts.next()?.parse().ok()?,
            pid: parts.next()?.parse().ok()?,
            started: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(owner)
    }

    /// Whether it is known to have ended. Of a process in another namespace nothing is known: its number here is that
    /// of another one, or of none, and its services are that container's.
    pub(crate) fn is_dead(&self, namespace: u64, look: impl Fn(i32) -> Option<Stat>) -> bool {
        let lives = |stat: Stat| stat.started == self.started && !stat.has_ended();
        self.namespace == namespace && namespace != 0 && !look(self.pid).is_some_and(lives)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.namespace, self.pid, self.started)
    }
}

/// The namespace of processes that this one is in; 0 where that cannot be seen.
pub(crate) fn namespace() -> u64 {
    let link = fs::read_link("/proc/self/ns/pid").ok();
    let text = link.as_deref().and_then(Path::to_str);
    text.and_then(|text| text.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()).unwrap_or(0)
}

/// The place of a state folder.
pub(crate) fn place(state_dir: Option<&Path>) -> String {
    match state_dir {
        None => NOWHERE.to_owned(),
        Some(folder) => {
            let digest = Digest::of(folder.as_os_str().as_encoded_bytes()).to_string();
            digest.chars().take(PLACE_DIGITS).collect()
        }
    }
}

/// One start of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceId {
    owner: Owner,
    count: u64,
    text: String,
}

impl ServiceId {
    /// The id of a start that begins now.
    pub(crate) fn next(place: &str, owner: Owner, key: &Key) -> Self {
        let count = STARTS.fetch_add(1, Ordering::Relaxed);
        Self { owner, count, text: format!("{place}.{owner}.{count}.{key}") }
    }

    /// The value of the variable.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// A short name for the start that no other one has at the same time.
    pub(crate) fn short(&self) -> String {
        format!("{}-{}", self.owner, self.count)
    }
}

/// The owner of a process that has this value of the variable, where it belongs to `place`.
pub(crate) fn owner_in(place: &str, value: &str) -> Option<Owner> {
    let rest = value.strip_prefix(place)?.strip_prefix('.')?;
    Owner::parse(rest.split('.').next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_place_and_its_owner() {
        let owner = Owner { namespace: 7, pid: 4711, started: 99 };
        let key = Key::new("shop.gateway").unwrap();
        let (home, other) = (place(Some(Path::new("/srv/a"))), place(Some(Path::new("/srv/b"))));
        let id = ServiceId::next(&home, owner, &key);
        assert!(home.len() == PLACE_DIGITS && home != other, "{home} {other}");
        assert_eq!(owner_in(&home, id.as_str()), Some(owner));
        assert_eq!(owner_in(&other, id.as_str()), None);
        assert_ne!(id.as_str(), ServiceId::next(&home, owner, &key).as_str());
        for wrong in ["", ".", "7-4711.1.k", "7-4711-x.1.k", "7-4711-99-1.1.k"] {
            assert_eq!(owner_in(&home, &format!("{home}.{wrong}")), None, "{wrong}");
        }
    }

    #[test]
    fn an_owner_is_dead_where_its_number_is_free_or_somebody_elses() {
        let stat = |state, started| Stat {
            pid: 4711,
            state,
            parent: 1,
            group: 1,
            ticks: 0,
            threads: 1,
            started,
            pages: 1,
        };
        let owner = Owner { namespace: 7, pid: 4711, started: 99 };
        let check = |namespace, found: Option<Stat>, expected: bool| {
            assert_eq!(owner.is_dead(namespace, |_| found), expected, "{namespace} {found:?}");
        };
        check(7, Some(stat('S', 99)), false);
        check(7, Some(stat('Z', 99)), true);
        check(7, Some(stat('S', 100)), true);
        check(7, None, true);
        check(8, None, false);
        let unseen = Owner { namespace: 0, ..owner };
        assert!(!unseen.is_dead(0, |_| None), "without /proc nothing is known");
    }

    #[test]
    fn this_process_lives() {
        let me = Owner::this();
        assert!(!me.is_dead(namespace(), Stat::of));
        assert_eq!(Owner::parse(&me.to_string()), Some(me));
    }
}
