//! The report for people: a row per node, failures with their last lines, one line of totals.

use std::io::{self, Write as _};

use oneiric_dag::NodeReport;
use oneiric_runtime::StartedBy;
use oneiric_store::{NodeStatus, SkipReason};

use super::{Counts, Report, Standing};
use crate::find::short;
use crate::output::palette::{Tone, node_word};
use crate::output::table::{Column, Room, Table, plain};
use crate::output::text::{clean, columns, duration, squeeze, wrap};
use crate::output::{Screen, time};

/// The most rows; what went well gives way to what did not.
const ROWS: usize = 50;

/// Columns that a row takes beside the node and the note.
const BESIDE: usize = 26;

/// Lines of a failed node's output that are shown.
const LINES: usize = 10;

impl Report<'_> {
    /// Prints it.
    pub(crate) fn print(&self, screen: &mut Screen) -> io::Result<()> {
        let shown = self.shown();
        let mut table = Table::new([
            Column::new("", Room::Whole),
            Column::new("", Room::Middle),
            Column::right(""),
            Column::new("", Room::Whole),
            Column::new("", Room::End),
        ]);
        let nodes = &self.run.nodes;
        for node in nodes.iter().zip(&shown).filter_map(|(node, shown)| shown.then_some(node)) {
            let (word, tone) = node_word(node.status);
            let took = node.duration().filter(|_| !node.is_kept()).map(duration).unwrap_or_default();
            let tries = if node.attempts > 1 { format!("try {}", node.attempts) } else { String::new() };
            let note = match tone {
                Tone::Faint => Tone::Faint,
                _ => Tone::Plain,
            };
            // A failure is worth its own lines where the column would cut it.
            let text = self.note(node);
            let room = screen.width.saturating_sub(BESIDE + columns(node.id.as_str()).min(screen.width / 2));
            let below = node.fault.is_some() && columns(&text) > room;
            let (beside, below) =
                if below { (String::new(), wrap(&text, screen.width - 8, 4)) } else { (text, Vec::new()) };
            table.row([
                (word.to_owned(), tone),
                plain(node.id.as_str()),
                (took, Tone::Faint),
                (tries, Tone::Odd),
                (beside, note),
            ]);
            below.into_iter().for_each(|line| table.note(line, Tone::Plain));
            self.lines(node).for_each(|line| table.note(format!("| {line}"), Tone::Faint));
        }
        table.print(screen)?;
        let hidden = nodes.iter().zip(&shown).filter(|(_, shown)| !**shown).map(|(node, _)| node);
        let (fine, open, other) = hidden.fold((0, 0, 0), |(fine, open, other), node| match node.status {
            NodeStatus::Completed => (fine + 1, open, other),
            NodeStatus::Pending => (fine, open + 1, other),
            _ => (fine, open, other + 1),
        });
        let more = [(fine, "ok"), (other, "not ok"), (open, "not reached")]
            .into_iter()
            .filter(|(count, _)| *count > 0);
        let more: Vec<_> = more.map(|(count, word)| format!("{count} more {word}")).collect();
        if !more.is_empty() {
            let more = screen.palette.paint(Tone::Faint, &format!("... and {}", more.join(", ")));
            writeln!(screen, "  {more}")?;
        }
        if !table.is_empty() {
            writeln!(screen)?;
        }
        self.totals(screen)
    }

    fn totals(&self, screen: &mut Screen) -> io::Result<()> {
        let standing = screen.palette.paint(self.standing.tone(), self.standing.word());
        let took = self.took().map(|took| format!(" in {}", duration(took))).unwrap_or_default();
        let run = screen.palette.paint(Tone::Strong, &short(self.run.run));
        let counts = Counts::of(&self.run).words();
        let begin = format!("run {} {} ", short(self.run.run), self.workflow);
        let rest = format!("{}: {counts}{took}", self.standing.word());
        if begin.len() + rest.len() > screen.width {
            writeln!(screen, "run {run} {}", squeeze(self.workflow.as_str(), screen.width - 13))?;
            writeln!(screen, "  {standing}: {counts}{took}")?;
        } else {
            writeln!(screen, "run {run} {} {standing}: {counts}{took}", self.workflow)?;
        }
        if let Some(record) = self.record
            && let Some(by) = StartedBy::of(record)
        {
            for line in wrap(&by.to_string(), screen.width - 2, 2) {
                writeln!(screen, "  {}", screen.palette.paint(Tone::Faint, &line))?;
            }
        }
        let again = screen.palette.paint(Tone::Faint, &format!("see it again: {}", self.again));
        writeln!(screen, "{again}")
    }

    /// Which nodes get a row: all that did not go well first, then what went well, then what was not
    /// reached, each in the order of the plan.
    fn shown(&self) -> Vec<bool> {
        let nodes = &self.run.nodes;
        let mut shown = vec![false; nodes.len()];
        let mut room = ROWS;
        let kinds: [fn(NodeStatus) -> bool; 4] = [
            |status| matches!(status, NodeStatus::Failed | NodeStatus::Unknown | NodeStatus::Parked),
            |status| matches!(status, NodeStatus::Running | NodeStatus::Waiting | NodeStatus::Cancelled),
            |status| !matches!(status, NodeStatus::Pending),
            |_| true,
        ];
        // Of a run that was let go of a moment ago, what it did is of interest.
        let kinds = if self.standing == Standing::Suspended { &kinds[..3] } else { &kinds[..] };
        for kind in kinds {
            for (node, shown) in nodes.iter().zip(&mut shown) {
                if room > 0 && !*shown && kind(node.status) {
                    *shown = true;
                    room -= 1;
                }
            }
        }
        shown
    }

    fn note(&self, node: &NodeReport) -> String {
        if let Some(fault) = &node.fault {
            return clean(&fault.message);
        }
        if node.is_kept() {
            return self.parent.map_or("kept".to_owned(), |run| format!("kept from run {}", short(run)));
        }
        match (node.status, node.skip) {
            (_, Some(SkipReason::Condition)) => "its condition is false".to_owned(),
            (_, Some(SkipReason::Upstream)) => "something before it did not complete".to_owned(),
            (NodeStatus::Unknown, None) => "nobody knows whether it happened".to_owned(),
            (NodeStatus::Running, None) => {
                let since =
                    node.started_at.map(|at| format!("since {}", time::local(at))).unwrap_or_default();
                match self.progress_of(node) {
                    Some(said) => format!("{since}: {}", clean(&said.progress.to_string())),
                    None => since,
                }
            }
            (
                NodeStatus::Pending
                | NodeStatus::Waiting
                | NodeStatus::Held
                | NodeStatus::Parked
                | NodeStatus::Completed
                | NodeStatus::Failed
                | NodeStatus::Skipped
                | NodeStatus::Cancelled,
                None,
            ) => String::new(),
        }
    }

    fn lines(&self, node: &NodeReport) -> impl Iterator<Item = &String> {
        let tail = self.tails.get(&(self.run.run, node.id.clone()));
        let tail = tail.filter(|_| node.status == NodeStatus::Failed);
        tail.into_iter().flat_map(|lines| lines.iter().skip(lines.len().saturating_sub(LINES)))
    }
}

#[cfg(test)]
mod tests {
    use oneiric_core::{Fault, Key, NodeId, Payload, RunId, Timestamp};
    use oneiric_dag::RunReport;
    use oneiric_store::RunStatus;

    use super::*;
    use crate::live::Tails;
    use crate::output::tests::printed;

    fn node(id: &str, status: NodeStatus, seconds: f64, attempts: u32) -> NodeReport {
        let started = Timestamp::from_micros(1_000_000);
        let ended = Timestamp::from_micros(1_000_000 + (seconds * 1e6) as i64);
        NodeReport {
            id: NodeId::new(id).unwrap(),
            status,
            attempts,
            started_at: (attempts > 0).then_some(started),
            ended_at: (attempts > 0).then_some(ended),
            output: Payload::NULL,
            fault: (status == NodeStatus::Failed).then(|| {
                Fault::transient("exit-code", "`charge` exited with 3: the card was declined by the bank")
            }),
            skip: (status == NodeStatus::Skipped).then_some(SkipReason::Upstream),
        }
    }

    fn show(status: RunStatus, nodes: Vec<NodeReport>, width: usize) -> String {
        let run: RunId = "019a0000000070008000000011112222".parse().unwrap();
        let workflow = Key::new("fastblocks.workflows.fulfillment").unwrap();
        let tails = Tails::from([(
            (run, NodeId::new("charge_card").unwrap()),
            ["connecting", "declined: code 51"].map(str::to_owned).into(),
        )]);
        let report = Report {
            workflow: &workflow,
            run: RunReport {
                run,
                status,
                started_at: Some(Timestamp::from_micros(0)),
                ended_at: Some(Timestamp::from_micros(4_100_000)),
                fault: None,
                nodes,
            },
            standing: Standing::At(status),
            record: None,
            parent: None,
            tails: &tails,
            progress: Vec::new(),
            again: "oneiric run show 11112222".to_owned(),
        };
        printed(width, |screen| report.print(screen))
    }

    fn failed() -> Vec<NodeReport> {
        vec![
            node("reserve_stock", NodeStatus::Completed, 0.21, 1),
            node("charge_card", NodeStatus::Failed, 1.84, 3),
            node("a.node.whose.name.takes.a.good.deal.of.the.terminal", NodeStatus::Completed, 120.0, 2),
            node("ship", NodeStatus::Skipped, 0.0, 0),
        ]
    }

    #[test]
    fn a_report_fits_the_terminal() {
        insta::assert_snapshot!("report_80", show(RunStatus::Failed, failed(), 80));
        insta::assert_snapshot!("report_100", show(RunStatus::Failed, failed(), 100));
    }

    #[test]
    fn failures_are_shown_whatever_the_size() {
        let mut nodes: Vec<_> =
            (0..10_000).map(|n| node(&format!("n{n}"), NodeStatus::Completed, 0.01, 1)).collect();
        nodes[9_000] = node("charge_card", NodeStatus::Failed, 1.0, 1);
        let text = show(RunStatus::Failed, nodes, 80);
        assert!(text.contains("fail  charge_card"), "{text}");
        assert!(text.contains("... and 9950 more ok"), "{text}");
        assert!(text.lines().count() < 60);
    }
}
