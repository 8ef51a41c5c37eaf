//! Which of the three formats a text is in.

use serde::de::IgnoredAny;

/// A format that a file can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// YAML 1.2 with the core schema: `no` is text, `010` is refused.
    Yaml,
    /// TOML.
    Toml,
    /// JSON, strictly.
    Json,
}

impl Format {
    /// By the ending of a file's name, case ignored: `.yaml`, `.yml`, `.toml`, `.json`.
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        match ending.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Format::Yaml),
            "toml" => Some(Format::Toml),
            "json" => Some(Format::Json),
            _ => None,
        }
    }

    /// By the text itself, for names without a known ending (addresses, standard input).
    ///
    /// JSON is tried first, as upstream does; a broken text that starts like a JSON object counts as
    /// one, so that its errors are those of JSON. TOML shows by its first line. The rest is YAML.
    pub fn sniff(text: &str) -> Self {
        let start = text.trim_start();
        let quoted = || start.strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with(['"', '}']));
        if start.starts_with(['{', '[']) && (quoted() || serde_json::from_str::<IgnoredAny>(text).is_ok()) {
            return Format::Json;
        }
        let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        if line.is_some_and(looks_like_toml) { Format::Toml } else { Format::Yaml }
    }
}

fn looks_like_toml(line: &str) -> bool {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | ' ');
    let table = line.starts_with('[') && line.split('#').next().is_some_and(|l| l.trim_end().ends_with(']'));
    let pair = line.split_once('=').is_some_and(|(key, _)| !key.is_empty() && key.chars().all(bare));
    (table && !line.contains(',')) || pair
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_a_telling_name_is_recognised() {
        let check = |text, expected| assert_eq!(Format::sniff(text), expected, "{text}");
        check("{\"source\": \"x\"}", Format::Json);
        check("{\"source\": ", Format::Json);
        check("{}", Format::Json);
        check("{source: x, entries: []}", Format::Yaml);
        check("[1, 2]", Format::Json);
        check("# note\n\nsource = \"x\"\n", Format::Toml);
        check("[[entries]] # first\nkey = \"a\"", Format::Toml);
        check("source: a = b\n", Format::Yaml);
        check("---\nsource: x\n", Format::Yaml);
        check("", Format::Yaml);
    }

    #[test]
    fn the_ending_decides_where_there_is_one() {
        assert_eq!(Format::of_name("a/b.YML"), Some(Format::Yaml));
        assert_eq!(Format::of_name("b.v2.json"), Some(Format::Json));
        assert_eq!(Format::of_name("https://example.org/manifest"), None);
    }
}
