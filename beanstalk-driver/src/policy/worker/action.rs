//! What a slot has its driver do, and what it waits for meanwhile.

use alloc::boxed::Box;
use core::time::Duration;

use beanstalk_proto::{Command, Instant, Job, JobId, stats::JobStats};

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make a connection; then [`Worker::handle_connected`](super::Worker::handle_connected) or
    /// [`Worker::handle_disconnected`](super::Worker::handle_disconnected).
    Connect,
    /// Send this; then [`Worker::handle_reply`](super::Worker::handle_reply).
    Send(Command),
    /// Send both in one write, what finishes a job and the next reserve; then [`Worker::handle_reply`](super::Worker::handle_reply) for the
    /// first, and after it for the second, unless there is an [`Action::Close`] in between.
    SendBoth(Command, Command),
    /// Let the handler begin; then [`Worker::handle_finished`](super::Worker::handle_finished).
    Start(Job),
    /// The handler has run for as long as it may: drop it, or let it know; then [`Worker::handle_finished`](super::Worker::handle_finished) with this outcome, and
    /// [`Worker::handle_left_running`](super::Worker::handle_left_running) if it runs on.
    GiveUp(Duration),
    /// Ask the function for failures what becomes of the job; then [`Worker::handle_decision`](super::Worker::handle_decision).
    Decide {
        /// The job.
        id: JobId,
        /// Which attempt this was, counted from 1.
        attempt: u64,
        /// The job's statistics.
        stats: Box<JobStats>,
    },
    /// Nothing, until something is handled or until then.
    Wait(Option<Instant>),
    /// Drop the connection, waiting for nothing.
    Close,
    /// The end: drop the connection, and the handler if it still runs. It is the action from then on.
    Stop,
}

/// What the reply will be to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    Connection,
    Replay,
    Reserve,
    Reclaim,
    Touch,
    Learn,
    /// The tube for dead letters.
    Use,
    /// The body of a job that moves there, or its new id.
    Moving,
    Verdict,
}
