//! How a state looks: one table for every renderer.
//!
//! Each state has its own symbol and word, so that nothing is said by colour alone.

/// The state a node is drawn in.
///
/// What a reader tells apart at a glance, which is less than what the state machine knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeLook {
    /// Some input is still missing.
    Pending,
    /// All inputs are there; it has not started.
    Ready,
    /// An attempt is under way.
    Running,
    /// It waits for a time, an event, a child or a person.
    Waiting,
    /// It succeeded.
    Completed,
    /// It failed for good.
    Failed,
    /// It was left out by a condition or because of a failure before it.
    Skipped,
    /// It was stopped on request.
    Cancelled,
    /// Nobody can say whether its effect happened.
    Unknown,
}

impl NodeLook {
    /// Every look, in the order legends list them.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Ready,
        Self::Running,
        Self::Waiting,
        Self::Completed,
        Self::Failed,
        Self::Skipped,
        Self::Cancelled,
        Self::Unknown,
    ];

    /// The lowercase word for it, which is also its class in SVG and Mermaid: `"completed"`.
    pub fn word(self) -> &'static str {
        self.style().word
    }

    /// Its symbol, one column wide: `'✓'`.
    pub fn symbol(self) -> char {
        self.style().symbol
    }

    /// Its symbol where only ASCII can be shown: `'+'`.
    pub fn ascii_symbol(self) -> char {
        self.style().ascii
    }

    pub(super) fn style(self) -> &'static Style {
        match self {
            Self::Pending => &PENDING,
            Self::Ready => &READY,
            Self::Running => &RUNNING,
            Self::Waiting => &WAITING,
            Self::Completed => &COMPLETED,
            Self::Failed => &FAILED,
            Self::Skipped => &SKIPPED,
            Self::Cancelled => &CANCELLED,
            Self::Unknown => &UNKNOWN,
        }
    }
}

/// Colours of a box on one background: outline and badge, then the fill behind the text.
#[derive(Debug)]
pub(super) struct Tones {
    pub(super) stroke: &'static str,
    pub(super) fill: &'static str,
}

#[derive(Debug)]
pub(super) struct Style {
    pub(super) word: &'static str,
    pub(super) symbol: char,
    pub(super) ascii: char,
    /// Parameters of the ANSI "select graphic rendition" sequence; the sixteen colours a theme defines.
    pub(super) sgr: &'static str,
    pub(super) light: Tones,
    pub(super) dark: Tones,
    /// Nothing happened here: drawn with a broken outline.
    pub(super) dashed: bool,
    /// The symbol as strokes around the origin, within ±4: no font is needed to show it.
    pub(super) strokes: &'static str,
}

const PENDING: Style = Style {
    word: "pending",
    symbol: '·',
    ascii: '.',
    sgr: "2",
    light: Tones { stroke: "#8592a6", fill: "#f8fafc" },
    dark: Tones { stroke: "#7c8aa0", fill: "#171e29" },
    dashed: false,
    strokes: "M-4 0h.01M0 0h.01M4 0h.01",
};

const READY: Style = Style {
    word: "ready",
    symbol: '○',
    ascii: 'o',
    sgr: "36",
    light: Tones { stroke: "#0891b2", fill: "#ecfeff" },
    dark: Tones { stroke: "#22d3ee", fill: "#0d262e" },
    dashed: false,
    strokes: "M0-3.2a3.2 3.2 0 1 0 0 6.4a3.2 3.2 0 1 0 0-6.4",
};

const RUNNING: Style = Style {
    word: "running",
    symbol: '►',
    ascii: '>',
    sgr: "1;34",
    light: Tones { stroke: "#2563eb", fill: "#eff6ff" },
    dark: Tones { stroke: "#60a5fa", fill: "#14233f" },
    dashed: false,
    strokes: "M-2-3.4L3.6 0L-2 3.4z",
};

const WAITING: Style = Style {
    word: "waiting",
    symbol: '◔',
    ascii: '~',
    sgr: "33",
    light: Tones { stroke: "#c26a06", fill: "#fffbeb" },
    dark: Tones { stroke: "#fbbf24", fill: "#2b2210" },
    dashed: false,
    strokes: "M0-4V.4L3 2.4",
};

const COMPLETED: Style = Style {
    word: "completed",
    symbol: '✓',
    ascii: '+',
    sgr: "32",
    light: Tones { stroke: "#16994a", fill: "#f0fdf4" },
    dark: Tones { stroke: "#34d06f", fill: "#10261a" },
    dashed: false,
    strokes: "M-3.8.4L-1 3.2L4-2.8",
};

const FAILED: Style = Style {
    word: "failed",
    symbol: '✗',
    ascii: 'x',
    sgr: "1;31",
    light: Tones { stroke: "#dc2626", fill: "#fef2f2" },
    dark: Tones { stroke: "#f87171", fill: "#331618" },
    dashed: false,
    strokes: "M-3-3L3 3M3-3L-3 3",
};

const SKIPPED: Style = Style {
    word: "skipped",
    symbol: '»',
    ascii: '^',
    sgr: "2",
    light: Tones { stroke: "#8592a6", fill: "#ffffff" },
    dark: Tones { stroke: "#7c8aa0", fill: "#11161e" },
    dashed: true,
    strokes: "M-3.6-3L-.6 0L-3.6 3M.8-3L3.8 0L.8 3",
};

const CANCELLED: Style = Style {
    word: "cancelled",
    symbol: '⊘',
    ascii: '#',
    sgr: "35",
    light: Tones { stroke: "#78716c", fill: "#f5f5f4" },
    dark: Tones { stroke: "#a8a29e", fill: "#211f1d" },
    dashed: true,
    strokes: "M-3.4 3.4L3.4-3.4",
};

const UNKNOWN: Style = Style {
    word: "unknown",
    symbol: '?',
    ascii: '?',
    sgr: "1;35",
    light: Tones { stroke: "#9333ea", fill: "#faf5ff" },
    dark: Tones { stroke: "#c084fc", fill: "#25183a" },
    dashed: false,
    strokes: "M-2.4-2.4A2.4 2.4 0 1 1 0 .4V1.2M0 4h.01",
};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::render::text::columns;

    #[test]
    fn looks_differ_without_colour_and_symbols_take_one_column() {
        let words: HashSet<_> = NodeLook::ALL.iter().map(|look| look.word()).collect();
        let symbols: HashSet<_> = NodeLook::ALL.iter().map(|look| look.symbol()).collect();
        let plain: HashSet<_> = NodeLook::ALL.iter().map(|look| look.ascii_symbol()).collect();
        let strokes: HashSet<_> = NodeLook::ALL.iter().map(|look| look.style().strokes).collect();
        assert_eq!([words.len(), symbols.len(), plain.len(), strokes.len()], [NodeLook::ALL.len(); 4]);
        assert!(plain.iter().all(char::is_ascii));
        assert!(symbols.iter().all(|symbol| columns(&symbol.to_string()) == 1));
    }
}
