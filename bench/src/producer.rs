//! A producer beside the one that is measured.

use std::{
    env,
    process::{Child, Stdio},
};

use anyhow::{Context, Result};

use crate::server::{Pin, on_core};

/// A running producer, in a process of its own; ends when dropped.
#[derive(Debug)]
pub(crate) struct Producer(Child);

impl Producer {
    /// Puts so many jobs, from now on. It runs where it disturbs the client least.
    pub(crate) fn start(port: u16, jobs: u64, pin: Pin) -> Result<Self> {
        let mut command = on_core(pin.producer());
        command.arg(env::current_exe()?).args(["produce", "--port", &port.to_string(), "--jobs", &jobs.to_string()]);
        Ok(Self(command.stdin(Stdio::null()).spawn().context("could not start taskset and the producer")?))
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
