//! What handlers and listeners may do that they should not.

use std::{error, fmt, panic, thread};

/// A handler's error.
#[derive(Debug)]
pub enum Evil {
    /// Says this.
    Plain(&'static str),
    /// Fails to be written.
    DisplayFails,
    /// Panics when it is written.
    DisplayPanics,
    /// Panics when it is dropped.
    DropPanics,
}

impl fmt::Display for Evil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => f.write_str(text),
            Self::DisplayFails => Err(fmt::Error),
            Self::DisplayPanics => unwind("written"),
            Self::DropPanics => f.write_str("look out"),
        }
    }
}

impl error::Error for Evil {}

impl Drop for Evil {
    fn drop(&mut self) {
        if matches!(self, Self::DropPanics) && !thread::panicking() {
            unwind("dropped");
        }
    }
}

/// What somebody panics with: panics once more when it is dropped, and so does what that panics with.
#[derive(Debug)]
pub(super) struct Payload(pub(super) u32);

impl Drop for Payload {
    fn drop(&mut self) {
        if self.0 > 0 && !thread::panicking() {
            panic::resume_unwind(Box::new(Self(self.0 - 1)));
        }
    }
}

/// Panics, past the panic hook, which would print.
fn unwind(why: &'static str) -> ! {
    panic::resume_unwind(Box::new(why))
}
