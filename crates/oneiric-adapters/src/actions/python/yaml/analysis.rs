//! In which styles a text can be written.

/// What is known of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Analysis {
    pub(super) is_empty: bool,
    pub(super) is_multiline: bool,
    /// Whether it can stand without quotes in block style.
    pub(super) plain: bool,
    /// Whether it can stand in single quotes.
    pub(super) single: bool,
}

pub(super) fn is_break(letter: char) -> bool {
    matches!(letter, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank_or_break(letter: char) -> bool {
    matches!(letter, '\0' | ' ' | '\t' | '\r') || is_break(letter)
}

/// Looks at every character once. Everything outside of ASCII needs double quotes.
pub(super) fn analyse(text: &str) -> Analysis {
    let mut of = Analysis { is_empty: text.is_empty(), is_multiline: false, plain: true, single: true };
    if text.starts_with("---") || text.starts_with("...") {
        of.plain = false;
    }
    let mut before: Option<char> = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let next = letters.peek().copied();
        let is_edge = before.is_none() || next.is_none();
        let ends_word = next.is_none_or(is_blank_or_break);
        let is_indicator = match letter {
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
            | '`'
                if before.is_none() =>
            {
                true
            }
            '?' | '-' if before.is_none() => ends_word,
            ':' => ends_word,
            '#' => before.is_none_or(is_blank_or_break),
            _ => false,
        };
        if is_indicator {
            of.plain = false;
        }
        if is_break(letter) {
            of.is_multiline = true;
            of.plain = false;
            // A blank at the end of a line would be lost in any style but double quotes.
            of.single &= before != Some(' ');
        }
        if letter == ' ' {
            of.plain &= !is_edge;
            of.single &= !before.is_some_and(is_break);
        }
        if letter != '\n' && !(' '..='~').contains(&letter) {
            (of.plain, of.single) = (false, false);
        }
        before = Some(letter);
    }
    of
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_is_allowed_where_it_reads_back() {
        let check = |text: &str, plain: bool, single: bool| {
            let found = analyse(text);
            assert_eq!((found.plain, found.single), (plain, single), "{text:?}");
        };
        check("a b", true, true);
        check("a:b", true, true);
        check("a: b", false, true);
        check("a:", false, true);
        check("-a", true, true);
        check("- a", false, true);
        check("a #b", false, true);
        check("a#b", true, true);
        check("#a", false, true);
        check("?a", true, true);
        check("a,b]", true, true);
        check("---a", false, true);
        check(" a", false, true);
        check("a ", false, true);
        check("a\nb", false, true);
        check("a \nb", false, false);
        check("a\n b", false, false);
        check("a\tb", false, false);
        check("ä", false, false);
        assert!(analyse("a\nb").is_multiline && !analyse("a").is_multiline);
    }
}
