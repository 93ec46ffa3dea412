//! How a worker works.

use alloc::vec::Vec;

use crate::{
    policy::{backoff::Backoff, retry::RetryPolicy},
    types::TubeName,
};

/// How a worker works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerConfig {
    /// The tubes to take jobs from; `default` if there are none.
    pub tubes: Vec<TubeName>,
    /// How long to wait between attempts to connect.
    pub backoff: Backoff,
    /// What becomes of jobs that fail.
    pub retry: RetryPolicy,
    /// How long one reserve waits, in seconds: 10 unless changed. A server that has vanished without a word is noticed
    /// after this and the reply timeout. With less than a second, there is one reserve a second.
    pub reserve_slice: u32,
    /// Whether to take the job in hand back after the connection broke, as [`Reclaim`](crate::policy::Reclaim) says. Needs servers
    /// from 1.12 on.
    pub reclaim: bool,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            tubes: Vec::new(),
            backoff: Backoff::default(),
            retry: RetryPolicy::default(),
            reserve_slice: 10,
            reclaim: false,
        }
    }
}
