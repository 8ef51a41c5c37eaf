//! The syntax of factories: what builds a component, read from its text.
//!
//! Which of them may be built is [`crate::trust`]'s to say; building is a
//! [`crate::ComponentRuntime`]'s.

use crate::Factory;

/// The schemes that Oneiric defines; linked crates may add others.
pub const SCHEMES: [&str; 6] = ["builtin", "exec", "worker", "process", "http", "https"];

/// A factory, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactoryKind<'a> {
    /// `scheme:rest`: one of [`SCHEMES`], or any other word in front of a colon where the whole does
    /// not read as Python.
    Scheme {
        /// What stands in front of the colon: `exec`.
        scheme: &'a str,
        /// What follows, trimmed: `sh -c 'echo {}'`. Not empty.
        rest: &'a str,
    },
    /// Python's `pkg.mod:Attr`.
    Python {
        /// The module: `pkg.mod`.
        module: &'a str,
        /// The attribute, which may be dotted: `Attr`.
        attr: &'a str,
    },
    /// A name without a colon: what a linked crate registered.
    Name(&'a str),
    /// None of these.
    Malformed,
}

impl FactoryKind<'_> {
    /// Whether it is a scheme that is none of [`SCHEMES`].
    pub fn is_foreign_scheme(&self) -> bool {
        matches!(self, FactoryKind::Scheme { scheme, .. } if !SCHEMES.contains(scheme))
    }
}

impl Factory {
    /// What kind of factory the text is.
    pub fn kind(&self) -> FactoryKind<'_> {
        let text = self.as_str().trim();
        let Some((head, rest)) = text.split_once(':').map(|(head, rest)| (head.trim_end(), rest.trim()))
        else {
            return if is_name(text) { FactoryKind::Name(text) } else { FactoryKind::Malformed };
        };
        if rest.is_empty() {
            FactoryKind::Malformed
        } else if SCHEMES.contains(&head) {
            FactoryKind::Scheme { scheme: head, rest }
        } else if is_dotted(head) && is_dotted(rest) {
            FactoryKind::Python { module: head, attr: rest }
        } else if is_scheme(head) {
            FactoryKind::Scheme { scheme: head, rest }
        } else {
            FactoryKind::Malformed
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// RFC 3986 §3.1: a letter, then letters, digits, `+`, `-` and `.`.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_'))
}

/// Python identifiers with dots in between. ASCII only, as upstream has it: letters that look alike
/// must not make another module.
fn is_dotted(text: &str) -> bool {
    text.split('.').all(|part| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factories_are_told_apart() {
        let check = |text: &str, expected| assert_eq!(Factory::new(text).kind(), expected, "{text}");
        let scheme = |scheme, rest| FactoryKind::Scheme { scheme, rest };
        check("builtin:echo", scheme("builtin", "echo"));
        check("exec: sh -c 'a:b'", scheme("exec", "sh -c 'a:b'"));
        check("https://x.example/hook", scheme("https", "//x.example/hook"));
        check("ftp://x", scheme("ftp", "//x"));
        check("exce:my-script.sh", scheme("exce", "my-script.sh"));
        check("pkg.mod:Attr", FactoryKind::Python { module: "pkg.mod", attr: "Attr" });
        check(" pkg.mod : Attr.make ", FactoryKind::Python { module: "pkg.mod", attr: "Attr.make" });
        check("os:system", FactoryKind::Python { module: "os", attr: "system" });
        check("charge-card", FactoryKind::Name("charge-card"));
        for text in ["", ":", "exec:", "exec: ", ":x", "a b", "1a:b", "pkg/../x:y", "\u{43e}s:system"] {
            check(text, FactoryKind::Malformed);
        }
        assert!(Factory::new("ftp://x").kind().is_foreign_scheme());
        assert!(!Factory::new("exec:x").kind().is_foreign_scheme());
        assert!(!Factory::new("a.b:C").kind().is_foreign_scheme());
    }
}
