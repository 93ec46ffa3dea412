//! A beanstalkd process for one test.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::{Options, Place, installed};
use crate::{port, process::Process};

/// Starts a beanstalkd.
pub(super) fn start(options: Options, socket: Option<&Path>) -> (String, Process) {
    port::until_started(|| {
        let (flags, address) = listen_flags(options.place, socket);
        let mut command = Command::new(installed().expect("a beanstalkd"));
        command.args(flags);
        if let Some(size) = options.max_job_size {
            command.args(["-z", &size.to_string()]);
        }
        let mut process = Process::start(&mut command, Stdio::null());
        process.answers(&address).then_some((address, process))
    })
}

fn listen_flags(place: Place, socket: Option<&Path>) -> (Vec<String>, String) {
    let host = match place {
        Place::V4 => "127.0.0.1",
        Place::V6 => "::1",
        Place::Unix => {
            let address = format!("unix:{}", socket.expect("a path").display());
            return (vec!["-l".into(), address.clone()], address);
        }
    };
    let port = port::unused(host);
    let address = if place == Place::V6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    (vec!["-l".into(), host.into(), "-p".into(), port.to_string()], address)
}
