//! One server of several dies, of whatever cause, while all else is well: its own jobs wait, and no others.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use beanstalk_proto::Instant;

use super::{
    super::{Rng, outage::Outage},
    Run, actors, busy,
    cluster::{Cluster, Tasks},
    drive, end,
    runtime::Running,
    worker_runs,
};

/// How long a job may wait on a server that lives: one handler's time, and a few trips.
const SOON: Duration = Duration::from_millis(100);
/// How long until a server that is back is noticed: a reserve and its reply, an attempt to connect and the longest pause.
const NOTICED: Duration = Duration::from_secs(7);
/// How long all of it takes.
const LONG: Duration = Duration::from_secs(15);

/// Runs a seed.
///
/// # Errors
///
/// The first promise that was broken, and what led to it.
pub fn run(seed: u64) -> Result<Run, String> {
    super::super::replayed(seed, play)
}

fn play(seed: u64, tell: bool) -> Result<Run, String> {
    let mut rng = Rng::new(seed);
    let cluster = Cluster::new(3, seed, &mut rng, tell);
    let _running = Running::new(&cluster);
    cluster.servers().iter().for_each(|server| server.world().faults = false);
    let mut tasks = Tasks::new(&cluster, rng.fork());
    tasks.never_stall();
    let (work, handle) = worker_runs::steady(&cluster);
    tasks.add(None, work);
    tasks.add(None, busy(&cluster, actors::steady_producer(Arc::clone(&cluster), rng.fork())));
    let dead = rng.index(3);
    let (dies, lives) = (rng.between(100, 5000), rng.between(100, 4000));
    let outage = rng.pick(&[Outage::Killed, Outage::Vanished]);
    let director = Arc::clone(&cluster);
    tasks.add(None, async move {
        director.sleep(Duration::from_millis(dies)).await;
        director.tally().counts.outages += 1;
        director.kill(dead, outage);
        director.sleep(Duration::from_millis(lives)).await;
        director.revive(dead, true);
        while director.busy.load(Ordering::Relaxed) > 0 || !worker_runs::is_empty(&director) {
            director.sleep(Duration::from_millis(50)).await;
        }
        handle.shutdown(Duration::from_secs(10));
    });
    let steps = drive(&cluster, &mut tasks, Instant::ZERO + LONG);
    drop(tasks);
    let back = Instant::ZERO + Duration::from_millis(dies + lives);
    for server in 0..3 {
        let late = cluster.tally().waits(server).find_map(|(body, came, begun)| {
            let by = if server == dead { came.max(back) + NOTICED } else { came + SOON };
            begun.is_none_or(|begun| begun > by).then(|| {
                let which = if server == dead { "dead" } else { "living" };
                format!("{} came to a {which} server at {came:?} and waited until {begun:?}", body.escape_ascii())
            })
        });
        if let (Some(late), true) = (late, steps.is_ok()) {
            cluster.tally().violate(late);
        }
    }
    end(&cluster, seed, steps)
}
