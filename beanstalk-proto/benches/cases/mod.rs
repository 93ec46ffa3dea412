//! The core at work on bytes in memory, as a driver would put it to work: for the benchmarks, which time it, and for programs that
//! count its instructions.

use std::task::Poll;

use beanstalk_proto::{
    Instant, Job, Peek, Put, Reply, Request, Use,
    client::{Config, Connection, Limits, Ticket},
};

/// Requests in flight.
pub(crate) const DEPTH: usize = 64;
/// A small body.
pub(crate) const SMALL: &[u8] = b"0123456789abcdef";

/// Replies of all shapes, in the order in which a busy client might see them. The bodies are empty: it is about lines.
pub(crate) const REPLIES: [&[u8]; 16] = [
    b"INSERTED 4711\r\n",
    b"RESERVED 4711 0\r\n\r\n",
    b"DELETED\r\n",
    b"INSERTED 1234567\r\n",
    b"USING emails\r\n",
    b"WATCHING 3\r\n",
    b"RESERVED 1234567 0\r\n\r\n",
    b"TOUCHED\r\n",
    b"RELEASED\r\n",
    b"NOT_FOUND\r\n",
    b"TIMED_OUT\r\n",
    b"FOUND 1234567 0\r\n\r\n",
    b"BURIED\r\n",
    b"KICKED 12\r\n",
    b"DEADLINE_SOON\r\n",
    b"DELETED\r\n",
];

/// Parses replies that stand one behind another, with every check, and returns how many there were.
pub(crate) fn parse(mut input: &[u8]) -> usize {
    let mut replies = 0;
    while let Ok(Some((reply, len))) = Reply::parse(input) {
        std::hint::black_box(reply);
        input = &input[len..];
        replies += 1;
    }
    replies
}

/// A connection with no limit in the way.
pub(crate) fn connection() -> Connection {
    let limits = Limits { reply_body: 64 << 20, unclaimed_replies: 128 << 20, ..Limits::default() };
    Connection::new(Config { limits, ..Config::default() })
}

/// A put with a borrowed body.
pub(crate) fn put(body: &[u8]) -> Put<'_> {
    Put::new(1024, 0, 60, body)
}

/// Reports everything queued as written.
pub(crate) fn write(connection: &mut Connection) -> usize {
    let queued = connection.queued();
    connection.transmitted(queued);
    connection.flushed();
    queued
}

/// Hands the connection bytes as a transport would, at most `piece` at a time.
pub(crate) fn read(connection: &mut Connection, mut bytes: &[u8], piece: usize) {
    while !bytes.is_empty() {
        let buf = connection.receive_buf();
        let n = buf.len().min(piece).min(bytes.len());
        buf[..n].copy_from_slice(&bytes[..n]);
        connection.received(Instant::ZERO, n);
        bytes = &bytes[n..];
    }
}

/// The reply, which must be here.
pub(crate) fn take<T>(connection: &mut Connection, ticket: &mut Ticket<T>) -> T {
    match connection.poll_reply(ticket) {
        Poll::Ready(Ok(reply)) => reply,
        Poll::Ready(Err(error)) => panic!("refused: {error}"),
        Poll::Pending => panic!("no reply yet"),
    }
}

/// One request and its reply.
pub(crate) fn call<R: Request>(connection: &mut Connection, request: R, reply: &[u8], piece: usize) -> R::Reply {
    let mut ticket = connection.send(Instant::ZERO, request).expect("room");
    write(connection);
    read(connection, reply, piece);
    take(connection, &mut ticket)
}

/// A pipeline of puts through one connection, with the replies made ready.
pub(crate) struct Session {
    connection: Connection,
    replies: Vec<u8>,
    tickets: Vec<Ticket<beanstalk_proto::PutOutcome>>,
}

impl Session {
    /// A session that has begun.
    pub(crate) fn new() -> Self {
        let replies = (0..DEPTH).flat_map(|id| format!("INSERTED {}\r\n", id + 1000).into_bytes()).collect();
        let mut session = Self { connection: connection(), replies, tickets: Vec::with_capacity(DEPTH) };
        session.round();
        session
    }

    /// [`DEPTH`] puts and their replies.
    pub(crate) fn round(&mut self) {
        for _ in 0..DEPTH {
            self.tickets.push(self.connection.send(Instant::ZERO, put(SMALL)).expect("room"));
        }
        write(&mut self.connection);
        read(&mut self.connection, &self.replies, usize::MAX);
        for mut ticket in self.tickets.drain(..) {
            let _outcome = std::hint::black_box(take(&mut self.connection, &mut ticket));
        }
    }
}

/// The reply to a peek at the job 1.
pub(crate) fn found(len: usize) -> Vec<u8> {
    let mut reply = format!("FOUND 1 {len}\r\n").into_bytes();
    reply.resize(reply.len() + len, b'x');
    reply.extend_from_slice(b"\r\n");
    reply
}

/// Receives a body into a buffer of its own.
pub(crate) fn receive(connection: &mut Connection, reply: &[u8], piece: usize) -> Job {
    call(connection, Peek::new(1), reply, piece)
}

/// A request whose reply is a long line, and that line.
pub(crate) fn long_line(len: usize) -> (String, Vec<u8>) {
    let name = "t".repeat(len);
    let reply = format!("USING {name}\r\n").into_bytes();
    (name, reply)
}

/// Asks for a long line.
pub(crate) fn use_tube<'a>(name: &'a str) -> Use<'a> {
    Use::new(name)
}
