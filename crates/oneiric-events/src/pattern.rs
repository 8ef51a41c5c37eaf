//! Which topics are meant: exact, with wildcards, or by a regular expression.
//!
//! | text | meaning |
//! |---|---|
//! | `order.paid` | that topic |
//! | `order.*` | one word in place of `*`, as NATS and AMQP have it |
//! | `order.>` | one word or more, at the end only, as NATS has it |
//! | `order.#`, `#.paid` | any number of words, none included, as AMQP has it |
//! | `/^order\.(paid\|sent)$/` | a regular expression, between slashes |
//!
//! A word is what stands between dots. `*`, `>` and `#` mean themselves inside of a word.

pub(crate) mod index;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use oneiric_core::roles::{Topic, TopicError};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// What a compiled regular expression may take, in bytes: ten times what a topic of five words needs.
const MAX_REGEX_BYTES: usize = 256 << 10;

/// Which topics are meant. Also of sources and routing keys, which are words with dots as well.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    text: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Exact,
    Words(Vec<Word>),
    Regex(Regex),
}

/// One place of a pattern with wildcards.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Word {
    /// That word.
    Is(Arc<str>),
    /// `*`: any one word.
    One,
    /// `>`: one word or more, to the end.
    Rest,
    /// `#`: any number of words.
    Any,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It could not be a topic either.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// `>` stands in front of something.
    #[error(
        "pattern `{0}`: `>` stands for the rest and must be the last word; use `#` for any number of words"
    )]
    RestInside(String),
    /// Between slashes stands no regular expression, or one that is too large.
    #[error("pattern `{pattern}`: {reason}")]
    Regex {
        /// The text as given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`PatternError`] says what is wrong with the text.
    pub fn new(text: impl AsRef<str>) -> Result<Self, PatternError> {
        let text = text.as_ref();
        let topic = Topic::new(text)?;
        let inner = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        let kind = match inner.filter(|inner| !inner.is_empty()) {
            Some(inner) => Kind::Regex(regex(text, inner)?),
            None => match words(topic.as_str()) {
                words if words.iter().all(|word| matches!(word, Word::Is(_))) => Kind::Exact,
                words => {
                    let last = words.len() - 1;
                    if words.iter().position(|word| *word == Word::Rest).is_some_and(|place| place != last) {
                        return Err(PatternError::RestInside(text.to_owned()));
                    }
                    Kind::Words(words)
                }
            },
        };
        Ok(Self(Arc::new(Parsed { text: text.to_owned(), kind })))
    }

    /// The pattern that means exactly one topic, whatever characters it has.
    pub fn exactly(topic: &Topic) -> Self {
        Self(Arc::new(Parsed { text: topic.as_str().to_owned(), kind: Kind::Exact }))
    }

    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether it means exactly one topic.
    pub fn is_exact(&self) -> bool {
        matches!(self.0.kind, Kind::Exact)
    }

    /// Whether the text is meant: what [`index::Index`] finds, one pattern at a time.
    pub fn matches(&self, text: &str) -> bool {
        match &self.0.kind {
            Kind::Exact => self.0.text == text,
            Kind::Regex(regex) => regex.is_match(text),
            Kind::Words(pattern) => {
                let words: Vec<&str> = text.split('.').collect();
                matches_words(pattern, &words)
            }
        }
    }
}

fn words(text: &str) -> Vec<Word> {
    let word = |word| match word {
        "*" => Word::One,
        ">" => Word::Rest,
        "#" => Word::Any,
        word => Word::Is(word.into()),
    };
    text.split('.').map(word).collect()
}

fn regex(pattern: &str, inner: &str) -> Result<Regex, PatternError> {
    RegexBuilder::new(inner).size_limit(MAX_REGEX_BYTES).build().map_err(|error| {
        // The library draws the place over several lines; the last one says what it is.
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or("is no regular expression").trim();
        PatternError::Regex {
            pattern: pattern.to_owned(),
            reason: reason.strip_prefix("error: ").unwrap_or(reason).to_owned(),
        }
    })
}

/// By how far each prefix of the pattern gets: never more steps than words times words, whatever the
/// pattern.
fn matches_words(pattern: &[Word], words: &[&str]) -> bool {
    // Whether the pattern read so far means the first so many words.
    let mut reached = vec![false; words.len() + 1];
    reached[0] = true;
    for word in pattern {
        let mut next = vec![false; words.len() + 1];
        for at in 0..=words.len() {
            next[at] = match word {
                Word::Is(is) => at > 0 && reached[at - 1] && words[at - 1] == &**is,
                Word::One => at > 0 && reached[at - 1],
                Word::Any => reached[at] || at > 0 && next[at - 1],
                Word::Rest => at > 0 && (reached[at - 1] || next[at - 1]),
            };
        }
        reached = next;
    }
    reached[words.len()]
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text && self.is_exact() == other.is_exact()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.text)
    }
}

impl FromStr for Pattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;
    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::new(text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.0.text.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_mean_what_nats_and_amqp_say() {
        let check = |pattern: &str, yes: &[&str], no: &[&str]| {
            let pattern = Pattern::new(pattern).unwrap();
            yes.iter().for_each(|topic| assert!(pattern.matches(topic), "{pattern} means {topic}"));
            no.iter().for_each(|topic| assert!(!pattern.matches(topic), "{pattern} does not mean {topic}"));
        };
        check("order.paid", &["order.paid"], &["order", "order.paid.eu", "Order.paid"]);
        check("order.*", &["order.paid", "order."], &["order", "order.paid.eu"]);
        check("*.paid", &["order.paid", ".paid"], &["paid", "a.b.paid"]);
        check("order.>", &["order.paid", "order.paid.eu"], &["order", "x.order.paid"]);
        check(">", &["order", "order.paid"], &[]);
        check("order.#", &["order", "order.paid", "order.paid.eu"], &["orders"]);
        check("#.paid", &["paid", "order.paid", "a.b.paid"], &["paid.eu"]);
        check("#.b.#.d.#", &["b.d", "a.b.c.d.e", "b.b.d.d"], &["d.b", "b", "a.b.c"]);
        check("*.#", &["a", "a.b"], &[]);
        check("a*.b#", &["a*.b#"], &["ax.b"]);
        check("/^order\\.(paid|sent)$/", &["order.paid", "order.sent"], &["order.paid.eu"]);
        check("/", &["/"], &["a"]);
        check("//", &["//"], &["a"]);
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Pattern::new(text).unwrap_err().to_string(), expected, "{text}");
        };
        check("", "the topic is empty");
        check(
            "a.>.b",
            "pattern `a.>.b`: `>` stands for the rest and must be the last word; use `#` for any number of words",
        );
        check("/(/", "pattern `/(/`: unclosed group");
        check(
            "/(a{1000}){1000}/",
            "pattern `/(a{1000}){1000}/`: Compiled regex exceeds size limit of 262144 bytes.",
        );
    }
}
