//! Text that fits: widths, shortening, and characters that must not reach a reader's terminal or parser.

use std::borrow::Cow;

/// Replaces characters that would act instead of being shown: controls (escape sequences, line breaks)
/// and the marks that reorder text around them.
///
/// Ids and details may come from a manifest somebody else wrote.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().any(acts) {
        Cow::Owned(text.chars().map(|c| if acts(c) { char::REPLACEMENT_CHARACTER } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
        // Not characters, and not allowed in XML.
        || matches!(c, '\u{FFFE}' | '\u{FFFF}')
}

/// Columns of a terminal that `text` takes.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(column).sum()
}

/// Columns of one character; where terminals disagree the larger figure, because a line that is too
/// short is only untidy while one that is too long wraps.
pub(super) fn column(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036F | 0x200B..=0x200D | 0xFE00..=0xFE0E => 0,
        // KHMER SIGN BEYYAL, a ligature of three.
        0x17D8 => 3,
        point if WIDE.iter().any(|(first, last)| (*first..=*last).contains(&point)) => 2,
        _ => 1,
    }
}

/// Blocks of wide characters, after East Asian Width (Unicode Standard Annex 11): W and F, rounded up to
/// whole blocks where a block is nearly all wide.
const WIDE: &[(u32, u32)] = &[
    (0x1100, 0x115F),
    (0x17A4, 0x17A4),
    (0x231A, 0x231B),
    (0x2329, 0x232A),
    (0x23E9, 0x23F3),
    (0x25FD, 0x25FE),
    (0x2614, 0x2615),
    (0x2630, 0x2637),
    (0x2648, 0x2653),
    (0x267F, 0x26FD),
    (0x2705, 0x2705),
    (0x270A, 0x270B),
    (0x2728, 0x2728),
    (0x274C, 0x2757),
    (0x2764, 0x2764),
    (0x2795, 0x2797),
    (0x27B0, 0x27BF),
    (0x2B1B, 0x2B1C),
    (0x2B50, 0x2B55),
    (0x2E80, 0x303E),
    (0x3041, 0xA4CF),
    (0xA960, 0xA97F),
    (0xAC00, 0xD7A3),
    (0xF900, 0xFAFF),
    (0xFE10, 0xFE1F),
    (0xFE30, 0xFE6F),
    (0xFF01, 0xFF60),
    (0xFFE0, 0xFFE6),
    (0x16FE0, 0x191DF),
    (0x1AFF0, 0x1B2FF),
    (0x1D300, 0x1D37F),
    (0x1F000, 0x1FAFF),
    (0x20000, 0x3FFFD),
];

/// `text`, or its two ends around `mark` so that it is at most `room` wide by the measure `width`.
///
/// The end gets more than the beginning: names in one graph tend to differ at their ends.
pub(super) fn shorten<'a>(
    text: &'a str,
    room: usize,
    mark: &str,
    width: impl Fn(char) -> usize,
) -> Cow<'a, str> {
    let measure = |text: &str| text.chars().map(&width).sum::<usize>();
    if measure(text) <= room {
        return Cow::Borrowed(text);
    }
    let Some(rest) = room.checked_sub(measure(mark)) else {
        return Cow::Borrowed("");
    };
    let head = prefix(text.char_indices(), rest * 2 / 5, &width).map_or(0, |(at, c)| at + c.len_utf8());
    let left = rest - measure(&text[..head]);
    let tail = prefix(text.char_indices().rev(), left, &width).map_or(text.len(), |(at, _)| at);
    // An accent whose letter was cut away would sit on the mark.
    let tail = text[tail..].trim_start_matches(|c| width(c) == 0);
    Cow::Owned(format!("{}{mark}{tail}", &text[..head]))
}

/// The last character that still fits when characters are taken one after the other.
fn prefix(
    chars: impl Iterator<Item = (usize, char)>,
    room: usize,
    width: impl Fn(char) -> usize,
) -> Option<(usize, char)> {
    chars
        .scan(0, |used, (at, c)| {
            *used += width(c);
            (*used <= room).then_some((at, c))
        })
        .last()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthChar;

    use super::*;

    #[test]
    fn a_long_name_keeps_both_ends() {
        let check =
            |text, room, expected| assert_eq!(shorten(text, room, "…", column), expected, "{text} {room}");
        check("charge_card", 11, "charge_card");
        check("charge_card", 10, "cha…e_card");
        check("charge_card", 2, "…d");
        check("charge_card", 1, "…");
        check("charge_card", 0, "");
        check("注文処理ワークフロー", 9, "注…フロー");
        check("caf\u{e9}e\u{301}e\u{301}e\u{301}", 4, "c…e\u{301}e\u{301}");
    }

    #[test]
    fn nothing_that_acts_is_shown() {
        let check = |text, expected| assert_eq!(clean(text), expected);
        check("plain → ünïcode", "plain → ünïcode");
        check("\u{1b}[31mred\nnext", "\u{fffd}[31mred\u{fffd}next");
        check("abc\u{202e}fed", "abc\u{fffd}fed");
    }

    #[test]
    fn no_character_is_wider_than_it_is_taken_for() {
        let narrow = |c: &char| c.width().is_some_and(|width| width > column(*c));
        let found: Vec<_> =
            ('\0'..=char::MAX).filter(narrow).map(|c| format!("{:04X}", u32::from(c))).collect();
        assert_eq!(found, Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn a_shortened_text_fits(text in "\\PC{0,40}", room in 0_usize..40) {
            prop_assert!(columns(&shorten(&text, room, "…", column)) <= room);
        }
    }
}
