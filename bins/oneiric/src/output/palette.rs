//! Colours, and the words of states that carry them. Nothing is said by colour alone.

use anstyle::{AnsiColor, Style};

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    on: bool,
}

/// What is worth a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As the rest.
    Plain,
    /// It went well.
    Good,
    /// It did not.
    Bad,
    /// Somebody should look.
    Odd,
    /// It is under way.
    Busy,
    /// Secondary.
    Faint,
    /// A title.
    Strong,
}

impl Palette {
    /// No colour.
    pub(crate) const PLAIN: Palette = Palette { on: false };

    /// What a stream shows.
    pub(crate) fn of(choice: anstream::ColorChoice) -> Self {
        Self { on: choice != anstream::ColorChoice::Never }
    }

    /// Whether there is colour.
    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    /// The text in a tone.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.on || tone == Tone::Plain || text.trim().is_empty() {
            return text.to_owned();
        }
        let style = style(tone);
        format!("{style}{text}{style:#}")
    }
}

fn style(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Bad => AnsiColor::Red.on_default().bold(),
        Tone::Odd => AnsiColor::Yellow.on_default(),
        Tone::Busy => AnsiColor::Cyan.on_default(),
        Tone::Faint => Style::new().dimmed(),
        Tone::Strong => Style::new().bold(),
    }
}

/// The short word of a node's state, and its tone.
pub(crate) fn node_word(status: oneiric_store::NodeStatus) -> (&'static str, Tone) {
    use oneiric_store::NodeStatus;
    match status {
        NodeStatus::Pending => ("--", Tone::Faint),
        NodeStatus::Running => ("run", Tone::Busy),
        NodeStatus::Waiting => ("wait", Tone::Odd),
        NodeStatus::Completed => ("ok", Tone::Good),
        NodeStatus::Failed => ("fail", Tone::Bad),
        NodeStatus::Skipped => ("skip", Tone::Faint),
        NodeStatus::Cancelled => ("stop", Tone::Odd),
        NodeStatus::Unknown => ("????", Tone::Bad),
        NodeStatus::Held => ("held", Tone::Odd),
        NodeStatus::Parked => ("park", Tone::Odd),
    }
}

/// The tone of a run's status.
pub(crate) fn run_tone(status: oneiric_store::RunStatus) -> Tone {
    use oneiric_store::RunStatus;
    match status {
        RunStatus::Pending => Tone::Faint,
        RunStatus::Running => Tone::Busy,
        RunStatus::Paused | RunStatus::Cancelled => Tone::Odd,
        RunStatus::Completed => Tone::Good,
        RunStatus::Failed => Tone::Bad,
    }
}
