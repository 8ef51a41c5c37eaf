//! The next command: mostly something that somebody could do as things stand, now and then anything.

use oneiric_core::Rng;
use oneiric_core::rng::SeededRng;
use oneiric_store::{NodeStatus, RunStatus, UnknownNodes};

use super::Model;
use super::command::{Ask, BOOTS, Command, How, KEYS, RUNS, WAITING, What};
use super::shape::SHAPES;

/// Chance with the bounds that are asked for.
#[derive(Debug)]
pub(super) struct Dice(SeededRng);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(SeededRng::new(seed))
    }

    /// A number below `bound`.
    pub(super) fn below(&self, bound: usize) -> usize {
        (self.0.next_u64() % bound.max(1) as u64) as usize
    }

    fn one_in(&self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn of<T: Clone>(&self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

/// The next command.
pub(super) fn next(model: &Model, dice: &Dice) -> Command {
    let boot = || dice.below(BOOTS);
    let run = || dice.below(RUNS);
    let slots = || dice.of(&[0, 1, 1, 2, 9]);
    if !(0..BOOTS).any(|boot| model.lives(boot) && model.is_open(boot)) && !dice.one_in(4) {
        return Command::Enter { boot: boot(), serves: dice.one_in(2) };
    }
    if let Some((boot, run)) = any(dice, |boot| model.processes[boot].works.keys().copied().collect())
        && dice.below(10) < 7
    {
        if dice.one_in(12) {
            return Command::Obey { boot, run };
        }
        return Command::Tell { boot, run, what: what(model, dice, boot, run), slots: slots() };
    }
    if let Some((boot, run)) = any(dice, |boot| model.processes[boot].claimed.keys().copied().collect())
        && dice.below(10) < 6
    {
        if dice.one_in(4) {
            return Command::Aside { boot, run, ask: aside(dice) };
        }
        let unknown = dice.of(&[UnknownNodes::Keep, UnknownNodes::Retry, UnknownNodes::Fail]);
        return Command::Begin { boot, run, unknown, slots: slots() };
    }
    match dice.below(20) {
        0 | 1 => Command::Enter { boot: boot(), serves: dice.one_in(2) },
        2 => Command::Beat { boot: boot() },
        3 => Command::Leave { boot: boot() },
        4 | 5 => Command::Die { boot: boot() },
        6 => Command::Rise { boot: boot() },
        7..=11 => Command::Claim {
            boot: boot(),
            run: dice.one_in(3).then(run),
            limit: dice.of(&[0, 1, 3, 3]),
            dead: !dice.one_in(3),
            silent: (!dice.one_in(3)).then(|| (boot(), !dice.one_in(4))),
        },
        12 => Command::Submit { run: run(), shape: dice.below(SHAPES), carried: dice.one_in(3) },
        13 | 14 => Command::Launch {
            boot: boot(),
            run: run(),
            shape: dice.below(SHAPES),
            carried: dice.one_in(4),
            slots: slots(),
        },
        15..=17 => Command::Put { run: run(), id: dice.below(6) as u8, ask: ask(dice) },
        18 => Command::Obey { boot: boot(), run: run() },
        _ => Command::Say {
            key: dice.below(KEYS),
            paused: dice.one_in(2),
            draining: dice.one_in(3),
            note: dice.one_in(3),
        },
    }
}

/// One of all that the processes have.
fn any(dice: &Dice, of: impl Fn(usize) -> Vec<usize>) -> Option<(usize, usize)> {
    let all: Vec<_> = (0..BOOTS).flat_map(|boot| of(boot).into_iter().map(move |run| (boot, run))).collect();
    (!all.is_empty()).then(|| dice.of(&all))
}

fn nodes(dice: &Dice) -> Vec<u32> {
    // Six: one more than any plan has.
    (0..1 + dice.below(3)).map(|_| dice.below(6) as u32).collect()
}

fn ask(dice: &Dice) -> Ask {
    match dice.below(8) {
        0 | 1 => Ask::Pause(dice.below(3) as u8),
        2 | 3 => Ask::Resume,
        4 => Ask::Cancel { hard: dice.one_in(2) },
        5 | 6 => Ask::RetryNow(nodes(dice)),
        _ => Ask::Extend(dice.below(3) as u8),
    }
}

/// What can be done to a run that nobody goes on with.
fn aside(dice: &Dice) -> Ask {
    match dice.below(4) {
        0 => Ask::Pause(dice.below(3) as u8),
        1 => Ask::Cancel { hard: dice.one_in(2) },
        2 => Ask::RetryNow(nodes(dice)),
        _ => Ask::Extend(dice.below(3) as u8),
    }
}

fn what(model: &Model, dice: &Dice, boot: usize, run: usize) -> What {
    let held = model.processes[boot].works.get(&run);
    // A node in one of these places, or now and then any.
    let node = |statuses: &[NodeStatus]| -> u32 {
        let all = held.iter().flat_map(|run| run.nodes.iter().enumerate());
        let fit: Vec<u32> =
            all.filter(|(_, node)| statuses.contains(&node.status)).map(|(n, _)| n as u32).collect();
        if fit.is_empty() || dice.one_in(12) { dice.below(6) as u32 } else { dice.of(&fit) }
    };
    let is_any = |statuses: &[NodeStatus]| {
        held.is_some_and(|run| run.nodes.iter().any(|node| statuses.contains(&node.status)))
    };
    let late = dice.one_in(12);
    if is_any(&[NodeStatus::Running]) && dice.below(10) < 6 {
        let node = node(&[NodeStatus::Running]);
        return match dice.below(6) {
            0..=2 => What::Succeeded { node, late },
            3 | 4 => {
                let how =
                    [How::Flaky, How::Flaky, How::Flaky, How::Broken, How::Denied, How::Stopped, How::Lost];
                What::Failed { node, late, how: dice.of(&how) }
            }
            _ => What::Held { node, late, timed: dice.one_in(2) },
        };
    }
    if is_any(&WAITING) && dice.below(10) < 6 {
        return match dice.below(4) {
            0 => What::Due {
                node: node(&[NodeStatus::Waiting, NodeStatus::Held]),
                named: dice.one_in(2),
                late,
            },
            1 => What::Released(vec![node(&[NodeStatus::Held])]),
            2 => What::Asked(Ask::RetryNow(vec![node(&WAITING), dice.below(6) as u32])),
            _ => What::Reconciled { node: node(&[NodeStatus::Unknown]), done: dice.one_in(2) },
        };
    }
    if held.is_some_and(|run| run.pause.is_some() && run.status == RunStatus::Running) && dice.one_in(2) {
        return What::Asked(Ask::Resume);
    }
    match dice.below(14) {
        0..=5 => What::Granted,
        6..=9 => What::Asked(ask(dice)),
        10 => What::TimedOut,
        11 => What::Released(nodes(dice)),
        12 => What::Started,
        _ => What::Resumed(UnknownNodes::Keep),
    }
}
