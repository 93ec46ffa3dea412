//! Bytes that are made ready before anything is measured, and the little scanning that the bare sockets do.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use anyhow::{Result, ensure};
use beanstalk_proto::Command;

/// A small body. Text, as one of the published clients takes nothing else.
pub(super) const SMALL: &[u8] = b"0123456789abcdef";
/// A large body, under the server's usual limit of 65535 bytes.
pub(super) static BIG: [u8; 60 * 1024] = [b'x'; 60 * 1024];

/// What a client takes at most, unless it is set otherwise.
pub(super) const LARGE: usize = 16 * 1024 * 1024;

pub(super) const PRIORITY: u32 = 1024;
/// Long enough that no job comes back while something is measured.
pub(super) const TTR: u32 = 3600;
/// Commands in flight in a bare pipeline.
pub(super) const DEPTH: usize = 64;
/// A reserve that does not wait, for pipelines.
pub(super) const RESERVE_NOW: &[u8] = b"reserve-with-timeout 0\r\n";
pub(super) const RESERVE: &[u8] = b"reserve\r\n";

/// The bytes of a put.
pub(super) fn put(body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("put {PRIORITY} 0 {TTR} {}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// How many lines end here, where no body holds a line feed.
pub(super) fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}

/// The digits of the first number in a reply: the bytes to put behind `delete `.
pub(super) fn digits(reply: &[u8]) -> &[u8] {
    let start = reply.iter().position(|&byte| byte == b' ').map_or(reply.len(), |space| space + 1);
    let rest = &reply[start..];
    let len = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    &rest[..len]
}

/// A command on one job, ready to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnJob {
    bytes: [u8; 40],
    word: usize,
    len: usize,
}

impl OnJob {
    pub(super) fn new(word: &[u8]) -> Self {
        let mut bytes = [0; 40];
        bytes[..word.len()].copy_from_slice(word);
        Self { bytes, word: word.len(), len: 0 }
    }

    /// The command about the job whose number has these digits.
    pub(super) fn of(&mut self, digits: &[u8]) -> &[u8] {
        let end = self.word + digits.len();
        self.bytes[self.word..end].copy_from_slice(digits);
        self.bytes[end..end + 2].copy_from_slice(b"\r\n");
        self.len = end + 2;
        &self.bytes[..self.len]
    }

    /// The command about this job.
    pub(super) fn about(&mut self, mut id: u64) -> &[u8] {
        let mut digits = [0; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] = b'0' + (id % 10) as u8;
            id /= 10;
            if id == 0 {
                break;
            }
        }
        self.of(&digits[start..])
    }
}

/// The number that these digits are.
pub(super) fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

/// Whether the reply to a peek has arrived whole.
pub(super) fn is_whole_peek(reply: &[u8]) -> bool {
    reply.len() > BIG.len() && reply.ends_with(b"\r\n")
}

/// How long the reply that begins so is, with a body of [`LARGE`]; more than has arrived while its line has not.
pub(super) fn large_reply(reply: &[u8]) -> usize {
    let line = reply.iter().take(64).position(|&byte| byte == b'\n');
    line.map_or(usize::MAX, |line_end| line_end + 1 + LARGE + 2)
}

/// Makes so many small jobs ready, quickly.
pub(crate) fn fill(port: u16, jobs: u64) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    fill_on(&mut stream, jobs)
}

/// Makes so many tubes, with one small job ready in each.
pub(crate) fn fill_tubes(port: u16, tubes: u64) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let tubes: Vec<u64> = (0..tubes).collect();
    for batch in tubes.chunks(DEPTH) {
        let mut bytes = Vec::new();
        for tube in batch {
            bytes.extend_from_slice(format!("use tube-{tube}\r\n").as_bytes());
            bytes.extend_from_slice(&put(SMALL));
        }
        exchange(&mut stream, &bytes, 2 * batch.len())?;
    }
    Ok(())
}

fn fill_on(stream: &mut TcpStream, jobs: u64) -> Result<()> {
    stream.set_nodelay(true)?;
    let batch = put(SMALL).repeat(256);
    let one = batch.len() / 256;
    let mut left = jobs as usize;
    while left > 0 {
        let now = left.min(256);
        exchange(stream, &batch[..now * one], now)?;
        left -= now;
    }
    Ok(())
}

fn exchange(stream: &mut TcpStream, bytes: &[u8], replies: usize) -> Result<()> {
    stream.write_all(bytes)?;
    let mut arrived = 0;
    let mut buf = [0; 8192];
    while arrived < replies {
        let n = stream.read(&mut buf)?;
        ensure!(n > 0, "the server has closed");
        arrived += lines(&buf[..n]);
    }
    Ok(())
}

/// Puts of a large body and peeks at the first job, in turn.
pub(super) fn alternating(count: u64, body: &[u8]) -> impl Iterator<Item = Command> {
    (0..2 * count).map(move |turn| match turn % 2 {
        0 => Command::Put { priority: PRIORITY.into(), delay: 0, ttr: TTR, body: body.to_vec() },
        _ => Command::Peek { id: 1.into() },
    })
}
