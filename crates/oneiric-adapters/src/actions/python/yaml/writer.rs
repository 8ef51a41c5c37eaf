//! Columns, indentation and the three styles of a scalar.

use super::analysis::is_break;

/// The column after which a line is broken at the next blank.
const WIDTH: usize = 80;

/// The text so far, and where in its last line it stands.
pub(super) struct Writer {
    text: String,
    column: usize,
    /// Where a new line begins.
    pub(super) indent: usize,
    /// Whether the last character was a blank, a line break or nothing.
    blank: bool,
    /// Whether nothing but indentation and `- ` stands in this line.
    pub(super) indenting: bool,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self { text: String::new(), column: 0, indent: 0, blank: true, indenting: true }
    }

    /// The text, with its last line ended.
    pub(super) fn finish(mut self, is_open: bool) -> String {
        self.indent = 0;
        self.line();
        if is_open {
            self.put("...");
            self.line_break();
        }
        self.text
    }

    /// `-`, `?` or `:` in front of something that may begin a line of its own.
    pub(super) fn lead(&mut self, indicator: &str) {
        self.spaced(indicator);
        // Still indenting, if it was.
        self.blank = false;
    }

    /// A bracket, a quote: after a blank.
    pub(super) fn spaced(&mut self, indicator: &str) {
        if !self.blank {
            self.put(" ");
        }
        self.put(indicator);
        self.blank = false;
    }

    /// Directly behind what is there.
    pub(super) fn put(&mut self, text: &str) {
        self.column += text.chars().count();
        self.text.push_str(text);
    }

    /// After this, something stands in the line.
    pub(super) fn stands(&mut self) {
        (self.blank, self.indenting) = (false, false);
    }

    /// A new line, unless this one is empty up to the indentation.
    pub(super) fn line(&mut self) {
        if !self.indenting || self.column > self.indent || (self.column == self.indent && !self.blank) {
            self.line_break();
        }
        if self.column < self.indent {
            let blanks = " ".repeat(self.indent - self.column);
            self.put(&blanks);
            self.blank = true;
        }
    }

    fn line_break(&mut self) {
        self.text.push('\n');
        (self.column, self.blank, self.indenting) = (0, true, true);
    }

    /// Without quotes. A single blank behind the last column becomes a line break, if it may.
    pub(super) fn plain(&mut self, text: &str, may_break: bool) {
        if !self.blank {
            self.put(" ");
        }
        self.stands();
        for (run, is_blank) in runs(text, |letter| letter == ' ') {
            if is_blank && run.len() == 1 && self.column > WIDTH && may_break {
                self.line();
                self.stands();
            } else {
                self.put(run);
            }
        }
    }

    /// In single quotes; a line break is written as one more.
    pub(super) fn single(&mut self, text: &str, may_break: bool) {
        self.spaced("'");
        self.indenting = false;
        let mut at = 0;
        for (run, is_gap) in runs(text, |letter| letter == ' ' || is_break(letter)) {
            let is_edge = at == 0 || at + run.len() == text.len();
            at += run.len();
            if !is_gap {
                self.put(&run.replace('\'', "''"));
                continue;
            }
            // A gap is blanks, or line breaks: both in a row need double quotes.
            if run == " " && self.column > WIDTH && may_break && !is_edge {
                self.line();
            } else if run.starts_with(' ') {
                self.put(run);
            } else {
                self.line_break();
                run.chars().for_each(|_| self.line_break());
                self.line();
            }
        }
        self.put("'");
        self.stands();
    }

    /// In double quotes, ASCII only. A long line ends in a backslash.
    pub(super) fn double(&mut self, text: &str, may_break: bool) {
        self.spaced("\"");
        self.indenting = false;
        let letters: Vec<char> = text.chars().collect();
        // What is not written yet begins here.
        let mut start = 0;
        for (end, &letter) in letters.iter().enumerate() {
            let is_plain = (' '..='~').contains(&letter) && !matches!(letter, '"' | '\\');
            if !is_plain {
                self.letters(&letters[start..end]);
                self.put(&escaped(letter));
                start = end + 1;
            }
            let is_inside = end > 0 && end + 1 < letters.len();
            // Behind an escape the next piece begins one further on.
            let is_long = self.column + end > WIDTH + start;
            if is_inside && (letter == ' ' || start >= end) && is_long && may_break {
                if start < end {
                    self.letters(&letters[start..end]);
                    start = end;
                }
                self.put("\\");
                self.line();
                self.stands();
                if letters[start] == ' ' {
                    self.put("\\");
                }
            }
        }
        self.letters(&letters[start..]);
        self.put("\"");
        self.stands();
    }

    fn letters(&mut self, letters: &[char]) {
        self.column += letters.len();
        self.text.extend(letters);
    }
}

fn escaped(letter: char) -> String {
    let short = match letter {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' | '\\' => letter,
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            return match u32::from(letter) {
                code @ ..0x100 => format!("\\x{code:02X}"),
                code @ ..0x1_0000 => format!("\\u{code:04X}"),
                code => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}

/// The text in pieces that are all gap or all not; a gap is of one kind of character.
fn runs(text: &str, is_gap: fn(char) -> bool) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let kind = |letter: char| (is_gap(letter), is_gap(letter) && letter == ' ');
        let end = rest.find(|letter| kind(letter) != kind(first)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        Some((run, is_gap(first)))
    })
}
