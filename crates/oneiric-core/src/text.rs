//! Texts in YAML, TOML and JSON as data with places, and what is wrong with them.
//!
//! The three formats are read into one located tree, so that the same mistake gives the same message in
//! each. What the keys mean is for the readers of documents to say: manifests and settings.

mod format;
mod json;
pub(crate) mod problem;
pub(crate) mod reader;
mod toml;
pub(crate) mod tree;
mod yaml;

pub use format::Format;
pub use problem::{ParseError, Place, Position, Problem};

use problem::Span;
use reader::Reader;
use tree::Tree;

/// The longest text, in bytes: the largest graph allowed fits (200,000 nodes at 80 bytes each), and the
/// tree of such a text still fits in a small container.
pub const MAX_TEXT_BYTES: usize = 16 << 20;

/// The longest text in TOML, in bytes. Its parser keeps every token and every table, which costs up to
/// a hundred bytes of memory for one of text; the other two formats need five.
pub const MAX_TOML_BYTES: usize = 2 << 20;

/// The deepest nesting of lists and mappings. A payload of sixty levels is a mistake or an attack on
/// the stack.
pub const MAX_DEPTH: usize = 64;

/// The most values in one file, aliases expanded: five for each node of the largest graph. Bounds what
/// a short text can unfold to.
pub const MAX_VALUES: usize = 1_000_000;

/// The most problems that are reported of one file; nobody reads on past fifty.
pub const MAX_PROBLEMS: usize = 50;

/// Reads a text as plain data. The format follows from the ending of `name`, else from the text.
///
/// # Errors
/// [`ParseError`] lists all that is wrong with places; trying again cannot help.
pub fn parse(name: &str, bytes: &[u8]) -> Result<serde_json::Value, ParseError> {
    read_as(name, bytes, None, |_, tree| Some(tree.into_json()))
}

/// Reads a tree and hands it on.
pub(crate) fn read_as<'t, T>(
    name: &str,
    bytes: &'t [u8],
    format: Option<Format>,
    then: impl FnOnce(&mut Reader<'t>, Tree<'t>) -> Option<T>,
) -> Result<T, ParseError> {
    let (text, trouble) = decode(bytes);
    let mut reader = Reader::new(name, text);
    if let Some((offset, message)) = trouble {
        reader.problem(Span::new(offset, offset), message, None);
        return reader.finish(None);
    }
    let format = format.or_else(|| Format::of_name(name)).unwrap_or_else(|| Format::sniff(text));
    let tree = match format {
        Format::Yaml => yaml::read(&mut reader),
        Format::Toml => toml::read(&mut reader),
        Format::Json => json::read(&mut reader),
    };
    let value = tree.and_then(|tree| then(&mut reader, tree));
    reader.finish(value)
}

/// The text of a file, or as much of it as is text and what is wrong with the rest.
pub(crate) fn decode(bytes: &[u8]) -> (&str, Option<(usize, String)>) {
    if bytes.len() > MAX_TEXT_BYTES {
        let message = format!("the file is {} bytes long, at most {MAX_TEXT_BYTES} are allowed", bytes.len());
        return ("", Some((0, message)));
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let (text, bad) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(error) => (std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(), true),
    };
    let trouble = if bad {
        Some((text.len(), format!("byte {} is not UTF-8 text", text.len())))
    } else if text.trim().is_empty() {
        Some((0, "the file is empty".to_owned()))
    } else {
        // No format allows it raw, and it is the sign of a binary file.
        text.find('\0').map(|offset| (offset, "the file holds a zero byte, it is not text".to_owned()))
    };
    (text, trouble)
}
