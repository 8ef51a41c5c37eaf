//! What is wrong with a text, and where. Rendering with a snippet is the edge's work.

use std::fmt;
use std::sync::Arc;

/// Where a value stands in its file, small enough to keep with the value.
///
/// Compares equal to every other position: where something stands is no part of what it says, so an
/// entry that only moved is still the same entry.
#[derive(Debug, Clone, Copy, Default)]
pub struct Position {
    /// Counted from 1; 0 where the value comes from no file.
    pub line: u32,
    /// Characters, counted from 1.
    pub column: u32,
}

impl PartialEq for Position {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A stretch of a named file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The name that the caller gave the text.
    pub file: Arc<str>,
    /// Counted from 1; 0 where the source has no lines, such as a variable.
    pub line: u32,
    /// Characters, counted from 1.
    pub column: u32,
    /// Bytes from the start of the text, a byte order mark not counted.
    pub offset: u32,
    /// Bytes; zero where something is missing.
    pub length: u32,
}

impl Place {
    /// The name (of letters, digits, `_`, `-` and `.`) that stands at `position` in `text`: what a
    /// later check points at. A position outside of the text becomes its end.
    pub fn of_name(file: &str, text: &str, position: Position) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let start = offset_of(text, position.line, position.column);
        let rest = text.get(start..).unwrap_or_default();
        let quote = usize::from(rest.starts_with(['"', '\'']));
        let rest = rest.get(quote..).unwrap_or_default();
        let name = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')));
        Self {
            file: Arc::from(file),
            line: position.line,
            column: position.column,
            offset: small(start),
            length: small(name.unwrap_or(rest.len()) + 2 * quote),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return f.write_str(&self.file);
        }
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, lowercase and without a full stop.
    pub message: String,
    /// What to write instead, where that is known.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, OneLine(&self.message))?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({})", OneLine(help)))
    }
}

/// A file is not what it must be: everything that is wrong with it, sorted by place.
///
/// Prints one problem per line as `file:line:column: message (help)`. Trying again cannot help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// At least one and at most [`MAX_PROBLEMS`](super::MAX_PROBLEMS).
    pub problems: Vec<Problem>,
    /// How many more there were.
    pub more: usize,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{problem}")?;
        }
        if self.more > 0 { write!(f, "\nand {} more", self.more) } else { Ok(()) }
    }
}

impl std::error::Error for ParseError {}

/// Text from a file on its way to a terminal: control characters are escaped, so that it stays on its
/// line and moves no cursor.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            if c.is_control() { write!(f, "{}", c.escape_default()) } else { fmt::Write::write_char(f, c) }
        })
    }
}

/// A stretch of the text being read, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) offset: u32,
    pub(crate) length: u32,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { offset: small(start), length: small(end.saturating_sub(start)) }
    }
}

/// Finds line and column of a byte. A mark every few bytes rather than one per line, so that a file of
/// one long line is not scanned from its start for every value.
#[derive(Debug)]
pub(crate) struct Lines<'t> {
    text: &'t str,
    marks: Vec<(u32, u32)>,
}

impl<'t> Lines<'t> {
    /// Costs 8 bytes of marks per 256 bytes of text.
    const STEP: usize = 256;

    pub(crate) fn new(text: &'t str) -> Self {
        let mut marks = Vec::with_capacity(text.len() / Self::STEP + 1);
        let mut at = (1, 1);
        for chunk in text.as_bytes().chunks(Self::STEP) {
            marks.push(at);
            at = chunk.iter().fold(at, step);
        }
        Self { text, marks }
    }

    /// The text itself.
    pub(crate) fn text(&self) -> &'t str {
        self.text
    }

    /// What stands in a span.
    pub(crate) fn slice(&self, span: Span) -> &'t str {
        let start = span.offset as usize;
        self.text.get(start..start + span.length as usize).unwrap_or_default()
    }

    /// The position of a byte; past the end it is that of the end.
    pub(crate) fn position(&self, offset: u32) -> Position {
        let offset = (offset as usize).min(self.text.len());
        let mark = offset / Self::STEP;
        let Some(&at) = self.marks.get(mark).or(self.marks.last()) else {
            return Position { line: 1, column: 1 };
        };
        let start = mark.min(self.marks.len() - 1) * Self::STEP;
        let (line, column) = self.text.as_bytes()[start..offset].iter().fold(at, step);
        Position { line, column }
    }
}

fn step((line, column): (u32, u32), byte: &u8) -> (u32, u32) {
    match byte {
        b'\n' => (line + 1, 1),
        0x80..=0xBF => (line, column),
        _ => (line, column + 1),
    }
}

/// The byte at which a line and column (in characters) stand; the end of the text where they do not.
pub(crate) fn offset_of(text: &str, line: u32, column: u32) -> usize {
    let mut at = (1, 1);
    for (offset, byte) in text.bytes().enumerate() {
        if text.is_char_boundary(offset) && (at == (line, column) || at.0 > line) {
            return offset;
        }
        at = step(at, &byte);
    }
    text.len()
}

fn small(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_every_line_is_found_again() {
        let text = format!("é: ü\r\n{}\n\n  x", "äb".repeat(400));
        let lines = Lines::new(&text);
        let (mut line, mut column) = (1, 1);
        for (offset, c) in text.char_indices() {
            let found = lines.position(small(offset));
            assert_eq!((found.line, found.column), (line, column), "byte {offset}");
            assert_eq!(offset_of(&text, line, column), offset);
            (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        assert_eq!(lines.position(u32::MAX).line, 4);
        assert_eq!(Lines::new("").position(0).column, 1);
    }

    #[test]
    fn a_later_check_finds_the_whole_name() {
        let text = "nodes:\n  - {id: \"a.b\", x: 1}\n";
        let place = Place::of_name("m.yaml", text, Position { line: 2, column: 10 });
        assert_eq!(&text[place.offset as usize..][..place.length as usize], "\"a.b\"");
        assert_eq!(place.to_string(), "m.yaml:2:10");
        assert_eq!(Place::of_name("m.yaml", text, Position { line: 9, column: 1 }).length, 0);
    }

    #[test]
    fn a_problem_stays_on_its_line() {
        let place = Place::of_name("m.yaml", "a", Position { line: 1, column: 1 });
        let problem = Problem { place, message: "bad\n\u{1b}[2J".to_owned(), help: Some("x\ty".to_owned()) };
        assert_eq!(problem.to_string(), r"m.yaml:1:1: bad\n\u{1b}[2J (x\ty)");
    }
}
