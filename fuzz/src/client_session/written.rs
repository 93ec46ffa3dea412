//! What a connection has written, and the commands that it is by the naive parser.

use beanstalk_proto::{Command, Dialect, Segments, server::Event};

use crate::naive;

#[derive(Default)]
pub(super) struct Written {
    len: usize,
    /// The start of a command, or what follows a `quit`.
    incomplete: Vec<u8>,
    commands: Vec<Command>,
    quit: bool,
}

impl Written {
    /// Takes so many bytes at most. Returns how many.
    pub(super) fn extend(&mut self, segments: Segments<'_>, most: usize) -> usize {
        let mut left = most;
        for segment in segments {
            let n = left.min(segment.len());
            self.incomplete.extend_from_slice(&segment[..n]);
            left -= n;
        }
        let taken = most - left;
        self.len += taken;
        if !self.quit {
            let (events, read, quit) = naive::session_so_far(&self.incomplete, u32::MAX, Dialect::V1_13);
            self.commands.extend(events.into_iter().filter_map(|event| match event {
                Event::Command(command) => Some(command),
                _ => None,
            }));
            self.incomplete.drain(..read);
            self.quit = quit;
        }
        taken
    }

    /// How many bytes were written.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whole commands, but for a `quit`.
    pub(super) fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// Whether a `quit` was written.
    pub(super) fn quit(&self) -> bool {
        self.quit
    }
}
