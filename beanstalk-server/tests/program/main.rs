//! The program: its flags, its exit codes, its signals, its sockets and what it prints. What beanstalkd does as well is
//! shown by running both.
#![cfg(unix)]

#[allow(unreachable_pub, reason = "it is public where it comes from")]
#[path = "../../../tests/src/server/installed.rs"]
mod installed;

mod activation;
mod flags;
mod harness;
mod printing;
mod sockets;
