//! What threads synchronize and wait by: the standard library's locks and atomics, and the system's `poll`.
//!
//! Where schedules are explored (`--cfg schedules`, see `schedules/`), each is a model of the same that [loom](https://docs.rs/loom)
//! schedules, so that the files above this one run there as they stand.

#[cfg(not(all(test, schedules)))]
mod real {
    pub(crate) use std::{
        sync::{
            Condvar, Mutex, MutexGuard,
            atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
        },
        thread,
    };

    use std::{
        io::{self, Read, Write},
        os::{
            fd::{AsFd, BorrowedFd},
            unix::net::UnixStream,
        },
        sync::PoisonError,
        time::{Duration, Instant},
    };

    use nix::poll::{PollFd, PollFlags, PollTimeout};

    #[inline]
    pub(crate) fn now() -> Instant {
        Instant::now()
    }

    /// Waits until that is notified, or for so long.
    pub(crate) fn wait_for<'a, T>(
        changed: &Condvar,
        _: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
        time: Duration,
    ) -> MutexGuard<'a, T> {
        changed.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner).0
    }

    /// What any thread rings, and what one waits for together with its sockets. What is written to the first ends the wait at the second.
    pub(crate) struct Bell(UnixStream, UnixStream);

    impl Bell {
        pub(crate) fn new() -> io::Result<Self> {
            let (rung, heard) = UnixStream::pair()?;
            Ok(Self(rung, heard))
        }

        pub(crate) fn ring(&self) {
            // It has room: what waits takes what is there.
            let _rung = (&self.0).write(&[0]);
        }

        /// Waits until one of these happens, it is rung, or it is then. Returns of each whether it may have happened.
        pub(crate) fn wait(&self, sockets: &[(BorrowedFd<'_>, PollFlags)], until: Option<Instant>) -> Vec<bool> {
            let rung = PollFd::new(self.1.as_fd(), PollFlags::POLLIN);
            let sockets = sockets.iter().map(|(socket, event)| PollFd::new(*socket, *event));
            let mut polled: Vec<_> = std::iter::once(rung).chain(sockets).collect();
            // What ends a wait early, for example a signal, is looked at as if something had happened.
            let _interrupted = nix::poll::poll(&mut polled, timeout(until));
            let mut happened = polled.iter().map(|polled| polled.any() != Some(false));
            if happened.next() == Some(true) {
                let _heard = (&self.1).read(&mut [0; 8]);
            }
            happened.collect()
        }
    }

    fn timeout(until: Option<Instant>) -> PollTimeout {
        let Some(at) = until else { return PollTimeout::NONE };
        // The system counts in milliseconds. Rounded down it would be asked again and again in the last one.
        let left = at.saturating_duration_since(now()).saturating_add(Duration::from_nanos(999_999));
        left.try_into().unwrap_or(PollTimeout::MAX)
    }

    /// A variable of each thread.
    macro_rules! local {
        ($(#[$meta:meta])* $name:ident: $ty:ty = $init:expr) => {
            std::thread_local! {
                $(#[$meta])*
                static $name: $ty = const { $init };
            }
        };
    }
    pub(crate) use local;
}
#[cfg(not(all(test, schedules)))]
pub(crate) use real::*;

#[cfg(all(test, schedules))]
pub(crate) use super::schedules::model::*;
