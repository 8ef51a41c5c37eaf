//! Which of many patterns mean a topic, without looking at each of them.
//!
//! Exact ones are found by one look into a map, those with wildcards by a walk down a trie of words, regular
//! expressions by one run of one automaton over all of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use regex::{RegexSet, RegexSetBuilder};

use super::{Kind, MAX_REGEX_BYTES, Pattern, Word};

/// Patterns with what they stand for: places in a table, say.
#[derive(Debug, Default)]
pub struct Index {
    exact: HashMap<Box<str>, Vec<u32>>,
    trie: Node,
    regexes: Option<(RegexSet, Vec<u32>)>,
    /// Where one automaton over all would be too large: one after the other.
    apart: Vec<(Pattern, u32)>,
}

#[derive(Debug, Default)]
struct Node {
    children: HashMap<Arc<str>, Node>,
    one: Option<Box<Node>>,
    /// Behind `#`: this node stands for any number of words.
    any: Option<Box<Node>>,
    /// What ends here.
    ends: Vec<u32>,
    /// What goes on with `>`.
    rest: Vec<u32>,
}

impl Index {
    /// An index of patterns.
    pub fn new<'a>(patterns: impl IntoIterator<Item = (&'a Pattern, u32)>) -> Self {
        let mut index = Self::default();
        let mut regexes = Vec::new();
        for (pattern, place) in patterns {
            match &pattern.0.kind {
                Kind::Exact => index.exact.entry(pattern.as_str().into()).or_default().push(place),
                Kind::Words(words) => index.trie.insert(words, place),
                Kind::Regex(_) => regexes.push((pattern.clone(), place)),
            }
        }
        index.put_regexes(regexes);
        index
    }

    fn put_regexes(&mut self, regexes: Vec<(Pattern, u32)>) {
        if regexes.is_empty() {
            return;
        }
        let inner = regexes.iter().map(|(pattern, _)| {
            let text = pattern.as_str();
            &text[1..text.len() - 1]
        });
        // Each passed alone; all together may still be too much, and are then asked one by one.
        match RegexSetBuilder::new(inner).size_limit(16 * MAX_REGEX_BYTES).build() {
            Ok(set) => self.regexes = Some((set, regexes.into_iter().map(|(_, place)| place).collect())),
            Err(_) => self.apart = regexes,
        }
    }

    /// Puts the places of all patterns that mean `topic` behind what `found` holds, in any order; a place
    /// that stands for several patterns may come several times.
    pub fn find(&self, topic: &str, found: &mut Vec<u32>) {
        if let Some(places) = self.exact.get(topic) {
            found.extend_from_slice(places);
        }
        if !self.trie.is_empty() {
            self.trie.find(Some(topic), found, &mut HashSet::new());
        }
        if let Some((set, places)) = &self.regexes {
            found.extend(set.matches(topic).iter().map(|at| places[at]));
        }
        found
            .extend(self.apart.iter().filter(|(pattern, _)| pattern.matches(topic)).map(|(_, place)| *place));
    }
}

impl Node {
    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.one.is_none() && self.any.is_none() && self.rest.is_empty()
    }

    fn insert(&mut self, words: &[Word], place: u32) {
        let Some((word, behind)) = words.split_first() else {
            self.ends.push(place);
            return;
        };
        match word {
            Word::Is(word) => self.children.entry(Arc::clone(word)).or_default().insert(behind, place),
            Word::One => self.one.get_or_insert_default().insert(behind, place),
            // Two in a row say no more than one, and a walk would take each turn twice.
            Word::Any if behind.first() == Some(&Word::Any) => self.insert(behind, place),
            Word::Any => self.any.get_or_insert_default().insert(behind, place),
            Word::Rest => self.rest.push(place),
        }
    }

    /// `left` is what of the topic is not read yet; `None` is its end. `seen` has where the walk stood behind
    /// a `#`, by node and by how much was left: several of them share the words out in thousands of ways, and
    /// each state is worth one visit.
    fn find(&self, left: Option<&str>, found: &mut Vec<u32>, seen: &mut HashSet<(usize, usize)>) {
        if let Some(any) = &self.any {
            let node = std::ptr::from_ref::<Node>(any) as usize;
            let mut behind = left;
            loop {
                if seen.insert((node, behind.map_or(usize::MAX, str::len))) {
                    any.find(behind, found, seen);
                }
                match behind {
                    Some(text) => behind = split(text).1,
                    None => break,
                }
            }
        }
        let Some(text) = left else {
            found.extend_from_slice(&self.ends);
            return;
        };
        found.extend_from_slice(&self.rest);
        let (word, behind) = split(text);
        if let Some(child) = self.children.get(word) {
            child.find(behind, found, seen);
        }
        if let Some(one) = &self.one {
            one.find(behind, found, seen);
        }
    }
}

/// The first word, and what stands behind its dot.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once('.') {
        Some((word, behind)) => (word, Some(behind)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn found(index: &Index, topic: &str) -> Vec<u32> {
        let mut found = Vec::new();
        index.find(topic, &mut found);
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn a_pattern_of_many_wildcards_ends() {
        // Every way to share the words out among the wildcards would be millions of turns.
        let pattern = Pattern::new(["#.a"; 12].join(".")).unwrap();
        let index = Index::new([(&pattern, 0)]);
        let topic = ["a"; 120].join(".") + ".b";
        assert!(found(&index, &topic).is_empty());
    }

    fn word() -> impl Strategy<Value = &'static str> {
        prop_oneof![4 => Just("a"), 3 => Just("b"), 2 => Just("c"), 1 => Just("")]
    }

    fn pattern() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            6 => word(),
            2 => Just("*"),
            2 => Just("#"),
        ];
        let words = (vec(piece, 1..6), any::<bool>()).prop_map(|(mut words, rest)| {
            if rest {
                words.push(">");
            }
            words.join(".")
        });
        let regex = prop_oneof![Just("/^a/"), Just("/b$/"), Just("/a\\.b/"), Just("/[ab]+\\.c/")];
        prop_oneof![8 => words, 1 => regex.prop_map(str::to_owned)]
    }

    proptest! {
        /// The index is nothing but a quick way to ask every pattern.
        #[test]
        fn the_index_finds_what_asking_each_pattern_finds(
            patterns in vec(pattern(), 0..40),
            topics in vec(vec(word(), 1..7), 1..20),
        ) {
            let patterns: Vec<Pattern> =
                patterns.iter().filter_map(|text| Pattern::new(text).ok()).collect();
            let index = Index::new(patterns.iter().zip(0..));
            for topic in topics {
                let topic = topic.join(".");
                let expected: Vec<u32> =
                    (0..).zip(&patterns).filter(|(_, pattern)| pattern.matches(&topic)).map(|(n, _)| n).collect();
                prop_assert_eq!(found(&index, &topic), expected, "{}", topic);
            }
        }
    }
}
