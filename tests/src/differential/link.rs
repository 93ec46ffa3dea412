//! A bare connection whose incoming bytes are cut into replies.

use std::{
    io::{self, ErrorKind, Write},
    net::{Shutdown, TcpStream},
    os::fd::AsRawFd,
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, recv, send},
};

/// How long a reply that must come may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// A reply as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A line with its CRLF, and if one was announced, the body with its CRLF.
    Reply { line: Vec<u8>, body: Option<Vec<u8>> },
    /// The peer closed.
    End,
}

impl Heard {
    pub(super) fn word(&self) -> &[u8] {
        match self {
            Self::Reply { line, .. } => line.split(|&byte| byte == b' ' || byte == b'\r').next().unwrap_or_default(),
            Self::End => b"",
        }
    }
}

#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    unparsed: Vec<u8>,
    ended: bool,
    /// The end was given out.
    told: bool,
    /// How many bytes have come.
    pub(super) heard: u64,
}

impl Link {
    pub(super) fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, unparsed: Vec::new(), ended: false, told: false, heard: 0 })
    }

    /// Sends bytes. While the peer does not take them, what it sends is read. If it has closed, so be it.
    pub(super) fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        while !bytes.is_empty() {
            match send(self.stream.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL) {
                Ok(n) => bytes = &bytes[n..],
                Err(Errno::EAGAIN) if Instant::now() < until => {
                    self.take_what_is_there()?;
                    thread::yield_now();
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EPIPE | Errno::ECONNRESET) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        self.stream.flush()
    }

    pub(super) fn half_close(&self) {
        // It fails if the peer has closed.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next reply, waited for.
    pub(super) fn await_reply(&mut self) -> io::Result<Heard> {
        loop {
            if let Some(heard) = self.parse() {
                return Ok(heard);
            }
            self.read(MsgFlags::empty())?;
        }
    }

    /// The replies that are there now.
    pub(super) fn replies(&mut self) -> io::Result<Vec<Heard>> {
        self.take_what_is_there()?;
        Ok(std::iter::from_fn(|| self.parse()).collect())
    }

    /// Bytes that are no whole reply.
    pub(super) fn rest(&self) -> &[u8] {
        &self.unparsed
    }

    fn take_what_is_there(&mut self) -> io::Result<()> {
        while !self.ended {
            match self.read(MsgFlags::MSG_DONTWAIT) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                read => read?,
            }
        }
        Ok(())
    }

    fn read(&mut self, flags: MsgFlags) -> io::Result<()> {
        if self.ended {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let mut buf = [0; 16 * 1024];
        match recv(self.stream.as_raw_fd(), &mut buf, flags) {
            // A server that closes with something unread resets the connection.
            Ok(0) | Err(Errno::ECONNRESET) => self.ended = true,
            Ok(n) => {
                self.unparsed.extend_from_slice(&buf[..n]);
                self.heard += n as u64;
            }
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn parse(&mut self) -> Option<Heard> {
        let Some(end) = self.unparsed.windows(2).position(|pair| pair == b"\r\n").map(|at| at + 2) else {
            let ends = self.ended && self.unparsed.is_empty() && !self.told;
            self.told |= ends;
            return ends.then_some(Heard::End);
        };
        let total = end + body_len(&self.unparsed[..end - 2]).map_or(0, |len| len + 2);
        if self.unparsed.len() < total {
            return None;
        }
        let mut line: Vec<u8> = self.unparsed.drain(..total).collect();
        let body = line.split_off(end);
        Some(Heard::Reply { line, body: (total > end).then_some(body) })
    }
}

/// How long the body is that a reply line announces.
fn body_len(line: &[u8]) -> Option<usize> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split(' ');
    let announced = match words.next()? {
        "OK" => words.next()?,
        "FOUND" | "RESERVED" => words.nth(1)?,
        _ => return None,
    };
    announced.parse().ok()
}
