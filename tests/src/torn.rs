//! Jobs of which a beanstalkd had written all but the body to its binlog when it was killed.
//!
//! Where nothing was written yet a binlog is full of zeros. So such a job comes back with a body of zeros, and with zeros for the line end
//! behind it. Nobody was told that there is one. Every reserve or peek of it ends the connection, and then it is ready again.

use std::{
    thread,
    time::{Duration, Instant},
};

use beanstalk_proto::{CommandError, Error, JobId, ProtocolError};
use beanstalk_sync::Client;

/// Far more than anything may take, on any machine.
const LONG: Duration = Duration::from_secs(60);

/// The job that is torn, if this is why a call failed.
pub fn id(error: &Error) -> Option<JobId> {
    match error {
        Error::Protocol { error: ProtocolError::MissingCrlf { id, .. }, .. } => *id,
        _ => None,
    }
}

/// Deletes a torn job over a new connection. The server refuses it until it has noticed that the one which had reserved it is gone.
pub fn delete(address: &str, id: JobId) {
    let (mut client, until) = (Client::connect(address).unwrap(), Instant::now() + LONG);
    while let Err(error) = client.delete(id) {
        let is_refused = error.command_error() == Some(CommandError::NotFound);
        assert!(is_refused && Instant::now() < until, "job {id}: {error}");
        thread::yield_now();
    }
}

/// Calls this, which makes a connection of its own, until no torn job is in its way. Those that are, at most so many, are deleted.
pub fn past<T>(address: &str, most: &mut usize, mut call: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    loop {
        let error = match call() {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let Some(id) = id(&error).filter(|_| *most > 0) else { return Err(error) };
        *most -= 1;
        delete(address, id);
    }
}
