//! Finding a slot without a lock and without a count: a tree that grows and does not shrink.
//!
//! A look-up takes no atomic write at all, which a lock for readers (two) or a shared snapshot (two)
//! would; that is a third of the time of asking for a component that is up. The price is that an
//! entry stays for as long as the tree does.

use std::sync::{Arc, OnceLock};

use crate::{Domain, Key};

use super::slot::Slot;

/// Slots by domain and key. Two bits of the key's hash choose the branch on each level, so that the
/// depth is about half of the logarithm of the number of keys.
#[derive(Debug, Default)]
pub(super) struct Trie(Branches);

type Branches = [OnceLock<Box<Leaf>>; 4];

#[derive(Debug)]
struct Leaf {
    hash: u64,
    slot: Arc<Slot>,
    below: Branches,
}

impl Leaf {
    #[inline]
    fn is(&self, hash: u64, domain: &Domain, key: &Key) -> bool {
        self.hash == hash && self.slot.id.key == *key && self.slot.id.domain == *domain
    }
}

impl Trie {
    #[inline]
    pub(super) fn find(&self, domain: &Domain, key: &Key) -> Option<&Arc<Slot>> {
        let hash = hash(key.as_str().as_bytes());
        let (mut branches, mut bits) = (&self.0, hash);
        loop {
            let leaf = branch(branches, bits).get()?;
            if leaf.is(hash, domain, key) {
                return Some(&leaf.slot);
            }
            (branches, bits) = (&leaf.below, bits.rotate_left(2));
        }
    }

    pub(super) fn find_or_insert(
        &self,
        domain: &Domain,
        key: &Key,
        make: impl Fn() -> Arc<Slot>,
    ) -> &Arc<Slot> {
        let hash = hash(key.as_str().as_bytes());
        let (mut branches, mut bits) = (&self.0, hash);
        loop {
            // Whoever comes second to an empty branch finds the leaf of the first: the same key, or the
            // next one on the way down.
            let leaf = branch(branches, bits)
                .get_or_init(|| Box::new(Leaf { hash, slot: make(), below: Branches::default() }));
            if leaf.is(hash, domain, key) {
                return &leaf.slot;
            }
            (branches, bits) = (&leaf.below, bits.rotate_left(2));
        }
    }

    /// Every slot, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Slot>> {
        let mut left: Vec<&Leaf> = leaves(&self.0).collect();
        std::iter::from_fn(move || {
            let leaf = left.pop()?;
            left.extend(leaves(&leaf.below));
            Some(&leaf.slot)
        })
    }
}

impl Drop for Trie {
    fn drop(&mut self) {
        // Not by recursion: keys whose hashes are equal make a branch as deep as there are of them.
        let mut left: Vec<Box<Leaf>> = self.0.iter_mut().filter_map(OnceLock::take).collect();
        while let Some(mut leaf) = left.pop() {
            left.extend(leaf.below.iter_mut().filter_map(OnceLock::take));
        }
    }
}

#[inline]
fn branch(branches: &Branches, bits: u64) -> &OnceLock<Box<Leaf>> {
    // The two upper bits: a product is best there.
    &branches[(bits >> 62) as usize]
}

fn leaves(branches: &Branches) -> impl Iterator<Item = &Leaf> {
    branches.iter().filter_map(|branch| branch.get().map(AsRef::as_ref))
}

/// Hashes a name eight bytes at a time, several times faster than the standard library's hasher, which
/// is made for keys that an attacker chooses. Slots are made for keys that a registered candidate has:
/// whoever may register candidates has no need to slow down a look-up.
#[inline]
fn hash(name: &[u8]) -> u64 {
    // The golden ratio in 64 bits (Knuth, The Art of Computer Programming 6.4): odd, and its bits are
    // evenly spread.
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |hash: u64, word: u64| {
        let product = (hash ^ word).wrapping_mul(FACTOR);
        product ^ (product >> 32)
    };
    let (words, rest) = name.as_chunks::<8>();
    let hash = words.iter().fold(name.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let rest = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    mix(hash, rest).wrapping_mul(FACTOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::slot::{Pin, SlotId};

    fn make(domain: &Domain, key: &Key) -> Arc<Slot> {
        Arc::new(Slot::new(SlotId { domain: domain.clone(), key: key.clone(), pin: Pin::Follow }))
    }

    fn names() -> impl Iterator<Item = Key> {
        let shapes =
            |n| [format!("k{n}"), format!("shop.tasks.charge.{n}"), format!("{n}.shop.tasks.charge")];
        (0..4_096).flat_map(shapes).map(|name| Key::new(name).unwrap())
    }

    #[test]
    fn what_was_inserted_is_found_once() {
        let trie = Trie::default();
        for key in names() {
            assert!(trie.find(&Domain::TASK, &key).is_none());
            let slot = trie.find_or_insert(&Domain::TASK, &key, || make(&Domain::TASK, &key));
            assert!(Arc::ptr_eq(slot, trie.find(&Domain::TASK, &key).unwrap()));
            let again = trie.find_or_insert(&Domain::TASK, &key, || unreachable!("it is there"));
            assert!(Arc::ptr_eq(slot, again));
            assert!(trie.find(&Domain::EVENT, &key).is_none(), "another domain is another slot");
        }
        assert_eq!(trie.iter().count(), names().count());
    }

    #[test]
    fn the_tree_stays_flat() {
        let trie = Trie::default();
        for key in names() {
            trie.find_or_insert(&Domain::TASK, &key, || make(&Domain::TASK, &key));
        }
        let depth = |mut branches: Vec<&Branches>| {
            let mut depth = 0;
            while !branches.is_empty() {
                branches = branches.iter().flat_map(|b| leaves(b)).map(|leaf| &leaf.below).collect();
                depth += 1;
            }
            depth
        };
        // 12,288 keys fill seven levels; a perfect hash would leave a few on the twelfth.
        assert!(depth(vec![&trie.0]) < 16, "{}", depth(vec![&trie.0]));
    }

    #[test]
    fn a_branch_of_any_depth_is_found_and_dropped() {
        let trie = Trie::default();
        let key = Key::new("k").unwrap();
        // Every domain of one key has the same hash.
        let domains: Vec<Domain> = (0..10_000).map(|n| Domain::new(format!("d{n}")).unwrap()).collect();
        for domain in &domains {
            trie.find_or_insert(domain, &key, || make(domain, &key));
        }
        assert!(trie.find(&domains[9_999], &key).is_some());
    }

    #[test]
    fn those_who_insert_at_once_get_the_same_slot() {
        let trie = Trie::default();
        let insert = || {
            names()
                .map(|key| {
                    Arc::as_ptr(trie.find_or_insert(&Domain::TASK, &key, || make(&Domain::TASK, &key)))
                        as usize
                })
                .collect::<Vec<_>>()
        };
        let (a, b) = std::thread::scope(|scope| {
            let (a, b) = (scope.spawn(insert), scope.spawn(insert));
            (a.join().unwrap(), b.join().unwrap())
        });
        assert_eq!(a, b);
    }
}
