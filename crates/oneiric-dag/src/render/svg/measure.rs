//! How wide a text will be in a font nobody has chosen yet.

use std::borrow::Cow;

use crate::render::text::{clean, column, shorten};

/// A role of text in the drawing; sizes in pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Font {
    pub(super) size: f64,
    bold: bool,
}

/// The reader's sans-serif font may be wider than the one measured here.
const SAFETY: f64 = 1.05;

impl Font {
    pub(super) const TITLE: Self = Self { size: 17.0, bold: true };
    pub(super) const ID: Self = Self { size: 13.0, bold: true };
    pub(super) const LABEL: Self = Self { size: 12.0, bold: false };
    pub(super) const DETAIL: Self = Self { size: 11.0, bold: false };

    /// Pixels that `text` is estimated to take.
    pub(super) fn width(self, text: &str) -> f64 {
        let thousandths: usize = text.chars().map(|c| self.thousandths(c)).sum();
        thousandths as f64 * self.size * SAFETY / 1000.0
    }

    /// `text`, shortened to `room` pixels.
    pub(super) fn fit(self, text: &str, room: f64) -> Cow<'_, str> {
        let room = (room.max(0.0) * 1000.0 / self.size / SAFETY).ceil() as usize;
        shorten(text, room, "…", |c| self.thousandths(c))
    }

    /// Thousandths of the font size, rounded from Helvetica's published metrics; other letters count as
    /// wide ones.
    fn thousandths(self, c: char) -> usize {
        let regular = match c {
            'i' | 'j' | 'l' | '\'' | '|' => 235,
            ' ' | '.' | ',' | ':' | ';' | '!' | '/' | '\\' | '[' | ']' | 'f' | 't' | 'I' => 290,
            'r' | '-' | '(' | ')' | '`' | '{' | '}' | '"' => 345,
            'c' | 'k' | 's' | 'v' | 'x' | 'y' | 'z' | 'J' => 510,
            'w' => 725,
            'm' | 'M' => 835,
            'a'..='z' | '0'..='9' | '_' | '?' | '*' | '$' | '#' | '+' | '<' | '=' | '>' | '~' | '^' => 575,
            'F' | 'L' | 'T' | 'Z' => 620,
            'A' | 'B' | 'E' | 'K' | 'P' | 'S' | 'V' | 'X' | 'Y' | '&' => 670,
            'C' | 'D' | 'H' | 'N' | 'R' | 'U' => 725,
            'G' | 'O' | 'Q' => 780,
            'W' | '%' | '@' | '…' => 1000,
            _ => match column(c) {
                0 => return 0,
                1 => 690,
                _ => 1060,
            },
        };
        if self.bold { regular + 45 } else { regular }
    }
}

/// Text as it may stand between tags or in an attribute.
pub(super) fn escape(text: &str) -> String {
    let text = clean(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_and_what_does_not_is_shortened_until_it_does() {
        let check = |text: &str, room| {
            let fitted = Font::ID.fit(text, room);
            assert!(Font::ID.width(&fitted) <= room + 0.1, "{fitted} in {room}");
            assert_eq!(fitted == text, Font::ID.width(text) <= room + 0.1, "{text} in {room}");
        };
        for room in [0.0, 10.0, 40.0, 87.3, 200.0] {
            check("charge_card", room);
            check("WWWWWWWWWWWW", room);
            check("注文処理", room);
        }
    }

    #[test]
    fn a_text_fits_in_exactly_its_own_width() {
        for text in ["charge_card", "billing.charge", "illicit", "→ ünï"] {
            assert_eq!(Font::LABEL.fit(text, Font::LABEL.width(text)), text);
        }
    }
}
