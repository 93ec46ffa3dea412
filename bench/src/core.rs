//! The core's own figures: the body against memcpy, work under splits, many connections at once. Ratios of times measured in
//! turn, round after round; the benchmarks of beanstalk-proto give the times themselves.

use std::{hint::black_box, time::Instant};

use crate::{
    alloc,
    report::{Table, time},
    rounds::median,
    run::cases::{self, Session},
};

/// Nanoseconds that doing it once takes, out of so many times.
fn timed(times: usize, mut once: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        once();
    }
    start.elapsed().as_nanos() as f64 / times as f64
}

pub(crate) fn report(rounds: usize) -> String {
    [lines(rounds), bodies(rounds), splits(rounds), idle(rounds)].join("\n")
}

fn lines(rounds: usize) -> String {
    let replies = cases::REPLIES.concat();
    let mut session = Session::new();
    let (mut parse, mut through) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        parse.push(timed(20_000, || {
            black_box(cases::parse(black_box(&replies)));
        }));
        through.push(timed(5000, || session.round()));
    }
    let mut table = Table::new(&["a message", "time"]);
    table.row(["parse a mixed reply, checked".to_owned(), time(median(parse) / cases::REPLIES.len() as f64)]);
    table
        .row(["put 16 B and its reply through a `Connection`".to_owned(), time(median(through) / cases::DEPTH as f64)]);
    table.render()
}

/// A body into its own buffer, beside copying as many bytes into memory that is there already.
fn bodies(rounds: usize) -> String {
    let mut table = Table::new(&["a body into its owned buffer", "time", "memcpy", "speed / memcpy"]);
    for (len, title, times) in [(60 * 1024, "60 KiB", 4000), (1 << 20, "1 MiB", 200), (16 << 20, "16 MiB", 12)] {
        let reply = cases::found(len);
        let mut connection = cases::connection();
        let mut copy = vec![0; len];
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            theirs.push(timed(times, || {
                copy.copy_from_slice(black_box(&reply[..len]));
                black_box(&mut copy);
            }));
            ours.push(timed(times, || {
                black_box(cases::receive(&mut connection, black_box(&reply), usize::MAX));
            }));
        }
        let ratio = median(std::iter::zip(&theirs, &ours).map(|(theirs, ours)| theirs / ours).collect());
        table.row([title.to_owned(), time(median(ours)), time(median(theirs)), format!("{:.0} %", 100.0 * ratio)]);
    }
    table.render()
}

/// Twice the bytes in pieces of the same size take twice the time: nothing is looked at again.
fn splits(rounds: usize) -> String {
    let mut table = Table::new(&[
        "bytes in pieces of",
        "a byte, 64 KiB body",
        "a byte, 256 KiB body",
        "a byte, 50 B line",
        "a byte, 200 B line",
    ]);
    for (piece, title) in [(1, "1"), (7, "7"), (64, "64"), (4096, "4096")] {
        let body = |len: usize| {
            let reply = cases::found(len);
            let mut connection = cases::connection();
            let each =
                (0..rounds).map(|_| timed(4, || drop(black_box(cases::receive(&mut connection, &reply, piece)))));
            time(median(each.collect()) / reply.len() as f64)
        };
        let line = |len: usize| {
            let (name, reply) = cases::long_line(len);
            let mut connection = cases::connection();
            let each = (0..rounds)
                .map(|_| timed(2000, || cases::call(&mut connection, cases::use_tube(&name), &reply, piece)));
            time(median(each.collect()) / reply.len() as f64)
        };
        table.row([title.to_owned(), body(64 << 10), body(256 << 10), line(50), line(200)]);
    }
    table.render()
}

/// What a command costs on one connection of many, and what the others hold.
fn idle(rounds: usize) -> String {
    let mut table = Table::new(&["connections held", "a command on one of them", "an idle one holds"]);
    for held in [1, 10, 100, 1000, 10_000] {
        let before = alloc::live();
        let mut connections: Vec<_> = (0..held).map(|_| cases::connection()).collect();
        // Each has worked before: what it then keeps is what an idle connection holds.
        for connection in &mut connections {
            let _outcome = cases::call(connection, cases::put(cases::SMALL), b"INSERTED 1\r\n", usize::MAX);
        }
        let each = (alloc::live() - before) as f64 / f64::from(held);
        let busy = &mut connections[0];
        let times = (0..rounds).map(|_| {
            timed(20_000, || {
                let _outcome = black_box(cases::call(busy, cases::put(cases::SMALL), b"INSERTED 1\r\n", usize::MAX));
            })
        });
        table.row([held.to_string(), time(median(times.collect())), format!("{:.1} KiB", each / 1024.0)]);
    }
    table.render()
}
