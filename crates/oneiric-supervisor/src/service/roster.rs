//! All services of a process, and the order in which they start.
//!
//! A plain function over what the entries say: dependencies first, then the lower `startup_order`, then the name.
//! Services of the same rank start together.

use std::collections::{BTreeMap, BTreeSet};

use oneiric_core::{Key, Provider};

use super::spec::Spec;

/// One service of a roster.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// What it is called.
    pub key: Key,
    /// Whose candidate it is.
    pub provider: Provider,
    /// What is said of it.
    pub spec: Spec,
}

/// Services that can start: every dependency is there, and none needs itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Roster {
    /// In the order of their start.
    members: Vec<Member>,
    /// How many of `members` each wave has.
    waves: Vec<usize>,
}

/// Why services cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// One needs another that is not there.
    #[error("service `{service}` depends on `{missing}`, which is not there{}", nearest.as_ref().map(|key| format!("; did you mean `{key}`?")).unwrap_or_default())]
    Unknown {
        /// Who needs it.
        service: Key,
        /// What it needs.
        missing: Key,
        /// What may have been meant.
        nearest: Option<Key>,
    },
    /// Some need each other.
    #[error("services depend on each other in a circle: {}", circle.iter().map(Key::as_str).collect::<Vec<_>>().join(" -> "))]
    Circle {
        /// The way round; the first one stands at the end again.
        circle: Vec<Key>,
    },
}

impl RosterError {
    /// The service at which the mistake stands.
    pub fn service(&self) -> &Key {
        match self {
            RosterError::Unknown { service, .. } => service,
            RosterError::Circle { circle } => &circle[0],
        }
    }
}

impl Roster {
    /// Puts services in order. Of two of one key the later one counts.
    ///
    /// # Errors
    /// [`RosterError`].
    pub fn new(members: impl IntoIterator<Item = Member>) -> Result<Self, RosterError> {
        let mut waiting: BTreeMap<Key, Member> =
            members.into_iter().map(|member| (member.key.clone(), member)).collect();
        for member in waiting.values() {
            if let Some(missing) = member.spec.dependencies.iter().find(|key| !waiting.contains_key(*key)) {
                let known = waiting.keys().filter(|key| **key != member.key).map(Key::as_str);
                let nearest = oneiric_core::nearest::nearest(missing.as_str(), known);
                return Err(RosterError::Unknown {
                    service: member.key.clone(),
                    missing: missing.clone(),
                    nearest: nearest.and_then(|name| name.parse().ok()),
                });
            }
        }
        let (mut roster, mut started) = (Self::default(), BTreeSet::new());
        while !waiting.is_empty() {
            let free = |member: &&Member| member.spec.dependencies.iter().all(|key| started.contains(key));
            let Some(order) = waiting.values().filter(free).map(|member| member.spec.startup_order).min()
            else {
                return Err(RosterError::Circle { circle: circle(&waiting) });
            };
            let wave: Vec<Key> = waiting
                .values()
                .filter(free)
                .filter(|member| member.spec.startup_order == order)
                .map(|member| member.key.clone())
                .collect();
            roster.waves.push(wave.len());
            roster.members.extend(wave.iter().filter_map(|key| waiting.remove(key)));
            started.extend(wave);
        }
        Ok(roster)
    }

    /// All of them, in the order of their start.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Those that start together, one wave after the other.
    pub fn waves(&self) -> impl Iterator<Item = &[Member]> {
        let mut rest = self.members.as_slice();
        self.waves.iter().map(move |count| {
            let (wave, behind) = rest.split_at(*count);
            rest = behind;
            wave
        })
    }

    /// One of them.
    pub fn get(&self, key: &Key) -> Option<&Member> {
        self.members.iter().find(|member| member.key == *key)
    }

    /// Those that need a service, directly or through others, in the order of their start.
    pub fn dependents(&self, key: &Key) -> Vec<&Member> {
        let mut needing = BTreeSet::from([key]);
        // One pass is enough: who needs something stands behind it.
        for member in &self.members {
            if member.spec.dependencies.iter().any(|needed| needing.contains(needed)) {
                needing.insert(&member.key);
            }
        }
        self.members.iter().filter(|member| member.key != *key && needing.contains(&member.key)).collect()
    }

    /// The chain of services, each of which needs the one before, whose start may take the longest: by the sum of
    /// their `start_timeout`. Of equal ones the first counts; nothing where there are no services.
    pub fn critical_chain(&self) -> Vec<&Member> {
        let mut chains: Vec<(f64, Option<usize>)> = Vec::with_capacity(self.members.len());
        for member in &self.members {
            // They stand before it.
            let needed = member.spec.dependencies.iter();
            let needed = needed.filter_map(|key| self.members.iter().position(|one| one.key == *key));
            let longest = needed.fold(None, |longest: Option<usize>, place| match longest {
                Some(other) if chains[other].0 >= chains[place].0 => Some(other),
                _ => Some(place),
            });
            let before = longest.map_or(0.0, |place| chains[place].0);
            chains.push((before + member.spec.start_timeout, longest));
        }
        let last = (0..chains.len()).fold(None, |last: Option<usize>, place| match last {
            Some(other) if chains[other].0 >= chains[place].0 => Some(other),
            _ => Some(place),
        });
        let mut chain: Vec<&Member> =
            std::iter::successors(last, |place| chains[*place].1).map(|place| &self.members[place]).collect();
        chain.reverse();
        chain
    }
}

/// A way round, among those that nobody can start. Each of them needs one of the others, so that following the first
/// of these comes to one that was seen.
fn circle(waiting: &BTreeMap<Key, Member>) -> Vec<Key> {
    let mut way: Vec<Key> = Vec::new();
    let mut next = waiting.keys().next().cloned();
    while let Some(key) = next {
        if let Some(first) = way.iter().position(|seen| *seen == key) {
            let mut circle = way.split_off(first);
            circle.push(key);
            return circle;
        }
        next = waiting[&key].spec.dependencies.iter().find(|needed| waiting.contains_key(*needed)).cloned();
        way.push(key);
    }
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, order: i32, needs: &[&str]) -> Member {
        let dependencies = needs.iter().map(|key| key.parse().unwrap()).collect();
        Member {
            key: name.parse().unwrap(),
            provider: "shop".parse().unwrap(),
            spec: Spec { startup_order: order, dependencies, ..Spec::default() },
        }
    }

    fn waves(members: &[(&str, i32, &[&str])]) -> Result<String, String> {
        let roster = Roster::new(members.iter().map(|(name, order, needs)| member(name, *order, needs)));
        let roster = roster.map_err(|error| error.to_string())?;
        let names = |wave: &[Member]| wave.iter().map(|m| m.key.to_string()).collect::<Vec<_>>().join(" ");
        Ok(roster.waves().map(names).collect::<Vec<_>>().join(" | "))
    }

    #[test]
    fn dependencies_go_before_numbers_and_numbers_before_names() {
        let check = |members: &[(&str, i32, &[&str])], expected: &str| {
            assert_eq!(waves(members).unwrap_or_else(|error| error), expected);
        };
        check(&[], "");
        check(&[("b", 0, &[]), ("a", 0, &[])], "a b");
        check(&[("b", 0, &[]), ("a", 1, &[])], "b | a");
        check(&[("a", 0, &["b"]), ("b", 9, &[]), ("c", 5, &[])], "c | b | a");
        check(
            &[("a", 0, &["gatewy"]), ("gateway", 0, &[])],
            "service `a` depends on `gatewy`, which is not there; did you mean `gateway`?",
        );
        check(&[("a", 0, &["a"])], "services depend on each other in a circle: a -> a");
        check(
            &[("z", 0, &["a"]), ("a", 0, &["b"]), ("b", 0, &["c"]), ("c", 0, &["b"])],
            "services depend on each other in a circle: b -> c -> b",
        );
    }

    #[test]
    fn the_orchestrator_that_this_one_replaces_starts_in_its_order() {
        let members: [(&str, i32, &[&str]); 7] = [
            ("fasta2a-gateway", 70, &[]),
            ("memory-sync", 30, &["gateway", "memory-replicator"]),
            ("gateway", 10, &[]),
            ("tool-executor", 60, &[]),
            ("memory-replicator", 20, &["gateway"]),
            ("outbox-sync", 40, &[]),
            ("conversation-worker", 50, &[]),
        ];
        let expected = "gateway | memory-replicator | memory-sync | outbox-sync | conversation-worker | \
                        tool-executor | fasta2a-gateway";
        assert_eq!(waves(&members).unwrap(), expected);
    }

    #[test]
    fn the_critical_chain_is_the_one_that_may_take_the_longest() {
        let check = |slow: &str, expected: &str| {
            let all =
                [("a", &[][..]), ("b", &["a"][..]), ("c", &["b"][..]), ("d", &["a"][..]), ("e", &[][..])];
            let members = all.map(|(name, needs)| {
                let mut member = member(name, 0, needs);
                member.spec.start_timeout = if name == slow { 100.0 } else { 10.0 };
                member
            });
            let roster = Roster::new(members).unwrap();
            let names: Vec<_> = roster.critical_chain().iter().map(|one| one.key.to_string()).collect();
            assert_eq!(names.join(" "), expected, "{slow}");
        };
        check("", "a b c");
        check("d", "a d");
        check("e", "e");
        assert!(Roster::default().critical_chain().is_empty());
    }

    #[test]
    fn what_needs_a_service_is_found_through_others() {
        let roster = Roster::new([
            member("a", 0, &[]),
            member("b", 0, &["a"]),
            member("c", 0, &["b"]),
            member("d", 0, &[]),
        ])
        .unwrap();
        let names = |key: &str| {
            let found = roster.dependents(&key.parse().unwrap());
            found.iter().map(|member| member.key.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("a"), "b c");
        assert_eq!(names("d"), "");
    }
}
