//! The embedded server answers as a real beanstalkd does.
//!
//! `BEANSTALK_DIFFERENTIAL_COMMANDS` is how many commands to compare, `BEANSTALK_DIFFERENTIAL_SEED` with which seed to
//! begin (a failure names its own), and `BEANSTALKD` against which server; the embedded one speaks as its release does.

use std::{
    env,
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Instant, SystemTime},
};

use beanstalk_tests::{differential, server, watchdog};

/// Compared unless told otherwise.
const COMMANDS: usize = 120_000;
/// Scripts that run at the same time.
const AT_ONCE: usize = 2;

#[test]
fn random_scripts_are_answered_as_by_beanstalkd() {
    let Some(program) = server::installed() else { return };
    let wanted = number("BEANSTALK_DIFFERENTIAL_COMMANDS").map_or(COMMANDS, |number| number as usize);
    let times = wanted.div_ceil(COMMANDS).try_into().unwrap_or(u32::MAX);
    let _bound = watchdog::bound_to(watchdog::LIMIT.saturating_mul(times).saturating_mul(4));
    let clock = || SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos() as u64 % 1_000_000_000);
    let first_seed = number("BEANSTALK_DIFFERENTIAL_SEED").unwrap_or_else(clock);
    println!("comparing with {} from BEANSTALK_DIFFERENTIAL_SEED={first_seed} on", program.display());
    let started = Instant::now();
    let (seed, scripts) = (AtomicU64::new(first_seed), AtomicUsize::new(0));
    let [replies, excused, unconfirmed] = [const { AtomicUsize::new(0) }; 3];
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while replies.load(Ordering::Relaxed) < wanted && failed.lock().unwrap().is_empty() {
                    match differential::run_seed(seed.fetch_add(1, Ordering::Relaxed)) {
                        Ok(done) => {
                            replies.fetch_add(done.replies, Ordering::Relaxed);
                            excused.fetch_add(done.excused, Ordering::Relaxed);
                            unconfirmed.fetch_add(done.unconfirmed, Ordering::Relaxed);
                            scripts.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(difference) => failed.lock().unwrap().push(difference),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    println!(
        "{} replies of {} scripts are the same in {:.1?}; {} differ as a quirk says; {} differences did not \
         show again",
        replies.into_inner(),
        scripts.into_inner(),
        started.elapsed(),
        excused.into_inner(),
        unconfirmed.into_inner(),
    );
}

#[test]
fn the_quirks_of_the_table_are_as_it_lists_them() {
    let _bound = watchdog::bound();
    if server::installed().is_none() {
        return;
    }
    for quirk in differential::quirks::QUIRKS {
        let script = (quirk.script)();
        assert_eq!(differential::words(&script, true).unwrap(), quirk.theirs, "beanstalkd: {}", quirk.name);
        assert_eq!(differential::words(&script, false).unwrap(), quirk.ours, "ours: {}", quirk.name);
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}
