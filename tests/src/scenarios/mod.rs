//! What a server and a client do together, written once for every client and every server.
//!
//! A scenario gets a fresh server. Where time is the subject it waits for what the server does, never for a clock of its
//! own.

pub mod addresses;
pub mod bare;
pub mod bodies;
pub mod cancelled;
pub mod endings;
pub mod jobs;
pub mod kicks;
pub mod not_found;
pub mod order;
pub mod pipelines;
pub mod reserves;
pub mod statistics;
pub mod tubes;

use beanstalk_proto::{CommandError, Error, Kind};

use crate::{peer::Peer, session::Stage};

/// One scenario for one client.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// The file it is in.
    pub module: &'static str,
    /// What it pins.
    pub name: &'static str,
    /// The commands it is there for.
    pub kinds: &'static [Kind],
    /// Plays it; panics if the promise is not kept.
    pub play: fn(&Stage),
}

macro_rules! scenarios {
    ($($module:ident { $($name:ident [$($kind:ident)*])* })*) => {
        /// All scenarios, for one client.
        pub fn all<P: Peer>() -> Vec<Scenario> {
            vec![$($(Scenario {
                module: stringify!($module),
                name: stringify!($name),
                kinds: &[$(Kind::$kind),*],
                play: |stage| P::block_on($module::$name::<P>(stage)),
            }),*),*]
        }
    };
}

scenarios! {
    addresses {
        ipv6_and_unix_sockets_work_like_any_other [Put ReserveWithTimeout]
        a_host_name_works_like_an_address []
        an_address_without_a_server_is_an_error_that_names_it []
        what_is_no_endpoint_is_refused_before_connecting []
    }
    bodies {
        a_body_comes_back_byte_for_byte [Put Reserve Delete Peek]
        a_body_that_is_not_text_is_reported_with_the_place []
        a_body_over_the_limit_is_refused_and_the_connection_goes_on [Put]
        a_limit_set_by_hand_holds_to_the_byte [Put]
        a_reply_over_our_limit_leaves_a_job_that_can_be_buried [Reserve Bury]
    }
    cancelled {
        a_cancelled_reserve_is_adopted_by_the_next [Reserve ReserveWithTimeout]
        an_adopting_reserve_with_timeout_ends_when_its_own_time_is_over [ReserveWithTimeout]
        a_reserve_outlives_the_timeout_of_the_one_it_adopted [Reserve]
        behind_a_cancelled_reserve_commands_fail_until_a_job_arrives [ListTubeUsed]
        a_parked_job_is_confirmed_by_a_touch [ReserveWithTimeout]
        a_parked_job_that_another_worker_holds_by_now_is_not_delivered [ReserveWithTimeout]
        a_job_that_arrived_unread_and_is_no_longer_ours_is_not_delivered [ReserveWithTimeout]
        reserve_with_timeout_0_after_a_cancelled_reserve_finds_the_job [ReserveWithTimeout]
        take_orphaned_gives_the_job_that_arrived_for_nobody [Delete]
        a_cancelled_reserve_job_parks_its_job [ReserveWithTimeout]
        cancelling_any_command_leaves_the_connection_in_sync []
        disconnecting_while_a_reserve_waits_does_not_wait []
    }
    endings {
        the_end_of_a_connection_is_noticed_without_a_call []
        the_end_of_a_connection_can_be_awaited []
        what_poisons_an_idle_connection_ends_it []
        waiting_for_the_end_takes_no_reply_away [ReserveWithTimeout]
        a_put_that_was_flushed_is_done_though_its_client_closes_at_once [Put]
        dropping_a_client_closes_and_sends_nothing []
        a_panic_closes_and_gives_the_jobs_held_back_at_once [Reserve]
    }
    jobs {
        a_job_is_put_reserved_and_deleted [Put ReserveWithTimeout Delete Peek StatsJob]
        ids_count_up_from_one [Put]
        the_builder_and_the_positional_put_send_the_same [Put StatsJob]
        a_ttr_of_zero_becomes_one [Put StatsJob]
        a_held_job_whose_ttr_runs_out_becomes_ready [Reserve StatsJob]
        touch_gives_a_job_its_whole_ttr_again [Touch]
        release_takes_a_new_priority_and_a_delay [Release StatsJob]
        bury_takes_a_new_priority [Bury PeekBuried]
        any_connection_deletes_what_nobody_holds [Delete]
        only_the_holder_deletes_releases_buries_and_touches [Delete Release Bury Touch]
        a_lost_connection_gives_its_jobs_back_at_once [Reserve StatsJob]
        quit_gives_jobs_back_and_ends_the_connection [Quit]
        a_draining_server_refuses_jobs_and_nothing_else [Put Stats]
    }
    kicks {
        kick_takes_buried_jobs_first_and_delayed_ones_only_without_them [Kick PeekDelayed PeekReady]
        kick_takes_no_more_than_its_bound_and_in_order_of_burying [Kick]
        kick_is_about_the_tube_in_use [Kick]
        kick_job_kicks_a_buried_or_a_delayed_job [KickJob]
        kick_job_of_a_ready_or_held_job_finds_nothing [KickJob]
    }
    not_found {
        every_command_about_a_missing_job_is_not_found
            [Delete Release Bury Touch Peek KickJob ReserveJob StatsJob]
        peeking_into_empty_queues_finds_nothing [PeekReady PeekDelayed PeekBuried]
        every_command_about_a_missing_tube_is_not_found [StatsTube PauseTube]
        a_bad_format_leaves_the_connection_usable [ListTubeUsed]
        an_unknown_command_leaves_the_connection_usable [ListTubeUsed]
    }
    order {
        the_most_urgent_job_comes_first_and_among_equals_the_oldest [Put Reserve]
        a_released_job_keeps_the_place_of_its_id [Release]
        a_delayed_job_becomes_ready_when_its_delay_is_over [Put PeekDelayed]
        among_watched_tubes_the_most_urgent_job_wins [Watch Reserve]
        a_job_of_a_tube_not_watched_is_not_reserved [Ignore ReserveWithTimeout]
    }
    pipelines {
        two_requests_together_get_a_result_each [Delete Reserve ReserveWithTimeout]
        replies_can_be_taken_in_any_order []
        a_request_is_with_the_server_once_send_returns [Reserve]
        mixed_commands_get_a_result_each_and_a_refusal_disturbs_none []
        many_more_requests_than_the_window_get_their_results_in_order [Put]
        results_that_nobody_takes_leave_the_connection_in_sync []
        bodies_that_cross_in_a_deep_pipeline_all_arrive []
        a_raw_command_and_one_of_our_own_work_like_the_built_in_ones []
    }
    reserves {
        reserve_waits_until_a_job_comes [Reserve]
        reserve_with_timeout_0_only_looks [ReserveWithTimeout]
        reserve_with_timeout_waits_no_longer_than_its_timeout [ReserveWithTimeout]
        deadline_soon_ends_a_reserve_of_who_holds_an_expiring_job [Reserve ReserveWithTimeout]
        after_deadline_soon_a_touch_lets_reserves_wait_again [Reserve Touch]
        a_ready_job_wins_against_deadline_soon [Reserve]
        reserve_job_takes_ready_delayed_and_buried_jobs [ReserveJob]
        reserve_job_leaves_what_another_connection_holds [ReserveJob]
        reserve_job_needs_no_watching_and_no_running_tube [ReserveJob]
        nothing_is_sent_behind_a_waiting_reserve [Reserve]
        what_is_sent_behind_a_reserve_with_timeout_waits_as_long []
        the_reply_timeout_does_not_apply_to_reserves [Reserve ReserveWithTimeout]
    }
    statistics {
        every_key_of_the_server_is_a_field [Stats]
        every_key_of_a_tube_is_a_field [StatsTube]
        every_key_of_a_job_is_a_field [StatsJob]
        the_counters_of_a_server_count [Stats]
        the_counters_of_a_tube_count [StatsTube]
        the_state_of_a_job_is_reported [StatsJob]
    }
    tubes {
        a_tube_is_used_and_named [Use ListTubeUsed]
        watching_and_ignoring_return_how_many_are_watched [Watch Ignore ListTubesWatched]
        the_only_watched_tube_is_not_ignored [Ignore]
        a_tube_that_nobody_needs_disappears [ListTubes]
        a_paused_tube_gives_no_jobs_until_the_pause_is_over [PauseTube PeekReady StatsTube]
        a_pause_of_zero_ends_a_pause [PauseTube]
        the_longest_and_the_oddest_names_work_everywhere [Use Watch Ignore ListTubes StatsTube PauseTube]
        a_bad_name_is_refused_before_a_byte_is_sent [Use]
    }
}

macro_rules! bare_scenarios {
    ($($name:ident)*) => {
        /// The scenarios that need no client.
        pub fn bare_all() -> Vec<Scenario> {
            vec![$(Scenario { module: "bare", name: stringify!($name), kinds: &[], play: bare::$name }),*]
        }
    };
}

bare_scenarios! {
    a_body_longer_than_announced_is_expected_crlf
    half_closing_a_waiting_reserve_times_it_out
    half_closing_in_a_body_closes
    quit_closes_and_what_follows_is_not_read
    what_no_client_sends_is_refused_by_name
    a_line_over_the_limit_is_one_bad_format
    a_job_too_big_is_swallowed_whole
    commands_split_at_every_byte_are_understood
    every_reply_is_spelt_as_expected
}

/// Checks that a command was refused with this, and that the error names both.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, command: &str, refusal: CommandError) {
    let error = result.unwrap_err();
    assert_eq!(error.command_error(), Some(refusal), "{error}");
    // Of a body that is too big the message says more.
    let said = if refusal == CommandError::JobTooBig { "JOB_TOO_BIG".to_string() } else { refusal.to_string() };
    assert!(error.to_string().starts_with(&format!("{command}: {said}")), "{error}");
    assert!(!error.is_fatal() && error.lost().is_none());
}
