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

    /// The lowercase word for it, which is also its class in Mermaid: `"completed"`.
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
    /// Nothing happened here: drawn with a broken outline.
    pub(super) dashed: bool,
}

const PENDING: Style = Style {
    word: "pending",
    symbol: '·',
    ascii: '.',
    sgr: "2",
    light: Tones { stroke: "#8592a6", fill: "#f8fafc" },
    dashed: false,
};

const READY: Style = Style {
    word: "ready",
    symbol: '○',
    ascii: 'o',
    sgr: "36",
    light: Tones { stroke: "#0891b2", fill: "#ecfeff" },
    dashed: false,
};

const RUNNING: Style = Style {
    word: "running",
    symbol: '►',
    ascii: '>',
    sgr: "1;34",
    light: Tones { stroke: "#2563eb", fill: "#eff6ff" },
    dashed: false,
};

const WAITING: Style = Style {
    word: "waiting",
    symbol: '◔',
    ascii: '~',
    sgr: "33",
    light: Tones { stroke: "#c26a06", fill: "#fffbeb" },
    dashed: false,
};

const COMPLETED: Style = Style {
    word: "completed",
    symbol: '✓',
    ascii: '+',
    sgr: "32",
    light: Tones { stroke: "#16994a", fill: "#f0fdf4" },
    dashed: false,
};

const FAILED: Style = Style {
    word: "failed",
    symbol: '✗',
    ascii: 'x',
    sgr: "1;31",
    light: Tones { stroke: "#dc2626", fill: "#fef2f2" },
    dashed: false,
};

const SKIPPED: Style = Style {
    word: "skipped",
    symbol: '»',
    ascii: '^',
    sgr: "2",
    light: Tones { stroke: "#8592a6", fill: "#ffffff" },
    dashed: true,
};

const CANCELLED: Style = Style {
    word: "cancelled",
    symbol: '⊘',
    ascii: '#',
    sgr: "35",
    light: Tones { stroke: "#78716c", fill: "#f5f5f4" },
    dashed: true,
};

const UNKNOWN: Style = Style {
    word: "unknown",
    symbol: '?',
    ascii: '?',
    sgr: "1;35",
    light: Tones { stroke: "#9333ea", fill: "#faf5ff" },
    dashed: false,
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
        assert_eq!([words.len(), symbols.len(), plain.len()], [NodeLook::ALL.len(); 3]);
        assert!(plain.iter().all(char::is_ascii));
        assert!(symbols.iter().all(|symbol| columns(&symbol.to_string()) == 1));
    }
}
