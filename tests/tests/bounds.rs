//! What a peer can cost one connection, in memory and in work. What a whole client takes on a socket is in `memory.rs`.
//!
//! Work is measured in a processor's time, and by how it grows: four times the bytes, one at a time, must not cost much more
//! than four times as much. That depends neither on the machine, nor on what else it does, nor on what a call costs; work
//! that is quadratic costs sixteen times as much.

use std::{hint::black_box, time::Duration};

use beanstalk_proto::{
    Error, Instant, JobId, Peek, Reply, Request, Stats, Use, client,
    server::{self, Event},
};
use beanstalk_tests::watchdog;
use nix::time::{ClockId, clock_gettime};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// What a connection may hold whatever happens: its buffer, its queues, and a body's first 64 KiB.
const BASE: usize = 96 * KIB;

/// One test, so that nothing else allocates or takes time meanwhile.
#[test]
fn a_peer_is_given_memory_and_work_only_for_the_bytes_it_sends() {
    let _bound = watchdog::bound();
    let most = growth(|| {
        // The measure itself can see what it looks for.
        drop(black_box(vec![1_u8; 3 * BASE]));
    });
    assert!(most >= 3 * BASE);
    a_client_holds_no_more_than_has_arrived();
    a_client_holds_no_more_than_its_limits();
    an_idle_connection_holds_under_2_kib();
    a_server_holds_no_more_than_has_arrived();
    a_server_holds_no_more_replies_than_its_backlog();
    work_is_in_proportion_to_the_bytes();
}

/// The most that the heap grew by meanwhile.
fn growth(work: impl FnOnce()) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    work();
    MEMORY.peak_usage().saturating_sub(before)
}

#[track_caller]
fn at_most(limit: usize, what: &str, work: impl FnOnce()) {
    let grown = growth(work);
    assert!(grown <= limit, "{what} took {grown} bytes, and may take {limit}");
}

/// Gives a client bytes, at most so many at a time.
fn tell(connection: &mut client::Connection, mut bytes: &[u8], most: usize) {
    while !bytes.is_empty() {
        let buf = connection.receive_buf();
        let n = bytes.len().min(buf.len()).min(most);
        if n == 0 {
            return;
        }
        buf[..n].copy_from_slice(&bytes[..n]);
        connection.received(Instant::ZERO, n);
        bytes = &bytes[n..];
    }
}

/// Sends a request, and writes it.
fn ask<R: Request>(connection: &mut client::Connection, request: R) -> client::Ticket<R::Reply> {
    let ticket = connection.send(Instant::ZERO, request).unwrap();
    connection.transmitted(connection.queued());
    ticket
}

/// Gives a server bytes, at most so many at a time, and answers what comes of them. Stops when it listens no more.
fn say(connection: &mut server::Connection, mut bytes: &[u8], most: usize, answer: &Reply) -> usize {
    let all = bytes.len();
    while !bytes.is_empty() && connection.wants_input() {
        let buf = connection.receive_buf();
        let n = bytes.len().min(buf.len()).min(most);
        buf[..n].copy_from_slice(&bytes[..n]);
        connection.received(n);
        bytes = &bytes[n..];
        while let Some(event) = connection.poll_event() {
            match event {
                Event::Command(_) => connection.respond(answer.clone()),
                Event::Refused(refused) => connection.respond(refused.reply),
                Event::PutAnnounced { .. } | Event::HalfClosed | Event::Closed => {}
            }
        }
    }
    all - bytes.len()
}

fn a_client_holds_no_more_than_has_arrived() {
    let limits = client::Limits { reply_body: usize::MAX, unclaimed_replies: usize::MAX, ..client::Limits::default() };
    let config = client::Config { limits, ..client::Config::default() };
    let piece = vec![b'x'; MIB];
    for (arrived, most) in [(0, 1), (100, 1), (100 * KIB, 1000), (MIB, 7), (MIB, MIB)] {
        at_most(BASE + 2 * arrived, &format!("4 GiB announced and {arrived} bytes of them by {most}"), || {
            let mut connection = client::Connection::new(config);
            let ticket = ask(&mut connection, Peek::new(1));
            tell(&mut connection, b"FOUND 1 4294967295\r\n", most);
            tell(&mut connection, &piece[..arrived], most);
            black_box(&ticket);
        });
    }
    at_most(BASE, "64 MiB over the limit", || {
        let limits = client::Limits { reply_body: 1000, ..client::Limits::default() };
        let mut connection = client::Connection::new(client::Config { limits, ..client::Config::default() });
        let mut ticket = ask(&mut connection, Peek::new(1));
        tell(&mut connection, format!("FOUND 1 {}\r\n", 64 * MIB).as_bytes(), usize::MAX);
        for _ in 0..64 {
            tell(&mut connection, &piece, usize::MAX);
        }
        tell(&mut connection, b"\r\n", 1);
        assert!(matches!(connection.poll_reply(&mut ticket), std::task::Poll::Ready(Err(Error::ReplyTooBig { .. }))));
    });
    at_most(BASE, "a line without end", || {
        let mut connection = client::Connection::new(config);
        let ticket = ask(&mut connection, Stats::new());
        tell(&mut connection, &piece, 1);
        assert!(connection.is_ended());
        black_box(&ticket);
    });
}

/// Whether nothing was asked yet, or much was, and then little.
fn an_idle_connection_holds_under_2_kib() {
    for busy in [false, true] {
        let before = MEMORY.current_usage();
        let mut connection = client::Connection::new(client::Config::default());
        let mut ask_for = |bytes: usize| {
            let mut ticket = ask(&mut connection, Peek::new(1));
            tell(&mut connection, format!("FOUND 1 {bytes}\r\n{}\r\n", "x".repeat(bytes)).as_bytes(), usize::MAX);
            assert!(connection.poll_reply(&mut ticket).is_ready());
        };
        if busy {
            (0..100).for_each(|n| ask_for(n * 100));
        }
        (0..100).for_each(|_| ask_for(5));
        let held = size_of_val(&connection) + MEMORY.current_usage() - before;
        assert!(held < 2048, "{held} bytes, busy before: {busy}");
    }
}

fn a_client_holds_no_more_than_its_limits() {
    let limits = client::Limits { unclaimed_replies: MIB, in_flight: 100, ..client::Limits::default() };
    let config = client::Config { limits, ..client::Config::default() };
    at_most(BASE + 2 * MIB, "a hundred replies of 100 KiB that nobody takes", || {
        let mut connection = client::Connection::new(config);
        let mut tickets = Vec::new();
        while let Ok(ticket) = connection.send(Instant::ZERO, Peek::new(1)) {
            tickets.push(ticket);
        }
        connection.transmitted(connection.queued());
        assert_eq!(tickets.len(), 100);
        let mut reply = format!("FOUND 1 {}\r\n", 100 * KIB).into_bytes();
        reply.resize(reply.len() + 100 * KIB, b'x');
        reply.extend_from_slice(b"\r\n");
        for _ in 0..100 {
            tell(&mut connection, &reply, usize::MAX);
        }
        assert!(!connection.is_ended());
        assert_eq!(connection.in_flight(), 100);
    });
    at_most(BASE, "a flood of replies that nobody asked for", || {
        let mut connection = client::Connection::new(config);
        for _ in 0..100_000 {
            tell(&mut connection, b"INSERTED 1\r\n", usize::MAX);
        }
        assert!(connection.is_ended());
    });
}

fn a_server_holds_no_more_than_has_arrived() {
    let config = server::Config { max_job_size: 1 << 30, ..server::Config::default() };
    let piece = vec![b'x'; MIB];
    for (arrived, most) in [(0, 1), (100 * KIB, 1000), (MIB, 7), (MIB, MIB)] {
        at_most(BASE + 2 * arrived, &format!("a put of 1 GiB and {arrived} bytes of it by {most}"), || {
            let mut connection = server::Connection::new(config);
            say(&mut connection, b"put 0 0 1 1073741824\r\n", most, &Reply::NotFound);
            say(&mut connection, &piece[..arrived], most, &Reply::NotFound);
        });
    }
    for start in [&b"put 0 0 1 4294967295\r\n"[..], b""] {
        at_most(BASE, "64 MiB of a job too big, or of a line without end", || {
            let mut connection = server::Connection::new(config);
            say(&mut connection, start, usize::MAX, &Reply::NotFound);
            for _ in 0..64 {
                say(&mut connection, &piece, usize::MAX, &Reply::NotFound);
            }
        });
    }
}

fn a_server_holds_no_more_replies_than_its_backlog() {
    let config = server::Config { max_backlog: 100 * KIB, ..server::Config::default() };
    let commands = b"peek 1\r\n".repeat(1000);
    let (job, longest) = (vec![b'x'; 50 * KIB], 50 * KIB);
    at_most(BASE + config.max_backlog + 3 * longest, "a peer that asks and does not read", || {
        let mut connection = server::Connection::new(config);
        let answer = Reply::Found(beanstalk_proto::Job { id: JobId(1), body: job });
        let said = say(&mut connection, &commands, 8, &answer);
        assert!(said < 100 && !connection.wants_input(), "it still listens after {said} bytes");
        assert!(connection.backlog() <= config.max_backlog + longest + 100);
    });
}

/// The least time of a processor that this took, of some times: what else the machine does only adds.
fn least(mut work: impl FnMut()) -> Duration {
    let spent = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let timed = |_| {
        let start = spent();
        work();
        spent() - start
    };
    (0..6).map(timed).min().unwrap_or_default()
}

fn grows_as_its_input(what: &str, mut work: impl FnMut(usize), short: usize) {
    let mut ratios = Vec::new();
    // A machine that is busy gets another chance; what is quadratic fails each of them.
    while ratios.len() < 8 {
        let ratio = least(|| work(4 * short)).as_secs_f64() / least(|| work(short)).as_secs_f64().max(1e-9);
        if ratio < 8.0 {
            return;
        }
        ratios.push(ratio);
    }
    panic!("{what}: four times the bytes, one at a time, take {ratios:.1?} times as long");
}

fn work_is_in_proportion_to_the_bytes() {
    let quadratic = |n: usize| {
        let bytes = vec![1_u8; n];
        for end in 0..n {
            black_box(bytes[..end].iter().filter(|&&byte| byte == 2).count());
        }
    };
    let tells = |_| least(|| quadratic(4 * KIB)) > 8 * least(|| quadratic(KIB));
    assert!((0..8).any(tells), "the measure cannot tell what is quadratic");

    let body = |n: usize, line: &str| {
        let mut bytes = line.replace("{}", &n.to_string()).into_bytes();
        bytes.resize(bytes.len() + n, b'\r');
        bytes.extend_from_slice(b"\r\n");
        bytes
    };
    grows_as_its_input(
        "a reply's body",
        |n| {
            let mut connection = client::Connection::new(client::Config::default());
            let mut ticket = ask(&mut connection, Peek::new(1));
            tell(&mut connection, &body(n, "FOUND 1 {}\r\n"), 1);
            assert!(connection.poll_reply(&mut ticket).is_ready());
        },
        16 * KIB,
    );
    grows_as_its_input(
        "a put's body",
        |n| {
            let mut connection =
                server::Connection::new(server::Config { max_job_size: 1 << 20, ..Default::default() });
            say(&mut connection, &body(n, "put 0 0 1 {}\r\n"), 1, &Reply::Inserted(JobId(1)));
            assert!(connection.backlog() > 0);
        },
        16 * KIB,
    );
    // The longest lines there are have 224 bytes; many of them, as each is short.
    grows_as_its_input(
        "a command's line",
        |n| {
            let line = format!("use {}\r\n", "a".repeat(n - 6));
            for _ in 0..100 {
                let mut connection = server::Connection::new(server::Config::default());
                say(&mut connection, line.as_bytes(), 1, &Reply::NotFound);
                assert!(connection.backlog() > 0);
            }
        },
        50,
    );
    grows_as_its_input(
        "a reply's line",
        |n| {
            let tube = "a".repeat(n - 8);
            let line = format!("USING {tube}\r\n");
            for _ in 0..100 {
                let mut connection = client::Connection::new(client::Config::default());
                let mut ticket = ask(&mut connection, Use::new(tube.as_str()));
                tell(&mut connection, line.as_bytes(), 1);
                assert!(connection.poll_reply(&mut ticket).is_ready());
            }
        },
        50,
    );
    // A name that is never ended is looked at once, too: a lone CR could start the search afresh each time.
    grows_as_its_input(
        "commands that are CRs",
        |n| {
            let mut connection = server::Connection::new(server::Config::default());
            say(&mut connection, &vec![b'\r'; n], 1, &Reply::NotFound);
        },
        16 * KIB,
    );
}
