//! What an engine is given at its start: it finds out nothing by itself.

use beanstalk_proto::{Dialect, server};

/// How an [`Engine`](super::Engine) behaves, and what it reports about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The longest body taken, in bytes: 65535 unless changed.
    pub max_job_size: u32,
    /// The release to speak as.
    pub dialect: Dialect,
    /// Facts that only show in `stats`.
    pub facts: Facts,
}

impl Settings {
    /// The longest body any server can be set to take: 2^30 bytes.
    pub const MAX_JOB_SIZE: u32 = 1 << 30;
}

impl Default for Settings {
    fn default() -> Self {
        let dialect = Dialect::default();
        Self { max_job_size: server::Config::default().max_job_size, dialect, facts: Facts::default() }
    }
}

/// What `stats` reports about process and machine. All empty unless set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The process id.
    pub pid: u64,
    /// The random id of this run: 16 hexadecimal digits on real servers.
    pub id: String,
    /// The machine's name.
    pub hostname: String,
    /// The kernel's version.
    pub os: String,
    /// The machine's architecture.
    pub platform: String,
}

/// The release that a server of this dialect reports.
pub(super) const fn version(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::V1_12 => "1.12",
        Dialect::V1_13 => "1.13",
    }
}
