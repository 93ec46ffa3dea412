//! What a client that outlives its connections reports of them.

use alloc::boxed::Box;
use core::{fmt, time::Duration};

use crate::policy::rounded::rounded;

/// What happened to the connection of a session, of a shared client, or of a worker to one of its servers.
///
/// ```
/// use std::time::Duration;
///
/// use beanstalk_driver::policy::Event;
///
/// /// For a client's `on_event`.
/// fn log(event: &Event) {
///     match event {
///         Event::Restored => println!("the queue is back"),
///         Event::Lost { .. } | Event::Refused { .. } => eprintln!("{event}"),
///         _ => {}
///     }
/// }
///
/// let event = Event::Retrying { attempt: 3, delay: Duration::from_millis(250) };
/// assert_eq!(event.to_string(), "reconnecting in 250ms, after 3 failures");
/// # log(&event);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Event {
    /// There is a connection.
    Connected,
    /// Its tubes are restored: requests go through.
    Restored,
    /// The connection broke, or could not be made.
    Lost {
        /// The error, as it is printed.
        reason: Box<str>,
    },
    /// There is no connection because one side refuses the other, or cannot understand it: see
    /// [`Error::is_refusal`](beanstalk_proto::Error::is_refusal). A session makes the next attempt with its next call, and a worker's slot ends.
    Refused {
        /// The error, as it is printed.
        reason: Box<str>,
    },
    /// The next attempt to connect is made after this delay.
    Retrying {
        /// How many attempts have failed in a row.
        attempt: u32,
        /// How long until the next.
        #[cfg_attr(feature = "serde", serde(with = "crate::policy::data::seconds"))]
        delay: Duration,
    },
    /// There will be no other connection.
    Ended,
}

impl Event {
    /// Writes it behind the name of this server, which it does not repeat.
    pub(crate) fn write_of(&self, server: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => f.write_str("connected"),
            Self::Restored => f.write_str("the tubes are restored"),
            Self::Lost { reason } => match unconnected(reason, server) {
                Some(reason) => write!(f, "cannot connect: {reason}"),
                None => write!(f, "lost the connection: {reason}"),
            },
            Self::Refused { reason } => write!(f, "refused: {}", unconnected(reason, server).unwrap_or(reason)),
            Self::Retrying { attempt, delay } => {
                let failures = if *attempt == 1 { "failure" } else { "failures" };
                write!(f, "reconnecting in {:?}, after {attempt} {failures}", rounded(*delay))
            }
            Self::Ended => f.write_str("ended"),
        }
    }
}

/// Returns what `ConnectError` reports without its command, and without this server; `None` of other errors.
fn unconnected<'r>(reason: &'r str, server: &str) -> Option<&'r str> {
    let of_node = reason.strip_prefix("connect ")?;
    Some(of_node.strip_prefix(server).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(of_node))
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_of("", f)
    }
}
