//! What `stats` reports about this process and this machine.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    time::Duration,
};

use crate::engine::Facts;

impl Facts {
    /// Returns the facts of this process, with a fresh random id.
    #[must_use]
    pub fn of_this_process() -> Self {
        // The standard library's hash keys are random and never the same twice.
        let id = RandomState::new().build_hasher().finish();
        let facts = Self { pid: std::process::id().into(), id: format!("{id:016x}"), ..Self::default() };
        of_the_machine(facts)
    }
}

#[cfg(unix)]
fn of_the_machine(facts: Facts) -> Facts {
    let Ok(names) = nix::sys::utsname::uname() else { return facts };
    Facts {
        hostname: names.nodename().to_string_lossy().into_owned(),
        os: names.version().to_string_lossy().into_owned(),
        platform: names.machine().to_string_lossy().into_owned(),
        ..facts
    }
}

#[cfg(not(unix))]
fn of_the_machine(facts: Facts) -> Facts {
    Facts { os: std::env::consts::OS.into(), platform: std::env::consts::ARCH.into(), ..facts }
}

/// Processor time this process has spent: in its own code, and in the kernel for it.
#[cfg(unix)]
pub(super) fn cpu_time() -> (Duration, Duration) {
    use nix::sys::{
        resource::{UsageWho, getrusage},
        time::TimeVal,
    };

    let duration = |time: TimeVal| {
        let micros = u64::try_from(time.tv_usec()).unwrap_or(0);
        Duration::from_secs(u64::try_from(time.tv_sec()).unwrap_or(0)) + Duration::from_micros(micros)
    };
    match getrusage(UsageWho::RUSAGE_SELF) {
        Ok(usage) => (duration(usage.user_time()), duration(usage.system_time())),
        Err(_) => (Duration::ZERO, Duration::ZERO),
    }
}

#[cfg(not(unix))]
pub(super) fn cpu_time() -> (Duration, Duration) {
    (Duration::ZERO, Duration::ZERO)
}
