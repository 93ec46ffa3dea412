//! Servers that are restarted all the time, and paths that go dead, under many who put: every put is accounted for, nobody waits for longer than
//! told, and once there is a way again it is found in the time that finding it may take.
//!
//! Times are a fiftieth of the usual ones: a reply may take 100 ms, and a path is dead for four times as long as one has patience for. Fifty
//! restarts; `BEANSTALK_RESTARTS=500` makes it so many.

use std::{
    env,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use beanstalk_driver::{ConnectOptions, policy::Backoff};
use beanstalk_proto::Command;

use super::{
    super::{Stand, tally::Tally},
    binding::Binding,
    crowd::{Putter, Settings},
    eventually,
};
use crate::path::Path;

const REPLY: Duration = Duration::from_millis(100);
const CONNECT: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_millis(100);
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(1), max: Duration::from_millis(20) };
/// How long a path is dead.
const HOLE: Duration = Duration::from_millis(400);
/// How much slower a machine may be.
const SLOWER: u32 = 20;
const FEW: usize = 8;

/// Who connects has to wait for an answer to that, so that it ends with the time for connecting on a path that is dead.
fn hasty() -> Settings {
    let options = ConnectOptions::new().connect_timeout(CONNECT).reply_timeout(REPLY).greeting(Command::ListTubeUsed);
    Settings { backoff: BACKOFF, patience: PATIENCE, options }
}

/// A call may wait until it is sent, and then for two replies.
fn bound() -> Duration {
    (PATIENCE + CONNECT + 2 * REPLY) * SLOWER
}

fn it_serves(tally: &Tally) {
    let before = tally.count();
    eventually("some puts are acknowledged", || tally.count() >= before + 20);
}

/// Somebody whose put begins now is served in the time that finding the way back may take.
fn it_is_found_again(tally: &Tally, within: Duration) {
    let since = Instant::now();
    eventually("puts are acknowledged again", || tally.count_since(since) > 0);
    assert!(since.elapsed() < within * SLOWER, "it took {:?}", since.elapsed());
}

fn dead_for_a_while<B: Binding>(stand: Stand, putter: Putter) {
    let server = stand.server();
    let (path, tally) = (Path::start(&server.address()), Arc::new(Tally::new(bound())));
    let crowd = B::start(putter, path.address(), &hasty(), FEW, &tally);
    for _ in 0..2 {
        it_serves(&tally);
        let failed = tally.count_failed();
        path.hold();
        thread::sleep(HOLE);
        assert!(tally.count_failed() > failed, "nobody has noticed");
        path.release();
        it_is_found_again(&tally, REPLY + BACKOFF.max + CONNECT);
    }
    tally.finish();
    crowd.join().unwrap();
    path.end();
    tally.check(&server.address(), FEW, true, 0);
}

fn cut_without_a_word<B: Binding>(stand: Stand, putter: Putter) {
    let server = stand.server();
    let (path, tally) = (Path::start(&server.address()), Arc::new(Tally::new(bound())));
    let crowd = B::start(putter, path.address(), &hasty(), FEW, &tally);
    for _ in 0..3 {
        it_serves(&tally);
        path.cut();
        it_is_found_again(&tally, REPLY + BACKOFF.max + CONNECT);
    }
    tally.finish();
    crowd.join().unwrap();
    path.end();
    tally.check(&server.address(), FEW, true, 0);
}

pub(super) fn a_shared_client_gets_over_a_path_that_is_dead_for_a_while<B: Binding>(stand: Stand) {
    dead_for_a_while::<B>(stand, Putter::SharedClient);
}

pub(super) fn a_session_gets_over_a_path_that_is_dead_for_a_while<B: Binding>(stand: Stand) {
    dead_for_a_while::<B>(stand, Putter::Session);
}

pub(super) fn a_producer_gets_over_a_path_that_is_dead_for_a_while<B: Binding>(stand: Stand) {
    dead_for_a_while::<B>(stand, Putter::Producer);
}

pub(super) fn a_shared_client_leaves_a_connection_whose_server_vanished_without_a_word<B: Binding>(stand: Stand) {
    cut_without_a_word::<B>(stand, Putter::SharedClient);
}

pub(super) fn a_session_leaves_a_connection_whose_server_vanished_without_a_word<B: Binding>(stand: Stand) {
    cut_without_a_word::<B>(stand, Putter::Session);
}

pub(super) fn a_producer_leaves_a_connection_whose_server_vanished_without_a_word<B: Binding>(stand: Stand) {
    cut_without_a_word::<B>(stand, Putter::Producer);
}

/// Many tasks, or threads, share one client; each puts into a tube of its own.
pub(super) fn every_put_of_many_is_accounted_for_and_in_its_tube_though_the_server_is_restarted_all_the_time<
    B: Binding,
>(
    stand: Stand,
) {
    let restarts = env::var("BEANSTALK_RESTARTS").map_or(50, |restarts| restarts.parse().expect("a number"));
    let durable = stand.durable();
    let keeps_jobs = durable.is_some();
    let mut server = durable.unwrap_or_else(|| stand.server());
    let settings = Settings { backoff: BACKOFF, patience: Duration::from_secs(30), options: ConnectOptions::new() };
    let tally = Arc::new(Tally::new(Duration::from_secs(40)));
    let crowd = B::start(Putter::SharedClient, &server.address(), &settings, B::MANY, &tally);
    for _ in 0..restarts {
        it_serves(&tally);
        server.restart();
    }
    tally.finish();
    crowd.join().unwrap();
    tally.check(&server.address(), B::MANY, keeps_jobs, if keeps_jobs { restarts } else { 0 });
}
