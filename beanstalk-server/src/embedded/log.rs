//! What the binary prints with `-V`: connections with one, commands and replies too with two.

use std::io::{self, Write};

use beanstalk_proto::{Reply, server::Event};

use super::listener::Address;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Log {
    pub(super) verbosity: u8,
}

impl Log {
    pub(super) fn listening(self, address: &Address) {
        self.print(1, format_args!("bind {address}"));
    }

    pub(super) fn accepted(self, slot: usize) {
        self.print(1, format_args!("accept {slot}"));
    }

    pub(super) fn closed(self, slot: usize) {
        self.print(1, format_args!("close {slot}"));
    }

    pub(super) fn accept_failed(self, error: &io::Error) {
        self.print(1, format_args!("accept failed: {error}"));
    }

    pub(super) fn event(self, slot: usize, event: &Event) {
        match event {
            Event::Command(command) => self.print(2, format_args!("<{slot} command {}", command.kind().word())),
            Event::Refused(refused) => {
                let word = refused.kind.map_or("<unknown>", beanstalk_proto::Kind::word);
                self.print(2, format_args!("<{slot} command {word}"));
            }
            _ => {}
        }
    }

    pub(super) fn reply(self, slot: usize, reply: &Reply) {
        if self.verbosity >= 2 {
            let mut line = Vec::new();
            reply.encode_line(&mut line);
            let line = String::from_utf8_lossy(&line);
            self.print(2, format_args!(">{slot} reply {}", line.trim_end()));
        }
    }

    fn print(self, level: u8, line: std::fmt::Arguments<'_>) {
        if self.verbosity >= level {
            // A closed standard output is no reason to stop serving.
            let _ = writeln!(io::stdout().lock(), "{line}");
        }
    }
}
