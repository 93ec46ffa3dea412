//! What the program prints.

use std::{
    fmt,
    io::{self, Write},
};

/// Prints to standard output. If that is full or closed, it cannot be reported, and beanstalkd goes on as well.
pub(crate) fn print(text: fmt::Arguments<'_>) {
    let _ = io::stdout().write_fmt(text);
}

/// Prints a line to standard error, and goes on like [`print`] if it cannot.
pub(crate) fn warn(line: fmt::Arguments<'_>) {
    // In one write, as others may print to it too.
    let _ = io::stderr().write_all(format!("beanstalk-server: {line}\n").as_bytes());
}
