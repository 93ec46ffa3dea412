//! What can be wrong with a body.

use thiserror::Error;

use crate::types::{Excerpt, TubeNameError};

/// Why a body is not the statistics, or the list of names, that it should be. The connection stays in sync.
///
/// A call fails with it as an [`Error::Stats`](crate::Error::Stats).
///
/// ```
/// use beanstalk_proto::stats::JobStats;
///
/// let error = JobStats::decode(b"---\nid: seven\n").unwrap_err();
/// assert!(error.to_string().starts_with("id is "));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StatsError {
    /// The body does not begin with the line `---`.
    #[error("the body begins with {start}, not with a line \"---\"")]
    Start {
        /// How it begins.
        start: Excerpt,
    },
    /// A line that is not `key: value` (or, in a list, not `- name`), or is not UTF-8.
    #[error("cannot make sense of the line {line}")]
    Line {
        /// The line.
        line: Excerpt,
    },
    /// A key with a value that it cannot have.
    #[error("{key} is {value}, not {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// What it would take.
        expected: &'static str,
        /// What came.
        value: Excerpt,
    },
    /// A key that comes a second time: which one to believe?
    #[error("{key} comes a second time, as {value}")]
    Repeated {
        /// The key.
        key: &'static str,
        /// The second value.
        value: Excerpt,
    },
    /// A key that is needed here did not come.
    #[error("there is no {key}")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// An item of a list that is not a tube name.
    #[error("in the list: {0}")]
    Name(#[source] TubeNameError),
}
