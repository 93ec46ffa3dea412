//! What workers, sessions and producers promise on every binding, blocking or not: a table of scenario and binding.
//!
//! Each scenario is a blocking function, and a [`Binding`] runs what is asked of it in its own way.

mod binding;
mod commands;
mod connections;
mod crowd;
mod dead_paths;
mod events;
mod evil;
mod flushes;
mod handlers;
mod heartbeats;
mod jobs;
mod json;
mod limits;
mod nodes;
mod outages;
mod pace;
mod patience;
mod peers;
mod restarts;
mod session_uses;
mod sessions;
mod shutdowns;
mod stories;
mod timeouts;
mod tubes;

use std::{
    thread,
    time::{Duration, Instant},
};

use super::Stand;
use crate::{
    Backend,
    runner::{self, Trial},
    server,
};

pub use binding::{Async, Binding, Blocking, Deed, Ending, Running, Setup};

/// How long anything may take that comes about by itself.
const LONG: Duration = Duration::from_secs(60);

/// Waits until something has come about that nobody reports.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < until, "it does not come about: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

macro_rules! scenarios {
    (servers { $($with:ident :: $name:ident)* } peers { $($without:ident :: $other:ident)* }) => {
        /// The scenarios of one binding that play on servers, on this one.
        pub fn on<B: Binding>(backend: Backend) -> Vec<Trial> {
            let absent = backend == Backend::Real && server::installed().is_none();
            vec![$({
                let name = format!("{}::{}::{}::{}", B::NAME, backend.name(), stringify!($with), stringify!($name));
                let play = move || $with::$name::<B>(Stand { backend });
                runner::trial(name, play).with_ignored_flag(absent)
            }),*]
        }

        /// All scenarios for one binding: against every server, and against peers made up for the purpose.
        pub fn all<B: Binding>() -> Vec<Trial> {
            let mut trials = on::<B>(Backend::Real);
            trials.extend(on::<B>(Backend::Embedded));
            $({
                let name = format!("{}::{}::{}", B::NAME, stringify!($without), stringify!($other));
                trials.push(runner::trial(name, $without::$other::<B>));
            })*
            trials
        }
    };
}

scenarios! {
    servers {
        jobs::a_job_put_since_with_an_equal_body_is_not_taken_for_the_one_in_hand
        jobs::a_handle_does_not_take_back_a_job_put_since_with_an_equal_body
        jobs::a_handle_finishes_nothing_on_another_connection
        jobs::a_job_to_be_tried_later_has_not_failed_and_a_kick_grants_a_full_set_of_tries
        handlers::handlers_return_any_of_four_types_and_the_errors_of_any_library
        handlers::whatever_a_handler_or_listener_does_the_slot_goes_on
        handlers::a_sessions_listener_that_panics_takes_nothing_with_it
        timeouts::a_handler_that_takes_too_long_is_given_up_tried_again_and_buried_at_last
        tubes::each_tube_has_a_handler_of_its_own_with_types_of_its_own
        tubes::the_tube_is_known_without_a_question_and_asked_for_only_with_several_handlers
        json::a_value_travels_as_json_and_a_malformed_body_is_buried_at_once_unless_set_otherwise
        heartbeats::a_job_outlives_its_ttr_though_its_handler_blocks
        events::everything_that_happens_to_a_job_is_reported
        events::a_job_that_has_failed_for_good_is_moved_to_the_tube_for_dead_letters
        events::a_connection_is_reported_once_for_a_server_and_a_lost_job_by_itself
        limits::a_limit_holds_over_all_servers_and_each_has_its_turn
        shutdowns::jobs_in_hand_when_the_time_is_over_are_returned
        pace::a_silent_server_stalls_no_put_while_another_is_healthy
        restarts::a_session_that_was_idle_notices_before_a_put_that_its_server_was_restarted
        restarts::a_producer_that_was_idle_notices_before_a_put_that_its_server_was_restarted
        restarts::a_worker_hears_at_once_that_the_connection_under_a_running_handler_is_gone
        restarts::a_reserve_that_waits_goes_on_though_its_server_is_restarted
        restarts::a_shared_client_goes_on_though_its_server_is_restarted
        restarts::a_job_that_a_kill_has_torn_is_named_and_can_be_deleted
        commands::every_command_of_a_session_is_answered
        commands::every_command_that_needs_no_tube_is_answered_to_a_shared_client
        nodes::a_session_connects_to_the_node_that_worked_last
        nodes::a_worker_spreads_its_connections_over_the_nodes_and_moves_them
        sessions::after_deadline_soon_a_touch_keeps_the_job_and_the_loop_goes_on
        sessions::what_a_session_has_flushed_is_done_though_it_is_dropped
        sessions::replies_to_what_a_session_has_sent_are_taken_in_any_order
        sessions::a_session_shows_the_end_of_its_connection_without_a_call
        sessions::what_a_greeting_selects_is_known_to_a_session_on_every_connection
        flushes::what_a_shared_client_has_flushed_is_done_though_all_of_it_is_dropped
        flushes::replies_to_what_a_shared_client_has_flushed_are_taken_in_any_order
        flushes::what_a_producer_has_flushed_is_done_though_it_is_dropped
        flushes::replies_to_what_a_producer_has_flushed_are_taken_in_any_order
        flushes::what_a_producer_has_flushed_is_put_on_no_other_server
        outages::a_server_that_refuses_is_left_alone_by_a_producer_of_several
        outages::where_all_servers_refuse_each_put_fails_at_once_and_the_next_one_tries_again
        dead_paths::a_shared_client_gets_over_a_path_that_is_dead_for_a_while
        dead_paths::a_session_gets_over_a_path_that_is_dead_for_a_while
        dead_paths::a_producer_gets_over_a_path_that_is_dead_for_a_while
        dead_paths::a_shared_client_leaves_a_connection_whose_server_vanished_without_a_word
        dead_paths::a_session_leaves_a_connection_whose_server_vanished_without_a_word
        dead_paths::a_producer_leaves_a_connection_whose_server_vanished_without_a_word
        dead_paths::every_put_of_many_is_accounted_for_and_in_its_tube_though_the_server_is_restarted_all_the_time
    }
    peers {
        events::a_job_that_the_server_has_no_memory_to_release_is_reported_as_buried
        connections::a_worker_reports_each_event_of_its_connections
        connections::a_session_and_a_shared_client_report_each_event_of_their_connections
        events::statistics_that_cannot_be_decoded_are_reported_and_finish_no_job
        limits::a_server_that_is_added_again_gets_the_connections_that_it_has_refused_and_no_more
        stories::a_job_that_fails_thrice_is_buried_and_once_kicked_tried_again
        stories::what_a_handler_asks_to_be_tried_later_is_no_failure_of_its_job
        stories::a_job_whose_handlers_take_too_long_is_tried_again_after_its_delays_and_buried
        stories::a_job_that_has_failed_for_good_is_ready_among_the_dead_letters
        jobs::a_handle_buries_no_job_whose_priority_is_not_known
        jobs::a_job_is_finished_and_the_next_reserved_in_one_write
        tubes::a_tube_without_a_handler_or_with_two_is_refused_by_the_builder
        sessions::deadline_soon_neither_ends_a_loop_nor_makes_it_spin
        sessions::a_call_of_a_session_has_a_timeout_of_its_own
        sessions::what_a_session_has_sent_is_not_repeated_on_another_connection
        shutdowns::a_shutdown_is_over_in_time_though_looking_up_a_name_hangs
        shutdowns::a_job_in_hand_is_returned_though_the_server_is_frozen
        shutdowns::a_job_whose_verdict_is_not_answered_is_lost
        pace::a_server_that_refuses_every_reserve_is_connected_to_ever_more_rarely
        pace::reserves_that_end_at_once_are_not_repeated_at_once
        restarts::what_broke_a_replay_is_what_the_call_fails_with
        restarts::a_reserve_is_repeated_with_nothing_left_once_its_timeout_is_over
        patience::connecting_ends_with_the_patience_of_a_session
        patience::connecting_ends_with_the_patience_of_a_producer
        patience::a_put_waits_for_a_server_as_long_as_its_patience
        outages::puts_that_wait_for_a_server_are_bounded_in_number_and_bytes
    }
}
