//! The floor: a bare blocking socket, bytes made ready before, and no more scanning than it takes to go on.
//!
//! It checks nothing that a client must check. Whatever fails ends the measurement.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use anyhow::Result;

use super::wire::{self, BIG, DEPTH, LARGE, OnJob, SMALL};

#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    small: Vec<u8>,
    big: Vec<u8>,
    delete: OnJob,
    touch: OnJob,
    peek: OnJob,
    buf: Box<[u8]>,
}

impl Client {
    pub(super) fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            small: wire::put(SMALL),
            big: wire::put(&BIG),
            delete: OnJob::new(b"delete "),
            touch: OnJob::new(b"touch "),
            peek: OnJob::new(b"peek "),
            buf: vec![0; 128 * 1024].into(),
        })
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("written");
    }

    /// Reads once; what has arrived ends a line.
    fn read(&mut self) -> &[u8] {
        let n = self.stream.read(&mut self.buf).expect("read");
        assert!(n > 1 && self.buf[n - 1] == b'\n', "a reply came in pieces");
        &self.buf[..n]
    }

    pub(super) fn put(&mut self, body: &[u8]) {
        let bytes = if body.len() == SMALL.len() { &self.small } else { &self.big };
        self.stream.write_all(bytes).expect("written");
        self.read();
    }

    pub(super) fn put_owned(&mut self, body: Vec<u8>) {
        self.put(&body);
    }

    pub(super) fn reserve(&mut self) -> u64 {
        self.write(wire::RESERVE);
        wire::number(wire::digits(self.read()))
    }

    pub(super) fn delete(&mut self, id: u64) {
        self.stream.write_all(self.delete.about(id)).expect("written");
        self.read();
    }

    pub(super) fn touch(&mut self, id: u64) {
        self.stream.write_all(self.touch.about(id)).expect("written");
        self.read();
    }

    pub(super) fn peek(&mut self, id: u64) -> usize {
        self.stream.write_all(self.peek.about(id)).expect("written");
        let mut len = 0;
        while !wire::is_whole_peek(&self.buf[..len]) {
            len += self.stream.read(&mut self.buf[len..]).expect("read");
        }
        len
    }

    /// Keeps between half a window and a whole one in flight.
    pub(super) fn put_pipelined(&mut self, count: u64) {
        let batch = self.small.repeat(DEPTH);
        let one = self.small.len();
        let (mut left, mut flying) = (count as usize, 0);
        while left > 0 || flying > 0 {
            if flying <= DEPTH / 2 && left > 0 {
                let now = left.min(DEPTH - flying);
                self.stream.write_all(&batch[..now * one]).expect("written");
                left -= now;
                flying += now;
            }
            let n = self.stream.read(&mut self.buf).expect("read");
            flying -= wire::lines(&self.buf[..n]);
        }
    }

    /// Deletes a job and reserves the next in one write, and waits for both replies.
    pub(super) fn drain_paired(&mut self, count: u64) {
        self.write(wire::RESERVE);
        let mut reply = self.read().to_vec();
        let mut request = Vec::new();
        for left in (0..count).rev() {
            request.clear();
            request.extend_from_slice(self.delete.of(wire::digits(&reply)));
            request.extend_from_slice(if left > 0 { wire::RESERVE } else { b"" });
            self.stream.write_all(&request).expect("written");
            // DELETED, and RESERVED with a body that holds no line feed.
            let lines = if left > 0 { 3 } else { 1 };
            let mut len = 0;
            while wire::lines(&self.buf[..len]) < lines {
                len += self.stream.read(&mut self.buf[len..]).expect("read");
            }
            reply.clear();
            reply.extend_from_slice(self.buf[..len].strip_prefix(b"DELETED\r\n").expect("deleted"));
        }
    }

    /// Half a window of deletes and half a window of reserves in one write.
    pub(super) fn drain_pipelined(&mut self, count: u64) {
        let mut request = Vec::new();
        let (mut left, mut held) = (count as usize, 0);
        while left > 0 || held > 0 {
            let now = left.min(DEPTH / 2);
            request.extend_from_slice(&wire::RESERVE_NOW.repeat(now));
            self.stream.write_all(&request).expect("written");
            request.clear();
            let mut len = 0;
            while wire::lines(&self.buf[..len]) < held + 2 * now {
                len += self.stream.read(&mut self.buf[len..]).expect("read");
            }
            for line in self.buf[..len].split_inclusive(|&byte| byte == b'\n') {
                if line.starts_with(b"RESERVED") {
                    request.extend_from_slice(self.delete.of(wire::digits(line)));
                }
            }
            left -= now;
            held = now;
        }
    }

    /// A large body both ways, from and to a buffer that is there.
    pub(super) fn cycle_large(&mut self, count: u64) {
        let request = wire::put(&vec![b'x'; LARGE]);
        let mut reply = vec![0; LARGE + 64];
        for _ in 0..count {
            self.stream.write_all(&request).expect("written");
            self.read();
            self.write(wire::RESERVE);
            let mut len = 0;
            while len < wire::large_reply(&reply[..len]) {
                len += self.stream.read(&mut reply[len..]).expect("read");
            }
            self.delete(wire::number(wire::digits(&reply)));
        }
    }

    /// A put, then a peek, then the next: a bare socket that writes both at once without reading would jam.
    pub(super) fn alternate(&mut self, count: u64) {
        for _ in 0..count {
            self.put(&BIG);
            self.peek(1);
        }
    }
}
