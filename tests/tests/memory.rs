//! What a hostile peer can make a client allocate, measured. A binary of its own, as the allocator counts for all of it.

use std::{sync::mpsc, time::Duration};

use beanstalk_proto::{
    Error, Peek, Reserve,
    client::{Config, Limits},
};
use beanstalk_tests::{
    Peer,
    peer::{AsyncStd, Blocking, Tokio},
    script::Script,
    watchdog,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What a connection may take beyond what a peer paid for in bytes: its buffers, a socket, a runtime.
const ALLOWANCE: usize = 512 * 1024;

/// The most that the heap grew by meanwhile.
fn growth(work: impl FnOnce()) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    work();
    MEMORY.peak_usage().saturating_sub(before)
}

fn config(reply_body: usize) -> Config {
    let limits = Limits { reply_body, unclaimed_replies: usize::MAX, ..Limits::default() };
    Config { limits, reply_timeout: Some(Duration::from_millis(300)), ..Config::default() }
}

async fn four_gib_and_silence<P: Peer>(reply_body: usize) {
    let script = Script::answer("FOUND 1 4294967295\r\nand no more");
    let mut peer = P::connect(script.address(), config(reply_body)).await.unwrap();
    let error = peer.call(Peek::new(1)).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
}

async fn a_line_without_end<P: Peer>() {
    let (ended, end) = mpsc::channel();
    let script = Script::play(move |remote| {
        remote.line()?;
        let mut sent = 0;
        while sent < 64 << 20 && remote.send([b'x'; 4096]).is_ok() {
            sent += 4096;
        }
        ended.send(()).map_err(std::io::Error::other)
    });
    let mut peer = P::connect(script.address(), config(1024)).await.unwrap();
    let error = peer.call(Reserve::new()).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    drop(peer);
    end.recv_timeout(Duration::from_secs(60)).unwrap();
}

async fn a_body_over_the_limit<P: Peer>() {
    const BYTES: usize = 64 << 20;
    let script = Script::play(|remote| {
        remote.line()?;
        remote.send(format!("RESERVED 1 {BYTES}\r\n"))?;
        for _ in 0..BYTES / 4096 {
            remote.send([b'x'; 4096])?;
        }
        remote.send("\r\n")?;
        remote.wait_for_the_end()
    });
    let mut peer = P::connect(script.address(), config(1024)).await.unwrap();
    let error = peer.call(Reserve::new()).await.unwrap_err();
    assert!(matches!(error, Error::ReplyTooBig { limit: 1024, .. }), "{error}");
}

fn all<P: Peer>() {
    for (what, grown) in [
        ("4 GiB announced under a limit that lets them", growth(|| P::block_on(four_gib_and_silence::<P>(usize::MAX)))),
        ("4 GiB announced over the limit", growth(|| P::block_on(four_gib_and_silence::<P>(1024)))),
        ("a line without end", growth(|| P::block_on(a_line_without_end::<P>()))),
        ("64 MiB over the limit", growth(|| P::block_on(a_body_over_the_limit::<P>()))),
    ] {
        assert!(grown < ALLOWANCE, "{}: {what} took {grown} bytes", P::NAME);
    }
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn memory_grows_with_what_a_peer_sends_and_not_with_what_it_announces() {
    let _bound = watchdog::bound();
    // The measure itself can see a large allocation.
    assert!(growth(|| drop(std::hint::black_box(vec![1_u8; 2 * ALLOWANCE]))) >= 2 * ALLOWANCE);
    all::<Blocking>();
    all::<Tokio>();
    all::<AsyncStd>();
}
