//! Why a reply could not be decoded.

use alloc::boxed::Box;

use thiserror::Error;

use crate::{
    reply::{CommandError, Reply},
    stats::StatsError,
};

/// Why a reply could not be turned into what the request promises; what [`Request::decode`] fails with.
///
/// [`Request::decode`]: crate::Request::decode
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The server answered with an error reply.
    #[error(transparent)]
    Command(CommandError),
    /// The body is not the statistics it should be.
    #[error(transparent)]
    Stats(Box<StatsError>),
}

impl From<StatsError> for DecodeError {
    fn from(error: StatsError) -> Self {
        Self::Stats(Box::new(error))
    }
}

impl From<Reply> for DecodeError {
    fn from(reply: Reply) -> Self {
        Self::Command(CommandError::from(&reply))
    }
}
