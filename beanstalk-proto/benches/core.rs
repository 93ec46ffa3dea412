//! Times of the core on bytes in memory. Wall times are noisy: the instructions are counted by `bench counts`, and
//! the ratios that matter are measured in turn by `bench core`.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a benchmark makes its own input, and ends when something is wrong"
)]

mod cases;

use beanstalk_proto::{Reply, client::Connection};
use cases::{DEPTH, REPLIES, SMALL, Session};
use divan::{Bencher, black_box, counter::BytesCount, counter::ItemsCount};

fn main() {
    divan::main();
}

/// A reply of each shape, with every check.
#[divan::bench(args = [0, 1, 2, 4, 5])]
fn parse_a_reply(bencher: Bencher<'_, '_>, shape: usize) {
    bencher.bench(|| Reply::parse(black_box(REPLIES[shape])));
}

#[divan::bench]
fn parse_a_mixed_stream(bencher: Bencher<'_, '_>) {
    let replies = REPLIES.concat();
    bencher.counter(ItemsCount::new(REPLIES.len())).bench(|| cases::parse(black_box(&replies)));
}

#[divan::bench]
fn encode_puts(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(DEPTH)).with_inputs(cases::connection).bench_refs(|connection| {
        for _ in 0..DEPTH {
            let _ticket = black_box(connection.send(beanstalk_proto::Instant::ZERO, cases::put(black_box(SMALL))));
        }
    });
}

#[divan::bench]
fn pipelined_puts_and_their_replies(bencher: Bencher<'_, '_>) {
    let mut session = Session::new();
    bencher.counter(ItemsCount::new(DEPTH)).bench_local(|| session.round());
}

/// The body's buffer is made, zeroed, filled and freed.
#[divan::bench(args = [60 << 10, 1 << 20, 16 << 20])]
fn a_body_into_its_own_buffer(bencher: Bencher<'_, '_>, len: usize) {
    let reply = cases::found(len);
    let mut connection = cases::connection();
    bencher.counter(BytesCount::new(len)).bench_local(|| cases::receive(&mut connection, &reply, usize::MAX));
}

/// What the one above is to be compared with.
#[divan::bench(args = [60 << 10, 1 << 20, 16 << 20])]
fn memcpy(bencher: Bencher<'_, '_>, len: usize) {
    let reply = cases::found(len);
    let mut copy = vec![0; len];
    bencher.counter(BytesCount::new(len)).bench_local(|| copy.copy_from_slice(black_box(&reply[..len])));
}

/// The same bytes in pieces of different sizes.
#[divan::bench(args = [1, 7, 64, 4096])]
fn a_body_in_pieces(bencher: Bencher<'_, '_>, piece: usize) {
    let reply = cases::found(64 << 10);
    let mut connection = cases::connection();
    bencher.counter(BytesCount::of_slice(&reply)).bench_local(|| cases::receive(&mut connection, &reply, piece));
}

#[divan::bench(args = [1, 7, 64, 4096])]
fn a_long_line_in_pieces(bencher: Bencher<'_, '_>, piece: usize) {
    let (name, reply) = cases::long_line(200);
    let mut connection = cases::connection();
    bencher
        .counter(BytesCount::of_slice(&reply))
        .bench_local(|| cases::call(&mut connection, cases::use_tube(&name), &reply, piece));
}

/// A command on one connection while others are held.
#[divan::bench(args = [1, 100, 10_000])]
fn one_connection_of_many(bencher: Bencher<'_, '_>, held: usize) {
    let mut connections: Vec<Connection> = (0..held).map(|_| cases::connection()).collect();
    bencher.bench_local(|| cases::call(&mut connections[0], cases::put(SMALL), b"INSERTED 1\r\n", usize::MAX));
}
