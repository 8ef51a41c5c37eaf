//! CEL seen as a row of tokens: enough to count them and to find where an expression ends.

/// A piece of text that means something to CEL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    start: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A name, a number or a string.
    Word,
    /// `{`
    Open,
    /// `}`
    Close,
    /// Any other mark.
    Mark,
}

/// How many tokens `text` has. What does not lex counts too.
pub(super) fn tokens(text: &str) -> usize {
    Tokens { text, at: 0 }.count()
}

/// Where the `}}` stands that ends the expression at the beginning of `text`: outside of string
/// literals and of map literals.
pub(super) fn end(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut closed_at = None;
    for token in (Tokens { text, at: 0 }) {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close if depth > 0 => depth -= 1,
            Kind::Close if closed_at.is_some_and(|at| at + 1 == token.start) => return closed_at,
            Kind::Close => closed_at = Some(token.start),
            Kind::Word | Kind::Mark => {}
        }
    }
    None
}

struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blanks();
        let start = self.at;
        let first = self.rest().chars().next()?;
        let kind = match first {
            '{' => Kind::Open,
            '}' => Kind::Close,
            '"' | '\'' => {
                self.at += string_length(self.rest(), false);
                return Some(Token { start, kind: Kind::Word });
            }
            _ if is_word(first) => {
                self.at += self.rest().find(|c| !is_word(c)).unwrap_or(self.rest().len());
                let prefix = &self.text[start..self.at];
                let is_prefix = matches!(prefix.to_ascii_lowercase().as_str(), "r" | "b" | "br" | "rb");
                if is_prefix && self.rest().starts_with(['"', '\'']) {
                    let raw = prefix.contains(['r', 'R']);
                    self.at += string_length(self.rest(), raw);
                }
                return Some(Token { start, kind: Kind::Word });
            }
            _ => Kind::Mark,
        };
        self.at += first.len_utf8();
        Some(Token { start, kind })
    }
}

impl<'a> Tokens<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Skips white space and comments. A comment ends with its line, or before a `}}`: in a payload
    /// the expression ends there whatever stands in front.
    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start().len();
            if !self.rest().starts_with("//") {
                return;
            }
            let rest = self.rest();
            let line = rest.find('\n').unwrap_or(rest.len());
            self.at += rest.find("}}").unwrap_or(line).min(line);
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the string literal at the beginning of `text`, which is a quote; all of it where it
/// is not closed.
fn string_length(text: &str, raw: bool) -> usize {
    let quote = &text[..1];
    let triple = quote.repeat(3);
    let quote = if text.starts_with(&triple) { triple.as_str() } else { quote };
    let mut at = quote.len();
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(quote) {
            return at + quote.len();
        }
        let mut chars = rest.chars();
        at += chars.next().map_or(0, char::len_utf8);
        if !raw && rest.starts_with('\\') {
            at += chars.next().map_or(0, char::len_utf8);
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_ends_outside_of_its_strings_and_maps() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(end(text).map(|at| &text[..at]), expected, "{text}");
        };
        check(" a }} b", Some(" a "));
        check(" '}}' }}", Some(" '}}' "));
        check(r#" "\"}}" }}"#, Some(r#" "\"}}" "#));
        check(r" r'\'}}", Some(r" r'\'"));
        check(r#" """a"}}" """ }}"#, Some(r#" """a"}}" """ "#));
        check(" {'a': {'b': 1}}}}", Some(" {'a': {'b': 1}}"));
        check("{'a':1}.a}}}}", Some("{'a':1}.a"));
        check("a // it's }}", Some("a // it's "));
        check("a // {\n + 1 }}", Some("a // {\n + 1 "));
        check("rb'}}'}}", Some("rb'}}'"));
        check("bar'}}'}}", Some("bar'}}'"));
        check("a } }", None);
        check("'}}", None);
        check("{}}", None);
        check("", None);
    }

    #[test]
    fn tokens_are_counted_once() {
        let check = |text, expected| assert_eq!(tokens(text), expected, "{text}");
        check("", 0);
        check("inputs.limit >= 3", 6);
        check("a['x y'] // comment", 4);
        check("\u{1F980} + 'é'", 3);
    }
}
