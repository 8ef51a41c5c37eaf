//! Source files as guards see them: code without comments and texts, and texts with their places.
//!
//! This reads tokens and no grammar. It knows line and nested block comments, texts with and without escapes, raw
//! texts, characters and lifetimes. It does not see what a macro makes, nor a name that was imported under another.

use std::collections::BTreeMap;
use std::path::Path;

use crate::arrows::rust_sources;

/// Source files by their path below the root, with `/`.
#[derive(Debug, Default)]
pub(crate) struct Tree(BTreeMap<String, Source>);

/// One of them.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its lines.
    pub(crate) lines: usize,
    /// The code: comments and what stands in texts are blanks, byte for byte. What only tests are made of as well.
    pub(crate) code: String,
    /// As `code`, with what tests are made of.
    pub(crate) whole: String,
    /// Texts, by where they begin in the code; without those in tests.
    pub(crate) texts: BTreeMap<usize, String>,
}

impl Tree {
    /// All Rust sources of the house.
    pub(crate) fn of_house(root: &Path) -> Self {
        let mut paths = Vec::new();
        for folder in ["crates", "bins", "tests"] {
            rust_sources(&root.join(folder), &mut paths);
        }
        let read = |path: &Path| {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        };
        // What a package outside of the house was built into.
        let built = |name: &str| name.split('/').any(|part| part == "target");
        let files = paths.iter().map(|path| read(path)).filter(|(name, _)| !built(name));
        Self::of(files)
    }

    /// Files that a test makes up.
    pub(crate) fn of(files: impl IntoIterator<Item = (impl Into<String>, impl AsRef<str>)>) -> Self {
        Self(files.into_iter().map(|(name, text)| (name.into(), Source::of(text.as_ref()))).collect())
    }

    /// Every file.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.0.iter().map(|(name, source)| (name.as_str(), source))
    }

    /// The files that the product is made of: no tests, benches or examples.
    pub(crate) fn shipped(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.all().filter(|(name, _)| {
            let parts: Vec<&str> = name.split('/').collect();
            let aside = ["tests", "benches", "examples", "tests.rs"];
            parts.first() != Some(&"tests") && !parts.iter().any(|part| aside.contains(part))
        })
    }
}

impl Source {
    fn of(text: &str) -> Self {
        let (whole, mut texts) = blanked(text);
        let code = without_tests(&whole);
        texts.retain(|at, _| code.as_bytes()[*at] == b'"');
        Self { lines: text.lines().count(), code, whole, texts }
    }

    /// The lines, from 1, on which `needle` stands in the code; `behind` says whether what follows makes it meant.
    pub(crate) fn lines_of(&self, needle: &str, behind: impl Fn(&str) -> bool) -> Vec<usize> {
        let found = self.code.match_indices(needle);
        let meant = found.filter(|(at, _)| behind(&self.code[at + needle.len()..]));
        meant.map(|(at, _)| self.line(at)).collect()
    }

    /// The line of a place in the code.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    /// The text that is the first argument behind `at`, if it is one.
    pub(crate) fn first_text(&self, at: usize) -> Option<&str> {
        let rest = &self.code[at..];
        let gap = rest.len() - rest.trim_start().len();
        self.texts.get(&(at + gap)).map(String::as_str)
    }
}

/// The code, and its texts by where their opening quote stands. Quotes stay, so that places do.
fn blanked(text: &str) -> (String, BTreeMap<usize, String>) {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut texts = BTreeMap::new();
    let mut at = 0;
    let blank = |out: &mut Vec<u8>, from: usize, to: usize| {
        out[from..to].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
    };
    while at < bytes.len() {
        let rest = &bytes[at..];
        if rest.starts_with(b"//") {
            let end = at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            blank(&mut out, at, end);
            at = end;
        } else if rest.starts_with(b"/*") {
            let end = at + comment(rest);
            blank(&mut out, at, end);
            at = end;
        } else if rest[0] == b'r' && !word_before(bytes, at) && raw(rest).is_some() {
            let (quote, length) = raw(rest).unwrap();
            let (from, to) = (at + quote + 1, at + length - quote);
            texts.insert(at + quote, text[from..to].to_owned());
            blank(&mut out, from, to);
            // What marks it as raw would stand between a bracket and its text.
            blank(&mut out, at, at + quote);
            at += length;
        } else if rest[0] == b'"' {
            let end = at + closing(rest, b'"');
            texts.insert(at, text[at + 1..end].to_owned());
            blank(&mut out, at + 1, end);
            at = end + 1;
        } else if rest[0] == b'\'' && is_character(rest) {
            let end = at + closing(rest, b'\'');
            blank(&mut out, at, (end + 1).min(bytes.len()));
            at = end + 1;
        } else {
            at += 1;
        }
    }
    // Only whole texts and comments were blanked, so that no character was cut.
    (String::from_utf8(out).unwrap(), texts)
}

/// The length of a block comment, which may hold others.
fn comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Of a raw text: where its opening quote stands, and its length.
fn raw(rest: &[u8]) -> Option<(usize, usize)> {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    let quote = 1 + hashes;
    (rest.get(quote) == Some(&b'"')).then_some(())?;
    let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let inner = &rest[quote + 1..];
    let length = inner.windows(end.len()).position(|window| window == end)?;
    Some((quote, quote + 1 + length + end.len()))
}

/// Where the quote stands that ends what begins with one.
fn closing(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    at.min(rest.len())
}

/// Whether a quote begins a character and no lifetime.
fn is_character(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(byte) if byte.is_ascii_alphanumeric() || *byte == b'_' => rest.get(2) == Some(&b'\''),
        Some(_) => true,
        None => false,
    }
}

fn word_before(bytes: &[u8], at: usize) -> bool {
    // `br"..."` is a raw text, too.
    at > 0 && bytes[at - 1] != b'b' && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

/// The code without its modules of tests.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = code.as_bytes().to_vec();
    for (at, _) in code.match_indices(MARK) {
        let rest = &code[at + MARK.len()..];
        let Some(open) = rest.find(['{', ';']).filter(|open| rest.as_bytes()[*open] == b'{') else {
            continue;
        };
        let mut depth = 0_usize;
        let length = rest[open..].bytes().position(|byte| {
            depth += usize::from(byte == b'{');
            depth -= usize::from(byte == b'}');
            depth == 0
        });
        let end = at + MARK.len() + open + length.map_or(rest.len() - open, |length| length + 1);
        out[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn comments_and_texts_are_no_code() {
    let check = |text: &str, code: &str, texts: &[&str]| {
        let source = Source::of(text);
        let squeezed: String = source.code.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed, code, "{text}");
        assert_eq!(source.texts.values().map(String::as_str).collect::<Vec<_>>(), texts, "{text}");
    };
    check("a // b \"c\"\nd", "a d", &[]);
    check("a /* b /* c */ d */ e", "a e", &[]);
    check("f(\"g\\\"h\", 'i', '\\'', b'\"')", "f(\" \", , , b )", &["g\\\"h"]);
    check("f(r#\"g\"h\"#)", "f( \" \"#)", &["g\"h"]);
    check(
        "fn f<'a>(x: &'a str) -> &'static str { x } // 'a'",
        "fn f<'a>(x: &'a str) -> &'static str { x }",
        &[],
    );
    check("a(); #[cfg(test)] mod tests { b(\"{\"); { c } } d();", "a(); d();", &[]);
    check("#[cfg(test)] mod tests; a(\"b\");", "#[cfg(test)] mod tests; a(\" \");", &["b"]);
}
