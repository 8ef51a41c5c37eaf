//! What is true of every runtime of components, whatever they are written in.
//!
//! A runtime says in a [`Site`] how it is made to show a [`Behaviour`], and runs the whole contract by
//! one line in a test module of its own:
//!
//! ```ignore
//! fn site() -> Arc<dyn Site> { Arc::new(Programs::new()) }
//! oneiric_testkit::runtime_contract!(site);
//! ```
//!
//! What cannot be shown is said with its reason, and printed. Every case runs on a multi-threaded and on
//! a current-thread runtime: whoever blocks a thread is found on the second.

mod behaviour;
pub mod call;
pub mod fail;
pub mod life;
mod stage;
pub mod stop;

use std::future::Future;
use std::sync::Arc;

use oneiric_core::{Blueprint, Clock, ComponentRuntime, Domain};

pub use behaviour::{Behaviour, LIMIT_BYTES};
pub use stage::{LONG, Log, Stage};

/// A place where components of one runtime can be made.
pub trait Site: Send + Sync {
    /// The runtime, with real time.
    fn runtime(&self) -> Arc<dyn ComponentRuntime>;

    /// The clock of the runtime.
    fn clock(&self) -> Arc<dyn Clock>;

    /// A component of `domain` that behaves as asked, or why there can be none.
    ///
    /// # Errors
    /// The reason, as a sentence.
    fn component(&self, behaviour: Behaviour, domain: Domain) -> Result<Blueprint, &'static str>;

    /// Whether components count their calls, so that a stop drains them and refuses later ones.
    ///
    /// # Errors
    /// Why that is left to others, as a sentence.
    fn drains(&self) -> Result<(), &'static str> {
        Ok(())
    }

    /// Whether a call of [`Behaviour::Waits`] is at work at this moment.
    fn is_at_work(&self) -> bool;
}

/// Runs a case on a runtime with four workers.
pub fn on_many_threads<F: Future<Output = ()>>(case: fn(Arc<dyn Site>) -> F, site: Arc<dyn Site>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    runtime.unwrap().block_on(case(site));
}

/// Runs a case on a runtime with nothing but the calling thread.
pub fn on_one_thread<F: Future<Output = ()>>(case: fn(Arc<dyn Site>) -> F, site: Arc<dyn Site>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(case(site));
}

/// The whole contract as tests, given the name of a function in scope that makes an
/// `Arc<dyn Site>`.
#[macro_export]
macro_rules! runtime_contract {
    ($site:ident) => {
        mod on_many_threads {
            use super::$site as new_site;
            $crate::runtime_contract!(@cases on_many_threads);
        }
        mod on_one_thread {
            use super::$site as new_site;
            $crate::runtime_contract!(@cases on_one_thread);
        }
    };
    (@cases $runtime:ident) => {
        $crate::runtime_contract!(@each $runtime
            call::any_json_comes_back_as_it_was_given,
            call::text_is_worked_on,
            call::a_handler_is_given_the_envelope,
            call::calls_run_side_by_side_and_get_their_own_answers,
            call::settings_of_the_provider_arrive,
            call::lines_are_logged_in_their_order,
            call::a_large_output_arrives,
            fail::a_fault_keeps_its_class_and_says_why,
            fail::an_output_beyond_the_bound_is_a_permanent_fault,
            fail::a_death_during_a_call_is_a_fault_and_the_next_call_works,
            fail::health_is_what_the_component_says,
            stop::a_cancelled_call_stops_its_work,
            stop::a_call_that_is_cancelled_already_is_not_made,
            stop::a_dropped_call_stops_its_work,
            stop::a_dropped_action_stops_its_work,
            life::a_component_plays_the_role_of_its_domain,
            life::checking_finds_nothing_wrong_and_starts_nothing,
            life::a_stop_waits_for_calls_under_way,
            life::a_stop_may_be_repeated_and_later_calls_meet_a_shutdown,
            life::a_component_that_is_dropped_leaves_nothing_at_work,
        );
    };
    (@each $runtime:ident $($module:ident :: $case:ident),* $(,)?) => {
        $(
            #[test]
            fn $case() {
                $crate::contract::runtime::$runtime($crate::contract::runtime::$module::$case, new_site());
            }
        )*
    };
}
