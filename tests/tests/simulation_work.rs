//! Workers, consumers, sessions and producers over servers that die and networks that go wrong, in virtual time.
//!
//! `BEANSTALK_SIM_SEEDS` is how many seeds to run, `BEANSTALK_SIM_SEED` with which to begin; a failure names its own.

use beanstalk_tests::sim::{
    self,
    workers::{self, Counts, Run, dead},
};

/// Seeds that are always run.
const SEEDS: u64 = 100;

/// Runs all seeds and gives what they came to together.
fn sum(always: u64, run: fn(u64) -> Result<Run, String>) -> (u64, Counts) {
    let mut sum = Counts::default();
    let (seeds, mut steps) = (sim::seeds(always), 0);
    let number = seeds.end - seeds.start;
    for seed in seeds {
        match run(seed) {
            Ok(run) => {
                sum.merge(&run.counts);
                steps += run.steps;
            }
            Err(what) => panic!("{what}"),
        }
    }
    println!("{number} seeds, {steps} steps: {sum:#?}");
    (number, sum)
}

#[test]
fn whatever_dies_no_job_is_lost_or_deleted_unprocessed_and_every_shutdown_ends_in_time() {
    let (seeds, sum) = sum(SEEDS, workers::run);
    // What nothing happens in, proves nothing.
    let happened = [
        (sum.acknowledged, 50 * seeds),
        (sum.unknown, seeds / 5),
        (sum.repeated, seeds),
        (sum.touched, seeds),
        (sum.given_up, seeds / 5),
        (sum.pipelined, seeds),
        (sum.outages, seeds),
        (sum.ended, 2 * seeds),
        (sum.died, seeds / 5),
        (sum.metrics.lost, seeds / 2),
        (sum.metrics.returned, seeds / 5),
        (sum.metrics.reconnects, 3 * seeds / 2),
    ];
    assert!(seeds < 20 || happened.iter().all(|(is, least)| is >= least), "{happened:?}");
}

#[test]
fn a_dead_server_costs_its_own_jobs_delay_and_nothing_else() {
    let (seeds, sum) = sum(SEEDS / 2, dead::run);
    assert_eq!(sum.outages, seeds);
    assert!(sum.acknowledged > 50 * seeds);
}

#[test]
fn a_seed_replays_exactly() {
    let mut hashes = Vec::new();
    for seed in 0..10 {
        let run = workers::run(seed).unwrap();
        assert_eq!(run, workers::run(seed).unwrap(), "seed {seed}");
        hashes.push(run.hash);
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 10, "and another is another");
}
