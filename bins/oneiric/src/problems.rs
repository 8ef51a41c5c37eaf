//! What is wrong with files, shown where it stands.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use oneiric_core::manifest::{ParseError, Problem};
use serde::Serialize;

use crate::exit::Code;
use crate::failure::{Manner, snippets};
use crate::output::text::clean;

/// The most problems that are shown; nobody reads on, and the first ones often cause the others.
const SHOWN: usize = 10;

/// A snippet is shown where its line is at most this long, in bytes: JSON may be all on one.
const LONGEST_LINE: usize = 400;

/// What is wrong with one file.
#[derive(Debug)]
pub(crate) struct Sheet {
    problems: Vec<Problem>,
    more: usize,
    text: Arc<[u8]>,
    /// How grave it is.
    pub(crate) code: Code,
}

impl Sheet {
    /// What reading a file found.
    pub(crate) fn new(error: ParseError, text: Arc<[u8]>) -> Self {
        Self { problems: error.problems, more: error.more, text, code: Code::Configuration }
    }

    /// The same with another end of the process.
    pub(crate) fn ending(self, code: Code) -> Self {
        Self { code, ..self }
    }

    /// What a later check found.
    pub(crate) fn of(code: Code, problems: Vec<Problem>, text: Arc<[u8]>) -> Self {
        Self { problems, more: 0, text, code }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.problems.len() + self.more
    }

    fn source(&self) -> std::borrow::Cow<'_, str> {
        let bytes = self.text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&self.text);
        String::from_utf8_lossy(bytes)
    }
}

/// One problem for programs.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    file: &'a str,
    line: u32,
    column: u32,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

/// Every problem, for programs.
pub(crate) fn lines(sheets: &[Sheet]) -> Vec<Line<'_>> {
    let all = sheets.iter().flat_map(|sheet| &sheet.problems);
    all.map(|problem| Line {
        file: &problem.place.file,
        line: problem.place.line,
        column: problem.place.column,
        message: &problem.message,
        help: problem.help.as_deref(),
    })
    .collect()
}

/// `3 problems in shop.yaml`.
pub(crate) fn summary(sheets: &[Sheet]) -> String {
    let count: usize = sheets.iter().map(Sheet::len).sum();
    let count = crate::output::text::count(count, "problem");
    let mut files: Vec<&str> =
        sheets.iter().filter_map(|sheet| Some(&*sheet.problems.first()?.place.file)).collect();
    files.dedup();
    match files.as_slice() {
        [] => count,
        [one] => format!("{count} in {one}"),
        many => format!("{count} in {} files", many.len()),
    }
}

/// The first problems with the lines they are about.
pub(crate) fn show(sheets: &[Sheet], manner: Manner, out: &mut dyn Write) -> io::Result<()> {
    let mut room = SHOWN;
    let mut hidden = 0;
    let handler = snippets(manner);
    for sheet in sheets {
        let shown = sheet.problems.len().min(room);
        room -= shown;
        hidden += sheet.len() - shown;
        if shown == 0 {
            continue;
        }
        let text = sheet.source();
        let safe = Arc::new(printable(&text));
        for problem in &sheet.problems[..shown] {
            match Snippet::of(problem, &safe) {
                Some(snippet) => {
                    let mut drawn = String::new();
                    handler.render_report(&mut drawn, &snippet).map_err(io::Error::other)?;
                    writeln!(out, "{}\n", drawn.trim_end())?;
                }
                None => writeln!(out, "{problem}")?,
            }
        }
    }
    if hidden > 0 { writeln!(out, "... and {hidden} more") } else { Ok(()) }
}

/// The text without control characters that a terminal would obey, byte for byte as long.
fn printable(text: &str) -> String {
    let harmless = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars()
        .flat_map(|c| {
            std::iter::repeat_n(if harmless(c) { c } else { ' ' }, if harmless(c) { 1 } else { c.len_utf8() })
        })
        .collect()
}

/// One problem as miette wants it.
#[derive(Debug)]
struct Snippet {
    message: String,
    help: Option<String>,
    source: NamedSource<Arc<String>>,
    label: LabeledSpan,
}

impl Snippet {
    /// `None` where there is no line worth showing.
    fn of(problem: &Problem, text: &Arc<String>) -> Option<Self> {
        let offset = (problem.place.offset as usize).min(text.len());
        let before = text.get(..offset)?;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let end = text.get(offset..)?.find('\n').map_or(text.len(), |at| offset + at);
        if end - start > LONGEST_LINE || text.is_empty() {
            return None;
        }
        let length = (problem.place.length as usize).min(end - offset);
        Some(Self {
            message: clean(&problem.message),
            help: problem.help.as_deref().map(clean),
            source: NamedSource::new(&*problem.place.file, Arc::clone(text)),
            label: LabeledSpan::new_with_span(None, (offset, length)),
        })
    }
}

impl fmt::Display for Snippet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Snippet {}

impl Diagnostic for Snippet {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(self.label.clone())))
    }
}
