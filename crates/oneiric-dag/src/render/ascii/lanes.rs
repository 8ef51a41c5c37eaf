//! Where each node's row stands: the sequence of rows, and the lines in front of them.

use super::Pen;
use crate::render::Picture;
use crate::render::dominators::dominators;

/// Deeper nesting than this is harder to follow than ids.
const MAX_LEVELS: usize = 12;

/// Place of one row.
pub(super) struct Place {
    pub(super) node: usize,
    /// How many lanes stand to the left of the row's own.
    pub(super) level: usize,
    /// Whether a lane begins here, and whether that lane hangs from the one to its left.
    start: Start,
    /// The row's own lane continues below.
    goes_on: bool,
    /// For each lane to the left, whether it continues below.
    open: Vec<bool>,
    /// Whether the lines alone say what the node depends on.
    pub(super) told: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Alone,
    Branch,
    Continues,
}

impl Place {
    /// The lines in front of the row, two columns for each level and a last one for the row's own lane.
    pub(super) fn gutter(&self, pen: &Pen) -> String {
        let mut gutter = String::new();
        for (level, open) in self.open.iter().enumerate() {
            let hangs = self.start == Start::Branch && level + 1 == self.level;
            gutter.push_str(match (hangs, open) {
                (true, true) => pen.pick("├─", "|-"),
                (true, false) => pen.pick("└─", "`-"),
                (false, true) => pen.pick("│ ", "| "),
                (false, false) => "  ",
            });
        }
        gutter.push_str(match (self.start, self.goes_on) {
            (Start::Continues, true) => pen.pick("├", "|"),
            (Start::Continues, false) => pen.pick("└", "`"),
            (Start::Alone, true) => pen.pick("┌", "."),
            (Start::Branch, true) => pen.pick("┬", "."),
            (Start::Branch, false) => pen.pick("─", "-"),
            (Start::Alone, false) => " ",
        });
        gutter
    }
}

/// Places for all nodes, top to bottom, with at most `levels` lanes side by side.
pub(super) fn rows(picture: &Picture, levels: usize) -> Vec<Place> {
    let nest = Nest::new(picture);
    let levels = levels.clamp(1, MAX_LEVELS) - 1;
    let mut rows: Vec<Place> = Vec::with_capacity(picture.nodes().len());
    let mut waiting: Vec<Step> = nest.starts.iter().rev().map(|node| Step::start(*node)).collect();
    while let Some(step) = waiting.pop() {
        let sole = match picture.nodes()[step.node].depends_on[..] {
            [] => None,
            [one] => Some(one),
            _ => Some(usize::MAX),
        };
        let above = rows.last().filter(|above| above.level == step.level).map(|above| above.node);
        let told = match (step.start, sole) {
            (_, None) | (Start::Branch, _) => true,
            (Start::Continues, sole) => sole == above,
            (Start::Alone, _) => false,
        };
        rows.push(Place {
            node: step.node,
            level: step.level,
            start: step.start,
            goes_on: false,
            open: vec![false; step.level],
            told,
        });
        nest.below(&step, levels, &mut waiting);
    }
    connect(&mut rows);
    rows
}

/// Follows the rows from the last to the first, keeping which lanes have something further down.
fn connect(rows: &mut [Place]) {
    let mut open = [false; MAX_LEVELS + 1];
    for row in rows.iter_mut().rev() {
        row.open.copy_from_slice(&open[..row.level]);
        row.goes_on = open[row.level];
        open[row.level] = row.start == Start::Continues;
        if row.start == Start::Branch {
            open[row.level - 1] = true;
        }
    }
}

struct Step {
    node: usize,
    level: usize,
    start: Start,
    /// The lane was too deeply nested higher up; it stays flat, so that one lane has one style.
    flat: bool,
}

impl Step {
    fn start(node: usize) -> Self {
        Self { node, level: 0, start: Start::Alone, flat: false }
    }
}

/// The dominator tree, with what decides between indenting and going on.
struct Nest {
    starts: Vec<usize>,
    /// Nodes whose only dependency is this one.
    branches: Vec<Vec<usize>>,
    /// Nodes with several dependencies, all of them at or below this one.
    joins: Vec<Vec<usize>>,
    /// Lanes that a node and all below it would need.
    need: Vec<usize>,
    /// Rows that a node and all below it take.
    size: Vec<usize>,
}

impl Nest {
    fn new(picture: &Picture) -> Self {
        let (count, above) = (picture.nodes().len(), dominators(picture));
        let mut nest = Self {
            starts: Vec::new(),
            branches: vec![Vec::new(); count],
            joins: vec![Vec::new(); count],
            need: vec![0; count],
            size: vec![1; count],
        };
        for &node in picture.order() {
            match above[node] {
                None => nest.starts.push(node),
                Some(parent) if picture.nodes()[node].depends_on.len() == 1 => {
                    nest.branches[parent].push(node)
                }
                Some(parent) => nest.joins[parent].push(node),
            }
        }
        for &node in picture.order().iter().rev() {
            let step = usize::from(!nest.is_chain(node));
            let (branches, joins) = (&nest.branches[node], &nest.joins[node]);
            let deepest = branches.iter().map(|below| nest.need[*below] + step);
            nest.need[node] = deepest.chain(joins.iter().map(|below| nest.need[*below])).max().unwrap_or(0);
            nest.size[node] += branches.iter().chain(joins).map(|below| nest.size[*below]).sum::<usize>();
        }
        nest
    }

    fn is_chain(&self, node: usize) -> bool {
        self.branches[node].len() == 1 && self.joins[node].is_empty()
    }

    /// Stacks what follows `step`, the next row on top: branches, which hang directly from it, then the
    /// joins in their order.
    ///
    /// Where nesting would exceed `levels` the largest branch goes on in the lane; each indented one then
    /// holds at most half of the rows, so the depth is logarithmic. Past the last level nothing indents.
    fn below(&self, step: &Step, levels: usize, waiting: &mut Vec<Step>) {
        let node = step.node;
        let flat = step.flat || step.level + self.need[node] > levels;
        let lane = |node: &usize| Step { node: *node, level: step.level, start: Start::Continues, flat };
        waiting.extend(self.joins[node].iter().rev().map(lane));
        if self.is_chain(node) || step.level >= levels {
            waiting.extend(self.branches[node].iter().rev().map(lane));
            return;
        }
        let largest = self.branches[node].iter().max_by_key(|below| self.size[**below]);
        let on = largest.filter(|_| flat);
        waiting.extend(on.map(lane));
        let hang =
            |node: &usize| Step { node: *node, level: step.level + 1, start: Start::Branch, flat: false };
        waiting.extend(self.branches[node].iter().rev().filter(|below| Some(*below) != on).map(hang));
    }
}
