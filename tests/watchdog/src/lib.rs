//! Makes a test that hangs a test that fails, by name.
//!
//! A test that waits for a socket, a thread or a task begins with [`bound`]. A runner that can leave a test's thread behind,
//! and go on, uses [`within`].

use std::{
    any::Any,
    io::{self, Write},
    panic::Location,
    process,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

/// How long a test may take unless it sets another time. The slowest take a tenth of that on an idle machine.
pub const LIMIT: Duration = Duration::from_secs(100);

/// Ends the process if it is not dropped in time.
#[derive(Debug)]
pub struct Bound {
    _ended: Sender<()>,
}

/// Bounds the current test to [`LIMIT`].
#[must_use = "it bounds the test for as long as it lives"]
#[track_caller]
pub fn bound() -> Bound {
    bound_to(LIMIT)
}

/// Bounds the current test to a time. When that is over it ends the whole process as failed, naming the test: a thread that is
/// stuck can't be made to fail in any other way.
#[must_use = "it bounds the test for as long as it lives"]
#[track_caller]
pub fn bound_to(limit: Duration) -> Bound {
    let (sender, ended) = mpsc::channel();
    let place = Location::caller();
    // The test harness names threads after their tests, except for the main one.
    let name = thread::current().name().unwrap_or("?").to_string();
    thread::spawn(move || {
        if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            // Past the harness, which would keep it until the test's end.
            let _ = writeln!(io::stderr(), "\ntest {name} ... FAILED\nit hangs: no end after {limit:?}, at {place}");
            process::exit(101);
        }
    });
    Bound { _ended: sender }
}

/// Runs a test in a thread of its own, which is left behind if it has not ended in time.
///
/// # Errors
///
/// What the test panicked with, or that it hangs.
pub fn within(limit: Duration, name: String, test: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let (done, ended) = mpsc::channel::<()>();
    let test = move || {
        // Dropped at the end, also by a panic.
        let _done = done;
        test();
    };
    let thread = thread::Builder::new().name(name).spawn(test).map_err(|error| error.to_string())?;
    match ended.recv_timeout(limit) {
        Err(RecvTimeoutError::Timeout) => Err(format!("it hangs: no end after {limit:?}")),
        _ => thread.join().map_err(|panic| message(&*panic)),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(message), _) => message.clone(),
        (None, Some(message)) => (*message).to_string(),
        (None, None) => "it panicked".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::{env, process::Command};

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    fn hang() {
        let (_open, never) = mpsc::channel::<()>();
        assert!(never.recv().is_err(), "nobody sends");
    }

    #[test]
    #[ignore = "it hangs"]
    fn a_test_that_hangs() {
        let _bound = bound_to(SHORT);
        hang();
    }

    #[test]
    fn a_test_that_hangs_ends_its_process_as_failed_and_is_named() {
        let _bound = bound();
        let mut command = Command::new(env::current_exe().unwrap());
        let output = command.args(["--exact", "--ignored", "tests::a_test_that_hangs"]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(101), "{error}");
        let named =
            "test tests::a_test_that_hangs ... FAILED\nit hangs: no end after 50ms, at tests/watchdog/src/lib.rs:";
        assert!(error.contains(named), "{error}");
    }

    #[test]
    fn a_bound_that_was_dropped_ends_nothing() {
        drop(bound_to(SHORT));
        let _bound = bound();
        thread::sleep(SHORT * 2);
    }

    #[test]
    fn a_test_in_a_thread_of_its_own_fails_when_it_hangs_or_panics() {
        let _bound = bound();
        assert_eq!(within(SHORT, "hangs".into(), hang), Err("it hangs: no end after 50ms".into()));
        assert_eq!(within(LIMIT, "panics".into(), || panic!("out of {}", "luck")), Err("out of luck".into()));
        assert_eq!(within(LIMIT, "ends".into(), || ()), Ok(()));
    }
}
