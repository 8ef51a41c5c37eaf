//! Sequences of commands, and the shortest that shows a difference.

use oneiric_store::UnknownNodes;

use super::command::{BOOTS, Command, Outcome, RUNS};
use super::compare::{self, Runs, View};
use super::generate::{self, Dice};
use super::real::{Host, Real, World};
use super::{Model, replay};

/// How a search is made.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// The first seed; each sequence has the next one.
    pub seed: u64,
    /// How many sequences.
    pub sequences: u64,
    /// Read everything after every command, instead of what it can have changed; all of it is read at the
    /// end.
    pub thorough: bool,
}

/// What a search has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Sequences.
    pub sequences: u64,
    /// Commands in them.
    pub commands: u64,
    /// Those that changed something.
    pub effective: u64,
}

/// A sequence after which both do not show the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The seed of the sequence.
    pub seed: u64,
    /// How many sequences before it showed none.
    pub after: u64,
    /// The shortest part of it that still shows one.
    pub commands: Vec<Command>,
    /// What is different, in words.
    pub found: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "seed {} (after {} without a difference): {}", self.seed, self.after, self.found)?;
        self.commands.iter().try_for_each(|command| writeln!(f, "  {command:?}"))
    }
}

impl Search {
    /// Makes the sequences one after the other.
    ///
    /// # Errors
    /// The first difference, made as short as removing commands can make it.
    pub async fn run(self, world: &World, host: &mut dyn Host) -> Result<Tally, Box<Difference>> {
        let mut tally = Tally::default();
        for after in 0..self.sequences {
            let seed = self.seed + after;
            let mut commands = Vec::new();
            let ended = self.sequence(world, host, seed, &mut commands, &mut tally).await;
            if let Err(found) = ended {
                let (commands, found) = self.shorten(world, host, commands, found).await;
                return Err(Box::new(Difference { seed, after, commands, found }));
            }
            tally.sequences += 1;
        }
        Ok(tally)
    }

    /// One sequence, made up as it goes; what it was stands in `commands`.
    async fn sequence(
        self,
        world: &World,
        host: &mut dyn Host,
        seed: u64,
        commands: &mut Vec<Command>,
        tally: &mut Tally,
    ) -> Result<(), String> {
        host.clear().await;
        let dice = Dice::new(seed);
        let (mut model, mut real) = (Model::new(world.shapes.clone()), Real::new(world, host));
        for _ in 0..10 + dice.below(16) {
            let command = generate::next(&model, &dice);
            commands.push(command.clone());
            let outcome = self.both(&mut model, &mut real, &command).await?;
            tally.commands += 1;
            tally.effective +=
                u64::from(!matches!(outcome, Outcome::Nothing | Outcome::Illegal | Outcome::Refused(_)));
        }
        self.settled(&mut model, &mut real).await
    }

    /// What must hold at the end, whatever it was.
    async fn settled(self, model: &mut Model, real: &mut Real<'_>) -> Result<(), String> {
        compare::compare(model, real, View::ALL).await?;
        let aftermath = aftermath(model);
        for command in &aftermath {
            let found = self.both(model, real, command).await;
            found.map_err(|found| format!("in the aftermath, {aftermath:?}: {found}"))?;
        }
        for run in 0..RUNS {
            replay::replay(real, run).await?;
        }
        let stuck = model.violations();
        if aftermath.is_empty() || stuck.is_empty() {
            return Ok(());
        }
        Err(format!("whoever was left has taken over what there was, and still it is stuck: {stuck:?}"))
    }

    async fn both(
        self,
        model: &mut Model,
        real: &mut Real<'_>,
        command: &Command,
    ) -> Result<Outcome, String> {
        let (expected, outcome) = (model.apply(command), real.apply(command).await?);
        if outcome != expected {
            return Err(format!("{command:?} came to {outcome:?}, must be {expected:?}"));
        }
        let view = if self.thorough { View::ALL } else { about(command) };
        compare::compare(model, real, view).await?;
        Ok(outcome)
    }

    /// Leaves out what is not needed: halves first, then ever smaller parts, down to single commands.
    async fn shorten(
        self,
        world: &World,
        host: &mut dyn Host,
        mut commands: Vec<Command>,
        mut found: String,
    ) -> (Vec<Command>, String) {
        let mut size = commands.len() / 2;
        while size > 0 {
            let (mut from, mut shorter) = (0, false);
            while from < commands.len() {
                let mut without = commands.clone();
                without.drain(from..(from + size).min(commands.len()));
                match self.again(world, host, &without).await {
                    Err(still) => (commands, found, shorter) = (without, still, true),
                    Ok(()) => from += size,
                }
            }
            if !shorter || size > 1 {
                size /= 2;
            }
        }
        (commands, found)
    }

    /// A known sequence.
    ///
    /// # Errors
    /// What is different.
    pub async fn again(self, world: &World, host: &mut dyn Host, commands: &[Command]) -> Result<(), String> {
        host.clear().await;
        let (mut model, mut real) = (Model::new(world.shapes.clone()), Real::new(world, host));
        for command in commands {
            self.both(&mut model, &mut real, command).await?;
        }
        self.settled(&mut model, &mut real).await
    }
}

/// What a command can have changed; the rest is looked at in the end.
const fn about(command: &Command) -> View {
    match command {
        Command::Submit { run, .. } | Command::Begin { run, .. } | Command::Aside { run, .. } => {
            View { runs: Runs::One(*run), boots: false, said: false }
        }
        Command::Tell { run, .. } | Command::Obey { run, .. } => {
            View { runs: Runs::One(*run), boots: false, said: false }
        }
        Command::Launch { run, .. } => View { runs: Runs::One(*run), boots: true, said: false },
        Command::Put { run, .. } => View { runs: Runs::One(*run), boots: false, said: true },
        Command::Beat { .. } | Command::Enter { .. } | Command::Rise { .. } => {
            View { runs: Runs::None, boots: true, said: false }
        }
        Command::Leave { .. } | Command::Die { .. } => View { runs: Runs::All, boots: true, said: false },
        Command::Claim { .. } => View::ALL,
        Command::Say { .. } => View { runs: Runs::None, boots: false, said: true },
    }
}

/// Everybody but one dies, and that one takes over what they left, and then what waits for a person: after
/// that nothing may be stuck.
fn aftermath(model: &Model) -> Vec<Command> {
    let Some(last) = (0..BOOTS).find(|boot| model.lives(*boot) && model.is_open(*boot)) else {
        return Vec::new();
    };
    let deaths = (0..BOOTS).filter(|boot| *boot != last).map(|boot| Command::Die { boot });
    let claim = Command::Claim { boot: last, run: None, limit: RUNS, dead: true, silent: None };
    let begin = |run| Command::Begin { boot: last, run, unknown: UnknownNodes::Keep, slots: 9 };
    let again = |run| {
        let claim = Command::Claim { boot: last, run: Some(run), limit: 1, dead: false, silent: None };
        [claim, Command::Begin { boot: last, run, unknown: UnknownNodes::Retry, slots: 9 }]
    };
    deaths.chain([claim]).chain((0..RUNS).map(begin)).chain((0..RUNS).flat_map(again)).collect()
}
