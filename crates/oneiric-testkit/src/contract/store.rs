//! What is true of every store.
//!
//! A backend says in a [`Site`] how it is opened, and runs the whole contract by one line in a test
//! module of its own:
//!
//! ```ignore
//! fn site() -> Arc<dyn Site> { Arc::new(Memory::default()) }
//! oneiric_testkit::store_contract!(site);
//! ```
//!
//! Every case runs on a multi-threaded and on a current-thread runtime: a store may commit on the
//! thread that polls it, and then the two differ most.

pub mod asked;
pub mod claim;
pub mod commit;
pub mod event;
pub mod lease;
pub mod life;
pub mod listing;
pub mod liveness;
pub mod model;
pub mod op;
mod sample;
pub mod value;

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use oneiric_store::{BootRecord, Store};

/// A place where one store lives, empty at first.
#[async_trait]
pub trait Site: Send + Sync {
    /// Opens the store; after a close, the one with what was left.
    fn open(&self) -> Arc<dyn Store>;

    /// Whether a store that was closed can be opened again.
    fn is_durable(&self) -> bool;

    /// A process enters as `boot` and dies.
    async fn dies(&self, boot: BootRecord);
}

/// Runs a case on a runtime with four workers.
pub fn on_many_threads<F: Future<Output = ()>>(case: fn(Arc<dyn Site>) -> F, site: Arc<dyn Site>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap().block_on(case(site));
}

/// Runs a case on a runtime with nothing but the calling thread.
pub fn on_one_thread<F: Future<Output = ()>>(case: fn(Arc<dyn Site>) -> F, site: Arc<dyn Site>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(case(site));
}

/// The whole contract as tests, given the name of a function in scope that makes an empty
/// `Arc<dyn Site>`.
#[macro_export]
macro_rules! store_contract {
    ($site:ident) => {
        mod on_many_threads {
            use super::$site as new_site;
            $crate::store_contract!(@cases on_many_threads);
        }
        mod on_one_thread {
            use super::$site as new_site;
            $crate::store_contract!(@cases on_one_thread);
        }
    };
    (@cases $runtime:ident) => {
        $crate::store_contract!(@each $runtime
            asked::every_command_comes_back_with_every_field,
            asked::commands_are_read_in_the_order_in_which_they_were_put,
            asked::a_command_is_there_until_it_was_obeyed,
            asked::a_run_is_open_until_it_has_ended,
            asked::the_last_word_on_a_component_counts_and_a_default_removes_it,
            claim::claims_take_the_oldest_first_and_raise_the_fence,
            claim::a_claim_takes_what_the_selection_takes_and_nothing_else,
            claim::a_fence_that_was_passed_refuses_its_owner,
            claim::what_the_dead_owned_is_free_and_they_are_found_once,
            claim::a_beat_in_time_keeps_everything,
            claim::a_run_is_given_back_as_it_is,
            claim::leaving_frees_everything,
            commit::batches_apply_in_the_order_of_the_calls,
            commit::a_batch_happens_whole_or_not_at_all,
            commit::every_precondition_is_checked,
            commit::a_refusal_does_not_disturb_its_neighbours,
            commit::a_dropped_commit_is_applied,
            commit::a_commit_that_nobody_polls_is_applied,
            commit::an_answered_batch_is_visible_to_every_reader,
            commit::writers_at_the_same_time_lose_nothing,
            event::an_event_comes_back_with_every_field_and_a_place,
            event::an_event_is_accepted_once,
            event::a_delivery_comes_back_with_every_field_and_is_put_once,
            event::a_deliverys_state_is_set_but_its_fence_is_not,
            event::a_delivery_that_is_not_held_is_not_begun_again,
            event::a_delivery_is_given_back_as_it_is_under_a_higher_fence,
            event::what_is_due_and_free_is_claimed_by_priority_and_age,
            event::deliveries_of_the_dead_are_free_and_only_a_begun_try_counts_the_death,
            event::events_are_listed_by_place_topic_and_time,
            event::deliveries_are_listed_by_event_handler_and_status,
            event::an_event_goes_with_its_deliveries_and_its_place_is_not_given_again,
            event::a_delivery_that_begins_anew_does_so_once,
            event::a_delivery_is_asked_to_be_absent_of_an_event_that_is_there,
            event::an_event_is_settled_once_every_delivery_is_over,
            lease::a_beat_is_counted_and_an_ended_boot_is_not_open,
            lease::a_boot_comes_back_with_every_field,
            lease::boots_are_listed_with_what_they_own_until_they_end,
            lease::a_claim_that_is_refused_buries_nobody,
            lease::deaths_are_counted_where_they_were_and_leaving_is_none,
            life::a_closed_store_refuses_everything,
            life::closing_applies_what_is_in_line,
            life::everything_is_there_after_reopening,
            listing::pages_are_the_newest_first_without_gap_or_repetition,
            listing::a_filter_lists_what_it_accepts,
            liveness::healthy_rows_are_not_stuck,
            liveness::every_kind_of_being_stuck_is_found,
            liveness::healthy_deliveries_are_not_stuck,
            liveness::every_kind_of_stuck_delivery_is_found,
            model::a_random_history_reads_as_in_the_model,
            op::a_run_comes_back_with_every_field,
            op::a_runs_state_is_set_but_its_fence_is_not,
            op::nodes_are_replaced_and_come_back_by_place,
            op::a_checkpoint_is_written_once,
            op::the_journal_takes_the_next_entry_only,
            op::rows_of_a_run_that_is_not_there_are_dropped,
            op::equal_blobs_are_one,
            op::an_extension_counts_its_versions_across_removal,
            op::a_family_of_extensions_comes_back_by_key,
            op::what_operators_said_is_changed_by_who_has_seen_it,
            value::text_of_any_script_survives,
            value::numbers_survive_bit_by_bit,
            value::large_values_survive_and_are_read_as_small_ones,
        );
    };
    (@each $runtime:ident $($module:ident :: $case:ident),* $(,)?) => {
        $(
            #[test]
            fn $case() {
                $crate::contract::store::$runtime($crate::contract::store::$module::$case, new_site());
            }
        )*
    };
}
