//! What the asynchronous workers, sessions and producers promise, written once for every runtime and every server.
//!
//! Servers here can be killed and started again at the same address.

pub mod consumers;
pub mod crowd;
pub mod every;
pub mod gone;
pub mod killed;
pub mod producers;
pub mod sessions;
pub mod shared;
pub mod tally;
pub mod upkeep;
pub mod workers;

use std::time::{Duration, Instant};

use beanstalk_driver::{self as tasks, Futures, Runtime};

use consumers::Host;

use crate::{
    Backend,
    daemon::Daemon,
    runner::{self, Trial},
    server,
};

/// A runtime under test.
pub trait Adapter: Runtime<Handlers = Futures> {
    /// How tests call it.
    const NAME: &'static str;

    /// Runs a scenario to its end.
    fn block_on<F: Future>(scenario: F) -> F::Output;

    /// Waits.
    fn pause(duration: Duration) -> impl Future<Output = ()> + Send {
        let runtime = Self::default();
        async move { runtime.sleep(runtime.now() + duration).await }
    }
}

impl Adapter for beanstalk_tokio::Tokio {
    const NAME: &'static str = "tokio";

    fn block_on<F: Future>(scenario: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(scenario)
    }
}

impl Adapter for beanstalk_async_std::AsyncStd {
    const NAME: &'static str = "async-std";

    fn block_on<F: Future>(scenario: F) -> F::Output {
        async_std::task::block_on(scenario)
    }
}

/// What a worker counts that has counted this and nothing else.
pub fn counted(set: impl FnOnce(&mut tasks::policy::Metrics)) -> tasks::policy::Metrics {
    let mut metrics = tasks::policy::Metrics::default();
    set(&mut metrics);
    metrics
}

/// Where a test's servers come from.
#[derive(Clone, Copy, Debug)]
pub struct Stand {
    backend: Backend,
}

impl Stand {
    /// A server of its own.
    pub fn server(self) -> Daemon {
        Daemon::start(self.backend, false)
    }

    /// A server of its own that keeps its jobs through a restart, where there is such a one.
    pub fn durable(self) -> Option<Daemon> {
        (self.backend == Backend::Real).then(|| Daemon::start(self.backend, true))
    }
}

/// A session on this server that is there.
async fn session<R: Adapter>(server: &Daemon) -> tasks::Session<R> {
    tasks::Session::connect(&server.address()).await.expect("a connection")
}

/// Waits until something has come about that no event shows.
async fn eventually<R: Adapter>(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "it does not come about: {what}");
        R::pause(Duration::from_millis(2)).await;
    }
}

macro_rules! scenarios {
    ($all:ident<$host:ident> $($module:ident { $($name:ident)* })*) => {
        /// All of these scenarios for one runtime, against every server.
        pub fn $all<R: $host>() -> Vec<Trial> {
            let mut trials = Vec::new();
            for backend in [Backend::Real, Backend::Embedded] {
                $($({
                    let name = format!("{}::{}::{}::{}", <R as $host>::NAME, backend.name(), stringify!($module), stringify!($name));
                    let play = move || <R as $host>::block_on($module::$name::<R>(Stand { backend }));
                    let absent = backend == Backend::Real && server::installed().is_none();
                    trials.push(runner::trial(name, play).with_ignored_flag(absent));
                })*)*
            }
            trials
        }
    };
}

scenarios! {
    hosts<Host>
    gone {
        a_slot_whose_task_is_gone_is_reported
    }
    consumers {
        nothing_is_reserved_while_nobody_waits
        what_comes_when_its_call_is_gone_is_the_next_ones_or_given_back
        a_call_that_is_dropped_with_its_job_gives_it_back
        held_jobs_are_kept_alive_and_finished_anywhere
        a_job_ends_as_its_owner_decides
        a_job_that_is_held_for_too_long_is_its_owners_no_more
        several_servers_are_consumed_and_restarts_survived
        a_shutdown_lets_jobs_in_hand_be_finished_until_its_deadline
        a_consumer_that_is_dropped_leaves_the_jobs_in_hand_to_be_finished
        a_question_about_a_job_is_answered_though_its_server_is_gone
        statistics_that_make_no_sense_name_their_job
        a_consumer_is_a_stream
        a_job_framework_runs_on_it
    }
}

scenarios! {
    all<Adapter>
    workers {
        a_job_outlives_its_ttr_while_its_handler_runs
        a_handler_that_errs_or_panics_is_retried_and_then_buried_with_its_priority
        a_shutdown_lets_handlers_finish_and_reserves_nothing_more
        a_shutdown_gives_back_at_its_deadline_what_is_stuck
        an_idle_worker_stops_at_once
        a_run_that_is_dropped_gives_its_jobs_back
        a_server_that_is_restarted_is_worked_for_again
        all_servers_are_worked_for_and_a_dead_one_disturbs_nobody
        servers_come_and_go_while_the_worker_runs
        a_handler_has_the_attempt_and_the_server_is_asked_once
        a_handler_may_ask_about_its_job_while_it_is_touched
        what_is_wrong_is_reported_before_anything_runs
    }
    killed {
        the_job_in_hand_is_taken_back_where_the_server_remembers_it
        a_jobs_handle_takes_it_back_where_the_server_remembers_it
        what_was_acknowledged_is_done_though_servers_are_killed_all_the_time
    }
    sessions {
        a_new_connection_uses_and_watches_what_the_old_one_did
        a_job_of_a_lost_connection_is_not_held_nor_is_another_under_its_id
        verdicts_keep_the_jobs_priority
        a_selection_that_was_dropped_is_undone
        patience_ends_with_why_there_is_no_connection
        without_reconnecting_a_broken_connection_ends_the_session
        the_end_of_its_connection_can_be_awaited
    }
    producers {
        servers_take_turns_and_a_dead_one_is_passed_over
        a_key_stays_with_its_server_until_that_is_gone
        a_job_is_found_where_it_was_placed
        a_clone_has_a_tube_and_a_timeout_of_its_own
        many_tasks_lose_no_job_while_a_server_dies_and_comes_back
    }
    shared {
        a_path_that_swallows_what_is_sent_is_left_and_nobody_waits_longer_than_configured
        the_end_of_a_client_can_be_awaited
        who_waits_no_longer_for_the_end_of_a_client_is_forgotten
    }
    upkeep {
        a_tube_is_cleared_by_state
        jobs_move_between_servers_with_progress
        an_empty_tube_is_awaited
        a_move_that_is_dropped_anywhere_loses_nothing
        a_clear_that_is_dropped_anywhere_can_be_repeated
        a_scan_goes_on_whenever_next_was_dropped
    }
}
