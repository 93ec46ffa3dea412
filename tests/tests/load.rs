//! The embedded server among many clients, slow ones and bad ones: it goes on serving the others, holds no more than it
//! should, and nothing is left of anybody who went.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::RwLock,
    thread,
    time::{Duration, Instant},
};

use beanstalk_server::EmbeddedServer;
use beanstalk_tests::{bare::Bare, watchdog};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Memory is counted for the whole process, so what measures it runs alone.
static ALONE: RwLock<()> = RwLock::new(());

const PATIENCE: Duration = Duration::from_secs(60);

/// Nothing is left but the server itself.
#[track_caller]
fn all_is_gone(server: &EmbeddedServer) {
    let gone = server.wait_until(PATIENCE, |stats| {
        let jobs = [
            stats.current_jobs_ready,
            stats.current_jobs_reserved,
            stats.current_jobs_delayed,
            stats.current_jobs_buried,
            stats.current_connections,
            stats.current_producers,
            stats.current_workers,
            stats.current_waiting,
        ];
        jobs.iter().all(|count| *count == Some(0)) && stats.current_tubes == Some(1)
    });
    gone.unwrap_or_else(|still| panic!("{still}; {:?} tubes", still.stats.current_tubes));
}

/// Somebody else is served meanwhile.
#[track_caller]
fn serves(bare: &mut Bare) {
    bare.exchange("use bystander\r\n", "USING bystander\r\n");
    bare.exchange("peek-ready\r\n", "NOT_FOUND\r\n");
    bare.exchange("use default\r\n", "USING default\r\n");
}

#[test]
fn a_thousand_connections_are_served_at_once() {
    let _bound = watchdog::bound();
    let _turn = ALONE.read();
    let server = EmbeddedServer::start().unwrap();
    let mut bares: Vec<Bare> = (0..1000).map(|_| Bare::connect(server.addr()).unwrap()).collect();
    for (number, bare) in bares.iter_mut().enumerate() {
        bare.send(format!("watch t{number}\r\nignore default\r\nreserve\r\n"));
    }
    for bare in &mut bares {
        bare.hear("WATCHING 2\r\nWATCHING 1\r\n");
    }
    server.wait_until(PATIENCE, |stats| stats.current_waiting == Some(1000)).unwrap();
    let mut producer = Bare::connect(server.addr()).unwrap();
    for (number, bare) in bares.iter_mut().enumerate() {
        let id = number + 1;
        producer.exchange(
            format!("use t{number}\r\nput 0 0 60 1\r\nx\r\n"),
            format!("USING t{number}\r\nINSERTED {id}\r\n"),
        );
        bare.exchange(
            format!("delete {id}\r\nlist-tube-used\r\n"),
            format!("RESERVED {id} 1\r\nx\r\nDELETED\r\nUSING default\r\n"),
        );
    }
    assert_eq!(server.stats().current_tubes, Some(1001));
    drop((bares, producer));
    all_is_gone(&server);
}

#[test]
fn of_ten_thousand_connections_nothing_is_left() {
    let _bound = watchdog::bound();
    let _turn = ALONE.read();
    let server = EmbeddedServer::start().unwrap();
    for number in 0..10_000 {
        let mut bare = Bare::connect(server.addr()).unwrap();
        match number % 5 {
            0 => bare.exchange(format!("use t{number}\r\n"), format!("USING t{number}\r\n")),
            1 => bare.send(format!("watch t{number}\r\nreserve\r\n")),
            2 => bare.send("put 0 0 60 1000\r\nhalf a bo"),
            3 => bare.send("stats\r\nstats\r\nquit\r\n"),
            _ => bare.exchange("reserve-with-timeout 0\r\n", "TIMED_OUT\r\n"),
        }
    }
    all_is_gone(&server);
    assert_eq!(server.stats().total_connections, Some(10_000));
    assert_eq!(server.list_tubes().len(), 1);
}

#[test]
fn jobs_of_those_who_vanish_are_for_the_others() {
    let _bound = watchdog::bound();
    let _turn = ALONE.read();
    let server = EmbeddedServer::start().unwrap();
    let mut other = Bare::connect(server.addr()).unwrap();
    for id in 1..=200 {
        other.exchange(format!("put 0 0 60 2\r\n{:02}\r\n", id % 100), format!("INSERTED {id}\r\n"));
    }
    for _ in 0..200 {
        // Mid-reply: it never reads what it reserved.
        let mut bare = Bare::connect(server.addr()).unwrap();
        bare.send("reserve\r\nreserve\r\nreserve\r\nreserve\r\nstats");
    }
    server.wait_until(PATIENCE, |stats| stats.current_connections == Some(1)).unwrap();
    assert_eq!(server.stats().current_jobs_ready, Some(200));
    for id in 1..=200 {
        other.exchange(format!("delete {id}\r\n"), "DELETED\r\n");
    }
    drop(other);
    all_is_gone(&server);
}

#[test]
fn slow_writers_and_slow_readers_hold_nobody_up() {
    let _bound = watchdog::bound();
    let _turn = ALONE.read();
    let server = EmbeddedServer::start().unwrap();
    let mut other = Bare::connect(server.addr()).unwrap();
    let mut slow: Vec<Bare> = (0..50).map(|_| Bare::connect(server.addr()).unwrap()).collect();
    for byte in "put 0 0 60 5\r\nhello\r\nstats\r\n".bytes() {
        slow.iter_mut().for_each(|bare| bare.send([byte]));
        serves(&mut other);
    }
    let mut ids = Vec::new();
    for bare in &mut slow {
        let inserted = bare.line().unwrap();
        ids.push(inserted.strip_prefix("INSERTED ").unwrap().to_string());
        serves(&mut other);
        // A byte at a time, as `line` reads.
        assert!(bare.line().unwrap().starts_with("OK "));
    }
    for id in ids {
        other.exchange(format!("delete {id}\r\n"), "DELETED\r\n");
    }
    drop((slow, other));
    all_is_gone(&server);
}

#[test]
fn a_flood_of_malformed_lines_holds_nobody_up() {
    let _bound = watchdog::bound();
    let _turn = ALONE.read();
    let server = EmbeddedServer::start().unwrap();
    let mut other = Bare::connect(server.addr()).unwrap();
    let address = server.addr().to_string();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut stream = TcpStream::connect(&address).unwrap();
                let mut reader = stream.try_clone().unwrap();
                let replies = thread::spawn(move || {
                    let mut replies = Vec::new();
                    reader.read_to_end(&mut replies).unwrap();
                    replies
                });
                let line = [&b"\0"[..], &[b'x'; 300], b"\r\n"].concat().repeat(10);
                for _ in 0..2000 {
                    stream.write_all(&line).unwrap();
                }
                stream.shutdown(std::net::Shutdown::Write).unwrap();
                let replies = replies.join().unwrap();
                assert_eq!(replies.len(), 20_000 * "BAD_FORMAT\r\n".len());
            });
        }
        for _ in 0..200 {
            serves(&mut other);
        }
    });
    drop(other);
    all_is_gone(&server);
}

/// What is held for a peer is its backlog, one reply more, and what the system's own buffers hold.
#[test]
fn a_peer_that_never_reads_takes_no_more_memory_than_its_backlog() {
    let _bound = watchdog::bound();
    let _turn = ALONE.write();
    const PEERS: usize = 10;
    const BACKLOG: usize = 64 * 1024;
    const BODY: usize = 60_000;
    let server = EmbeddedServer::builder().max_backlog(BACKLOG).start().unwrap();
    let mut other = Bare::connect(server.addr()).unwrap();
    let body = "x".repeat(BODY);
    other.exchange(format!("put 0 0 60 {BODY}\r\n{body}\r\n"), "INSERTED 1\r\n");
    let peers: Vec<TcpStream> = (0..PEERS)
        .map(|_| {
            let mut stream = TcpStream::connect(server.addr()).unwrap();
            stream.set_nonblocking(true).unwrap();
            // 6 GB of replies, were they all made.
            let requests = b"peek 1\r\n".repeat(10_000);
            let mut sent = 0;
            while let Ok(n) = stream.write(&requests[sent..]) {
                sent += n;
                if sent == requests.len() {
                    break;
                }
            }
            stream
        })
        .collect();
    // They are all stuck when no more is peeked.
    let mut peeked = 0;
    let until = Instant::now() + PATIENCE;
    loop {
        server.settle();
        let now = server.stats().cmd_peek.unwrap();
        if now == peeked && now > 0 {
            break;
        }
        peeked = now;
        assert!(Instant::now() < until, "it goes on making replies");
    }
    let held = MEMORY.current_usage();
    let most = PEERS * (BACKLOG + 2 * BODY) + 16 * 1024 * 1024;
    assert!(held < most, "{held} bytes are held, {most} would do");
    serves(&mut other);
    drop(peers);
    other.exchange("delete 1\r\n", "DELETED\r\n");
    drop(other);
    all_is_gone(&server);
}

/// A body that was announced takes no memory that has not been sent.
#[test]
fn announced_bodies_take_no_memory() {
    let _bound = watchdog::bound();
    let _turn = ALONE.write();
    let server = EmbeddedServer::builder().max_job_size(1 << 30).start().unwrap();
    let mut bares: Vec<Bare> = (0..200).map(|_| Bare::connect(server.addr()).unwrap()).collect();
    let before = MEMORY.current_usage();
    bares.iter_mut().for_each(|bare| bare.send("put 0 0 60 1073741824\r\nthe first bytes"));
    server.settle();
    let stats = server.stats();
    assert_eq!(stats.current_connections, Some(200));
    let grown = MEMORY.current_usage().saturating_sub(before);
    assert!(grown < 200 * 256 * 1024, "{grown} bytes for bodies that have not come");
    drop(bares);
    all_is_gone(&server);
}
