//! What compiling a regular expression costs, guessed from its text.
//!
//! Matching takes time linear in the text, but a pattern of ten letters such as `(\w{50}){50}` takes
//! a tenth of a second and ten megabytes to compile, and the library compiles it for every call.

/// A unit of work is about a tenth of a microsecond. Measured: 160 microseconds for one `\w`, which
/// covers a good part of Unicode, and half a microsecond for a letter.
const UNICODE_CLASS: u64 = 1600;
const OPEN_CLASS: u64 = 50;
const LETTER: u64 = 20;

/// The cost in units of work. Repetitions by count are what they repeat, as often as they may.
pub(super) fn cost(pattern: &str) -> u64 {
    let mut chars = pattern.chars().peekable();
    // One entry per open group: what it holds so far, and its last atom, which a count repeats.
    let mut groups = vec![(0_u64, 0_u64)];
    while let Some(c) = chars.next() {
        let atom = match c {
            '(' => {
                groups.push((LETTER, 0));
                continue;
            }
            ')' if groups.len() > 1 => groups.pop().map_or(LETTER, |(held, last)| held.saturating_add(last)),
            '{' => {
                if let Some((_, last)) = groups.last_mut() {
                    *last = last.saturating_mul(greatest_number(&mut chars).max(1));
                }
                continue;
            }
            '[' if chars.peek() == Some(&'^') => OPEN_CLASS,
            '.' => OPEN_CLASS,
            '\\' => match chars.next() {
                Some('w' | 'W' | 'd' | 'D' | 's' | 'S' | 'p' | 'P' | 'b' | 'B') => UNICODE_CLASS,
                _ => LETTER,
            },
            _ => LETTER,
        };
        if let Some((held, last)) = groups.last_mut() {
            *held = held.saturating_add(*last);
            *last = atom;
        }
    }
    groups.iter().fold(LETTER, |sum, (held, last)| sum.saturating_add(*held).saturating_add(*last))
}

/// The greater number of `3}` or `3,5}`; reads through the brace.
fn greatest_number(chars: &mut impl Iterator<Item = char>) -> u64 {
    let (mut greatest, mut number) = (0, 0_u64);
    for c in chars.take_while(|c| *c != '}') {
        number = c.to_digit(10).map_or(0, |digit| number.saturating_mul(10).saturating_add(digit.into()));
        greatest = greatest.max(number);
    }
    greatest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_counts_as_often_as_it_may() {
        let check = |pattern, expected| assert_eq!(cost(pattern), expected, "{pattern}");
        check("", LETTER);
        check("abc", 4 * LETTER);
        check(r"\w", LETTER + UNICODE_CLASS);
        check("a{3}b{2,5}", LETTER + 8 * LETTER);
        check(r"\w{20}", LETTER + 20 * UNICODE_CLASS);
        check(r"(\w{20}){30}", LETTER + 30 * (LETTER + 20 * UNICODE_CLASS));
        check(r"((a{9999999999}){9999999999}){9999999999}", u64::MAX);
        check(")){3}(", 4 * LETTER + 3 * LETTER - LETTER);
    }

    #[test]
    fn ordinary_patterns_fit_hundreds_of_times() {
        for pattern in ["^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", r"^\w+@[a-z.]+$"] {
            assert!(cost(pattern) < super::super::MAX_WORK / 250, "{pattern}: {}", cost(pattern));
        }
    }
}
