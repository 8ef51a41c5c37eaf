//! The store in memory and the state machine against the model.

use oneiric_testkit::model::real::{Memory, World};
use oneiric_testkit::model::search::Search;

/// The first seed; `ONEIRIC_TEST_SEED` takes another one, to go on elsewhere or to see one again.
fn seed() -> u64 {
    std::env::var("ONEIRIC_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

#[test]
fn memory_and_machine_do_what_the_model_does() {
    let sequences = std::env::var("ONEIRIC_TEST_SEQUENCES").ok().and_then(|n| n.parse().ok());
    let search = Search { seed: seed(), sequences: sequences.unwrap_or(100_000), thorough: false };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (world, mut host) = (World::default(), Memory::default());
    match runtime.block_on(search.run(&world, &mut host)) {
        Ok(tally) => {
            println!("{tally:?}");
            // A generator that mostly asks for what cannot be done finds nothing.
            assert!(tally.effective * 3 > tally.commands, "{tally:?}");
        }
        Err(difference) => panic!("{difference}"),
    }
}
