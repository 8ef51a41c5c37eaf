//! Why a command did not do what was asked, and how that is told.

use std::io::{self, Write};

use miette::{GraphicalReportHandler, GraphicalTheme};
use oneiric_core::settings::SettingsError;
use oneiric_runtime::Error;
use serde::Serialize;

use crate::exit::Code;
use crate::output::Palette;
use crate::output::palette::Tone;
use crate::problems::{self, Sheet};

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// From below.
    #[error(transparent)]
    Runtime(Box<Error>),
    /// From here.
    #[error("{message}")]
    Said {
        /// How the process ends.
        code: Code,
        /// Lowercase, no full stop.
        message: String,
        /// The way out.
        help: Option<String>,
    },
    /// Files that are not as they must be.
    #[error("{}", problems::summary(.0))]
    Files(Vec<Sheet>),
    /// A result could not be printed.
    #[error("cannot print the result: {0}")]
    Output(io::Error),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        match error.into() {
            Error::Manifest { problems, text } => Failure::Files(vec![Sheet::new(problems, text)]),
            Error::UnknownTask { problems, text } | Error::UnknownWorkflow { problems, text } => {
                Failure::Files(vec![Sheet::new(problems, text).ending(Code::Resolution)])
            }
            other => Failure::Runtime(Box::new(other)),
        }
    }
}

impl Failure {
    /// Settings that are not as they must be.
    pub(crate) fn settings(error: SettingsError) -> Self {
        let sheets = error.sources.into_iter().map(|source| Sheet::new(source.problems, source.text));
        Failure::Files(sheets.collect())
    }

    /// A failure of this crate's own.
    pub(crate) fn said(code: Code, message: impl Into<String>) -> Self {
        Failure::Said { code, message: message.into(), help: None }
    }

    /// Names the way out.
    #[must_use]
    pub(crate) fn help(self, text: impl Into<String>) -> Self {
        match self {
            Failure::Said { code, message, .. } => Failure::Said { code, message, help: Some(text.into()) },
            other => other,
        }
    }

    /// How the process ends.
    pub(crate) fn code(&self) -> Code {
        match self {
            Failure::Runtime(error) => error.kind().into(),
            Failure::Said { code, .. } => *code,
            Failure::Files(sheets) => {
                sheets.iter().fold(Code::Configuration, |code, sheet| code.worst(sheet.code))
            }
            Failure::Output(_) => Code::Execution,
        }
    }

    /// What whoever meets it can do, where that is known.
    pub(crate) fn way_out(&self) -> Option<String> {
        match self {
            Failure::Runtime(error) => error.help(),
            Failure::Said { help, .. } => help.clone(),
            Failure::Files(_) | Failure::Output(_) => None,
        }
    }
}

/// How failures are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// As one JSON object, for programs.
    pub(crate) json: bool,
    /// Colours, or none.
    pub(crate) palette: Palette,
    /// Whether somebody looks at a terminal that shows more than ASCII.
    pub(crate) graphics: bool,
    /// Columns.
    pub(crate) width: usize,
}

#[derive(Serialize)]
struct Object<'a> {
    error: Details<'a>,
}

/// The error object: `{"error":{"code":2,"kind":"configuration","message":"...","help":null,"problems":[]}}`.
#[derive(Serialize)]
struct Details<'a> {
    code: u8,
    kind: &'static str,
    message: String,
    help: Option<String>,
    problems: Vec<problems::Line<'a>>,
}

/// Tells a failure. `hint` goes where the failure has no way out of its own.
pub(crate) fn tell(
    failure: &Failure,
    hint: Option<String>,
    manner: Manner,
    out: &mut dyn Write,
) -> io::Result<()> {
    let help = failure.way_out().or(hint);
    let sheets: &[Sheet] = if let Failure::Files(sheets) = failure { sheets } else { &[] };
    if manner.json {
        let code = failure.code();
        let details = Details {
            code: code.number(),
            kind: code.name(),
            message: failure.to_string(),
            help,
            problems: problems::lines(sheets),
        };
        serde_json::to_writer(&mut *out, &Object { error: details })?;
        return writeln!(out);
    }
    problems::show(sheets, manner, out)?;
    headline(&failure.to_string(), help.as_deref(), manner, out)
}

/// `error: ...` and `help: ...`.
pub(crate) fn headline(
    message: &str,
    help: Option<&str>,
    manner: Manner,
    out: &mut dyn Write,
) -> io::Result<()> {
    // Texts may quote files: no control character of theirs reaches the terminal.
    let safe = |text: &str| text.lines().map(crate::output::text::clean).collect::<Vec<_>>().join("\n  ");
    writeln!(out, "{} {}", manner.palette.paint(Tone::Bad, "error:"), safe(message))?;
    match help {
        Some(help) => writeln!(out, "{} {}", manner.palette.paint(Tone::Busy, "help:"), safe(help)),
        None => Ok(()),
    }
}

/// The handler for snippets.
pub(crate) fn snippets(manner: Manner) -> GraphicalReportHandler {
    let theme = match (manner.graphics, manner.palette.is_on()) {
        (true, true) => GraphicalTheme::unicode(),
        (true, false) => GraphicalTheme::unicode_nocolor(),
        (false, _) => GraphicalTheme::none(),
    };
    GraphicalReportHandler::new_themed(theme)
        .with_width(manner.width.min(100))
        .with_context_lines(1)
        .with_links(false)
}
