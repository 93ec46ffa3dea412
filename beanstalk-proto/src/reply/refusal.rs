//! Error replies: those that mean the server did not do what it was asked to.

use thiserror::Error;

use super::{Reply, ReplyKind, ReplySet};

/// Emits the enum and both ways between it and [`Reply`], so that they cannot differ.
macro_rules! error_replies {
    ($($(#[$meta:meta])* $name:ident)*) => {
        /// The server's error reply, one variant for each reply word. The connection stays usable.
        ///
        /// [`Error::command_error`](crate::Error::command_error) finds it in what a call has failed with:
        ///
        /// ```
        /// use beanstalk_proto::{CommandError, Error};
        ///
        /// /// Deletes a job that may be gone already.
        /// fn settle(deleted: Result<(), Error>) -> Result<(), Error> {
        ///     match deleted {
        ///         Err(error) if error.command_error() == Some(CommandError::NotFound) => Ok(()),
        ///         deleted => deleted,
        ///     }
        /// }
        /// # let (subject, error) = (beanstalk_proto::Subject::None, CommandError::NotFound);
        /// # assert!(settle(Err(Error::Command { command: "delete", subject, error })).is_ok());
        /// ```
        ///
        /// [`CommandError::reply`] is the way back, for a proxy that forwards the reply.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
        #[non_exhaustive]
        pub enum CommandError {
            $($(#[$meta])* $name,)*
            /// A reply that the request's decoder does not handle. It is no error reply, so there is no way back.
            #[error("a reply that does not answer this request")]
            Unexpected,
        }

        impl CommandError {
            /// The replies that are errors, whatever the command.
            pub(crate) const REPLIES: ReplySet = ReplySet::of(&[$(ReplyKind::$name),*]);

            /// Returns the reply that this error was made from, as a server sends it: what a proxy answers its own client with.
            ///
            /// `None` for [`CommandError::Unexpected`] alone. [`Command`](crate::Command) and [`Raw`](crate::Raw) never fail
            /// with that, because they return every other reply as it is.
            ///
            /// ```
            /// use beanstalk_proto::{CommandError, Error, JobId, Reply, Subject};
            ///
            /// // What a call to the server behind the proxy has returned.
            /// let (subject, error) = (Subject::Job(JobId(7)), CommandError::NotFound);
            /// let error = Error::Command { command: "delete", subject, error };
            /// assert_eq!(error.command_error().and_then(CommandError::reply), Some(Reply::NotFound));
            /// ```
            #[must_use]
            pub const fn reply(self) -> Option<Reply> {
                match self {
                    $(Self::$name => Some(Reply::$name),)*
                    Self::Unexpected => None,
                }
            }
        }

        /// [`CommandError::Unexpected`] for every reply that is not an error.
        impl From<&Reply> for CommandError {
            fn from(reply: &Reply) -> Self {
                match reply {
                    $(Reply::$name => Self::$name,)*
                    _ => Self::Unexpected,
                }
            }
        }
    };
}

error_replies! {
    /// `NOT_FOUND`: no such job or tube, or not in a state (or not held by this connection) that the command needs.
    #[error("NOT_FOUND: there is no such job or tube, or it is not in a state that this command applies to")]
    NotFound
    /// `NOT_IGNORED`: a connection watches at least one tube.
    #[error("NOT_IGNORED: it is the only tube on the watch list")]
    NotIgnored
    /// `DRAINING`: the server takes no new jobs; put it on another server.
    #[error("DRAINING: the server takes no new jobs")]
    Draining
    /// `JOB_TOO_BIG`: the body is over the server's `max-job-size`.
    #[error("JOB_TOO_BIG: the body is over the server's max-job-size")]
    JobTooBig
    /// `OUT_OF_MEMORY`: the server has no memory for it.
    #[error("OUT_OF_MEMORY: the server has no memory for this")]
    OutOfMemory
    /// `INTERNAL_ERROR`: a bug in the server.
    #[error("INTERNAL_ERROR: the server has a bug")]
    InternalError
    /// `BAD_FORMAT`: the server could not read the line.
    #[error("BAD_FORMAT: the server could not read the command line")]
    BadFormat
    /// `UNKNOWN_COMMAND`: an older server, or not beanstalkd.
    #[error("UNKNOWN_COMMAND: the server does not know this command")]
    UnknownCommand
    /// `EXPECTED_CRLF`: the body was not as long as announced.
    #[error("EXPECTED_CRLF: the body was not followed by CR LF")]
    ExpectedCrlf
}
