//! The store in memory and the state machine against the model. In four parts, so that they share the
//! machine's cores.

use oneiric_testkit::model::real::{Memory, World};
use oneiric_testkit::model::search::Search;

const SEQUENCES: u64 = 25_000;

/// `ONEIRIC_TEST_SEED` and `ONEIRIC_TEST_SEQUENCES` go on elsewhere, longer, or see one again.
fn search(part: u64) {
    let number = |name: &str| std::env::var_os(name).and_then(|value| value.to_str()?.parse().ok());
    let sequences = number("ONEIRIC_TEST_SEQUENCES").unwrap_or(SEQUENCES);
    let seed = number("ONEIRIC_TEST_SEED").unwrap_or(1) + part * sequences;
    let search = Search { seed, sequences, thorough: false };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (world, mut host) = (World::default(), Memory::default());
    match runtime.block_on(search.run(&world, &mut host)) {
        Ok(tally) => {
            // A generator that mostly asks for what cannot be done finds nothing.
            assert!(sequences < 100 || tally.effective * 3 > tally.commands, "{tally:?}");
        }
        Err(difference) => panic!("{difference}"),
    }
}

#[test]
fn memory_and_machine_do_what_the_model_does_one() {
    search(0);
}

#[test]
fn memory_and_machine_do_what_the_model_does_two() {
    search(1);
}

#[test]
fn memory_and_machine_do_what_the_model_does_three() {
    search(2);
}

#[test]
fn memory_and_machine_do_what_the_model_does_four() {
    search(3);
}

/// The same with every row read after every command.
#[test]
fn memory_and_machine_do_what_the_model_does_everywhere() {
    let search = Search { seed: 500_000_000, sequences: 500, thorough: true };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (world, mut host) = (World::default(), Memory::default());
    if let Err(difference) = runtime.block_on(search.run(&world, &mut host)) {
        panic!("{difference}");
    }
}
