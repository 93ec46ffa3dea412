//! What is sent first on each new connection.

use std::{
    boxed::Box,
    fmt, format, io,
    string::{String, ToString},
    time::Duration,
};

use beanstalk_proto::{Command, Error, Raw, Reply, client::Timeout};

use super::error::GreetingError;
use crate::driver::{Driver, PollTransport};

/// A request that is sent on each new connection before anything else: see [`ConnectOptions::greeting`](super::ConnectOptions::greeting).
///
/// Its [`Debug`](fmt::Debug) shows the first word of the command only, and so do the errors about it: the rest may be a secret.
///
/// ```
/// use beanstalk_driver::{ConnectOptions, Greeting, proto::{Command, Raw, TubeName}};
///
/// let login = Greeting::new(Raw::new("login worker-3 secret"), "WELCOME");
/// assert_eq!(format!("{login:?}"), r#"Greeting("login", …)"#);
///
/// let options = ConnectOptions::new()
///     .greeting(login)
///     .greeting(Command::Watch { tube: TubeName::new("mails")? });
/// assert_eq!(options.greeting.len(), 2);
/// # Ok::<(), beanstalk_driver::proto::TubeNameError>(())
/// ```
#[derive(Clone)]
pub struct Greeting {
    request: GreetingRequest,
    /// The word that the reply has to be.
    answer: Option<Box<str>>,
}

/// What a greeting sends.
#[derive(Clone)]
pub(crate) enum GreetingRequest {
    Command(Command),
    Raw(Raw<'static>),
}

impl Greeting {
    /// Makes one of a command without a name here, and the word that it is answered with if the server agrees. Any other reply is a refusal.
    #[must_use]
    pub fn new(command: Raw<'static>, answer: &str) -> Self {
        Self { request: GreetingRequest::Raw(command), answer: Some(answer.into()) }
    }

    /// Returns `auth TOKEN`, which is answered `AUTHENTICATED`.
    #[must_use]
    pub fn token(token: &str) -> Self {
        Self::new(Raw::new(format!("auth {token}")), "AUTHENTICATED")
    }

    /// Returns the command's first word.
    #[must_use]
    pub fn word(&self) -> &str {
        match &self.request {
            GreetingRequest::Command(command) => command.kind().word(),
            GreetingRequest::Raw(raw) => raw.line().split(' ').next().unwrap_or_default(),
        }
    }

    /// Returns what is sent.
    pub(crate) const fn request(&self) -> &GreetingRequest {
        &self.request
    }

    /// Sends it, and waits for the reply; `within` is what is left of the time for connecting.
    pub(super) async fn send<T: PollTransport>(
        &self,
        driver: &mut Driver<T>,
        within: Option<Duration>,
    ) -> Result<(), Refusal> {
        let of_config = driver.connection.config().reply_timeout;
        if let Some(timeout) = [within, of_config].into_iter().flatten().min() {
            driver.set_timeout(Timeout::After(timeout));
        }
        let result = match &self.request {
            GreetingRequest::Command(command) => driver.call(command.clone()).await,
            GreetingRequest::Raw(raw) => driver.call(raw.clone()).await,
        };
        match (result, self.answer.as_deref()) {
            (Ok(_), None) => Ok(()),
            (Ok(Reply::Other(reply)), Some(answer)) if reply.word() == answer.as_bytes() => Ok(()),
            (Ok(reply), Some(_)) => Err(Refusal::Refused(text(&reply))),
            (Err(error), _) => Err(match (error.command_error(), error) {
                (Some(error), _) => Refusal::Refused(error.reply().as_ref().map_or_else(|| error.to_string(), text)),
                (None, Error::Argument(error)) => Refusal::Invalid(error.into()),
                // The others may repeat the line, with what is secret in it.
                (None, Error::TimedOut { .. }) => Refusal::Failed(io::ErrorKind::TimedOut.into()),
                (None, Error::Io { error, .. }) => Refusal::Failed(error),
                (None, Error::Closed { .. }) => Refusal::Failed(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("the server closed the connection instead of answering {:?}", self.word()),
                )),
                (None, Error::Protocol { error, .. }) => {
                    Refusal::Failed(io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
                }
                (None, _) => Refusal::Refused("a reply that is over a limit of this client".into()),
            }),
        }
    }

    pub(super) fn refused(&self, node: &str, answer: &str) -> GreetingError {
        GreetingError { node: node.into(), command: self.word().into(), answer: answer.into() }
    }
}

/// Why there is no connection after a greeting.
pub(super) enum Refusal {
    /// This was the answer.
    Refused(String),
    /// It cannot be sent.
    Invalid(Error),
    /// There was none.
    Failed(io::Error),
}

/// A reply as its word, which cannot be a secret of ours.
fn text(reply: &Reply) -> String {
    match reply {
        Reply::Other(reply) => reply.word().escape_ascii().to_string(),
        reply => reply.kind().map_or_else(String::new, |kind| kind.word().into()),
    }
}

impl From<Command> for Greeting {
    fn from(command: Command) -> Self {
        Self { request: GreetingRequest::Command(command), answer: None }
    }
}

impl fmt::Debug for Greeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Greeting({:?}, …)", self.word())
    }
}
