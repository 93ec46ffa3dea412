//! Peers that break the protocol, or do nothing at all: each ends in an error of its own that names what happened, and
//! never in a hang.

pub mod endings;
pub mod lines;
pub mod silence;

use std::time::Duration;

use beanstalk_proto::client::{Config, Limits};

use crate::peer::Peer;

/// One misdeed, against one client.
#[derive(Clone, Copy, Debug)]
pub struct Misdeed {
    /// The file it is in.
    pub module: &'static str,
    /// What it pins.
    pub name: &'static str,
    /// Commits it; panics if the client takes it badly.
    pub play: fn(),
}

/// A reply timeout that a test can wait for, and that a slow machine's peers answer within.
pub const SHORT: Duration = Duration::from_millis(500);

/// A configuration with this timeout.
pub fn impatient() -> Config {
    Config { reply_timeout: Some(SHORT), connect_timeout: Some(Duration::from_secs(20)), limits: Limits::default() }
}

macro_rules! misdeeds {
    ($($module:ident { $($name:ident)* })*) => {
        /// All of them, against one client.
        pub fn all<P: Peer>() -> Vec<Misdeed> {
            vec![$($(Misdeed {
                module: stringify!($module),
                name: stringify!($name),
                play: || P::block_on($module::$name::<P>()),
            }),*),*]
        }
    };
}

misdeeds! {
    endings {
        a_reply_that_ends_at_any_byte_is_a_closed_connection
        after_a_fatal_error_a_pipeline_reports_what_became_of_each_request
        what_was_read_before_a_reset_may_have_run_whichever_way_it_was_sent
        a_put_that_is_buried_for_want_of_memory_is_an_outcome
    }
    lines {
        a_reply_split_at_every_byte_is_one_reply
        a_reply_that_nobody_asked_for_poisons_the_connection
        what_cannot_answer_a_request_poisons_the_connection
        a_body_without_its_crlf_poisons_the_connection
        a_line_that_never_ends_is_cut_off
    }
    silence {
        a_job_too_big_that_came_for_nobody_is_reported_without_asking
        a_silent_peer_times_out_and_the_connection_stays_in_sync
        the_reply_timeout_does_not_end_a_reserve
        a_body_that_stops_in_the_middle_times_out
        a_reply_that_dribbles_past_the_timeout_times_out
        a_peer_that_never_reads_times_out_a_large_put
        a_peer_that_reads_in_drips_times_out_a_large_put
        one_time_holds_for_a_call_whatever_dribbles
        a_reply_timeout_of_zero_is_no_argument
        a_call_may_have_a_time_of_its_own
        a_calls_time_bounds_its_wait_for_room_and_is_nobody_elses
        a_pipeline_to_a_silent_peer_takes_one_timeout
        a_peer_that_refuses_a_body_and_reads_no_further_is_heard
        a_late_reply_makes_room_for_the_next_request
        a_put_that_was_not_read_in_time_does_not_keep_the_next_out
        each_of_two_requests_has_its_own_time
        what_a_reserve_may_wait_counts_from_the_reply_before_it
        timeouts_may_be_as_long_as_the_protocol_allows
        dropping_a_client_never_waits_for_its_peer
        disconnecting_from_a_peer_that_never_closes_times_out
    }
}
