//! Text for a terminal: its width, shortening it, and nothing in it that moves a cursor.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Columns that a text takes.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// On one line and without control characters.
pub(crate) fn clean(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            '\r' => {}
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// At most `width` columns, cut at the end.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    format!("{}…", head(text, width.saturating_sub(1)))
}

/// At most `width` columns, cut in the middle: both ends of an id tell it apart.
pub(crate) fn squeeze(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let keep = width.saturating_sub(1);
    let tail = tail(text, keep - keep / 2);
    format!("{}…{tail}", head(text, keep / 2))
}

fn head(text: &str, width: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > width {
            return &text[..at];
        }
    }
    text
}

fn tail(text: &str, width: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices().rev() {
        used += c.width().unwrap_or(0);
        if used > width {
            return &text[at + c.len_utf8()..];
        }
    }
    text
}

/// In lines of at most `width` columns, broken between words where there are any; what goes beyond
/// `most` lines is cut.
pub(crate) fn wrap(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && columns(&line) + 1 + columns(word) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&cut(word, width));
    }
    lines.push(line);
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            *last = cut(&format!("{last} …"), width);
        }
    }
    lines
}

/// With spaces behind it up to `width` columns.
pub(crate) fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// `1 node`, `2 nodes`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `14ms`, `0.21s`, `59.90s`, `1m40s`, `2h03m`, `3d04h`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.as_millis() < 100 => format!("{}ms", duration.as_millis()),
        0..100 => format!("{:.2}s", duration.as_secs_f64()),
        100..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortened_texts_keep_what_tells_them_apart() {
        let check = |text, width, cut_, squeezed| {
            assert_eq!(cut(text, width), cut_);
            assert_eq!(squeeze(text, width), squeezed);
        };
        check("abc", 3, "abc", "abc");
        check("abcdefgh", 5, "abcd…", "ab…gh");
        check("日本語テキスト", 6, "日本…", "日…ト");
        check("abcdef", 1, "…", "…");
    }

    #[test]
    fn sentences_are_broken_between_words() {
        let check = |width, most, expected: &[&str]| {
            assert_eq!(wrap("the card was declined", width, most), expected);
        };
        check(40, 3, &["the card was declined"]);
        check(12, 3, &["the card was", "declined"]);
        check(5, 2, &["the", "card…"]);
    }

    #[test]
    fn nothing_in_a_text_moves_the_cursor() {
        assert_eq!(clean("a\u{1b}[2Jb\r\nc"), "a\\u{1b}[2Jb c");
    }

    #[test]
    fn durations_have_two_significant_units() {
        let check = |seconds, expected| assert_eq!(duration(Duration::from_secs_f64(seconds)), expected);
        check(0.0145, "14ms");
        check(0.214, "0.21s");
        check(100.0, "1m40s");
        check(7380.0, "2h03m");
        check(273_600.0, "3d04h");
    }
}
