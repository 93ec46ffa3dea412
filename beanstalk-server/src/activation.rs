//! Listening sockets that a service manager hands over, as systemd does: beanstalkd takes them, and so does this program.
//!
//! They are descriptors from 3 on, their number is in `LISTEN_FDS`, and `LISTEN_PID` is the process they are for. What
//! of this means nothing, and what means something that makes no sense, is decided as by libsystemd, which beanstalkd asks.
//! To make a socket of a number is unsafe, so it is left to the crate `listenfd`, which looks first whether it is one.

use std::{
    env, io,
    net::TcpListener,
    os::{fd::AsFd, unix::net::UnixListener},
    process,
};

use listenfd::ListenFd;
use nix::sys::socket::{getsockopt, sockopt::AcceptConn};

/// So many are never handed over; it bounds what is allocated for their numbers.
const MOST: u16 = 1024;

/// The first of the sockets.
pub(crate) enum Inherited {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// What was handed over to this process, if anything was. To be called before anything else is opened: a descriptor that
/// is missing could otherwise be one of our own.
pub(crate) fn inherited() -> io::Result<Option<Inherited>> {
    let (Some(pid), Some(count)) = (env::var_os("LISTEN_PID"), env::var_os("LISTEN_FDS")) else { return Ok(None) };
    let pid: u32 =
        pid.to_str().and_then(|pid| pid.parse().ok()).ok_or_else(|| invalid(format!("LISTEN_PID is {pid:?}")))?;
    if pid != process::id() {
        return Ok(None);
    }
    match count.to_str().and_then(|count| count.parse().ok()) {
        Some(1) => {}
        Some(2..=MOST) => {
            crate::output::warn(format_args!("inherited more than one listen socket; ignoring all but the first"));
        }
        _ => return Err(invalid(format!("LISTEN_FDS is {count:?}, and not a number from 1 to {MOST}"))),
    }
    first(&mut ListenFd::from_env()).map(Some)
}

fn first(sockets: &mut ListenFd) -> io::Result<Inherited> {
    if let Ok(Some(listener)) = sockets.take_tcp_listener(0) {
        return listening(&listener).map(|()| Inherited::Tcp(listener));
    }
    if let Ok(Some(listener)) = sockets.take_unix_listener(0) {
        return listening(&listener).map(|()| Inherited::Unix(listener));
    }
    Err(not_listening())
}

fn listening(socket: &impl AsFd) -> io::Result<()> {
    if getsockopt(socket, AcceptConn)? { Ok(()) } else { Err(not_listening()) }
}

fn not_listening() -> io::Error {
    invalid("the inherited descriptor is not a TCP or UNIX listening socket".into())
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
