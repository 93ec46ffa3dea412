//! Clients, a network that goes wrong and the server, in virtual time.
//!
//! `BEANSTALK_SIM_SEEDS` is how many seeds to run, `BEANSTALK_SIM_SEED` with which to begin; a failure names its own.

use beanstalk_tests::sim;

/// Seeds that are always run.
const SEEDS: u64 = 200;

#[test]
fn whatever_the_network_and_the_clients_do_no_job_is_lost_and_no_reply_goes_astray() {
    let all = sim::seeds(SEEDS);
    let seeds = all.end - all.start;
    let (mut calls, mut steps, mut unknown, mut to_end) = (0, 0, 0, 0);
    for seed in all {
        match sim::run(seed) {
            Ok(run) => {
                calls += run.calls;
                steps += run.steps;
                unknown += run.unknown_puts;
                to_end = to_end.max(run.steps_to_end);
            }
            Err(what) => panic!("{what}"),
        }
    }
    println!("{seeds} seeds: {calls} calls in {steps} steps; {unknown} jobs put without their client's knowing;");
    println!("at most {to_end} steps to the end, of {} allowed", sim::STEPS_TO_END);
    // What nothing happens in, proves nothing.
    assert!(calls > 100 * seeds && unknown >= seeds / 10, "{calls} calls, {unknown} lost replies");
}

#[test]
fn a_seed_replays_exactly() {
    let mut hashes = Vec::new();
    for seed in 0..20 {
        let run = sim::run(seed).unwrap();
        assert_eq!(run, sim::run(seed).unwrap(), "seed {seed}");
        hashes.push(run.hash);
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 20, "and another is another");
}
