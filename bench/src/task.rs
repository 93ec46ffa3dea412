//! Who is measured, and at what.

use std::fmt;

use clap::ValueEnum;

/// Jobs that are handled before those that are measured: what came while a client started, for one.
pub(crate) const WARM_UP: u64 = 100;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Contender {
    Raw,
    Blocking,
    RawTokio,
    Tokio,
    RawAsyncStd,
    AsyncStd,
    Beanstalkc,
    Beanstalkd,
    BeanstalkdRs,
    Mamenoki,
    /// Our workers, with one slot and a handler that does nothing.
    BlockingWorker,
    TokioWorker,
    AsyncStdWorker,
    /// Only the core, on bytes in memory.
    Core,
}

impl Contender {
    /// Everybody who talks to a server.
    pub(crate) const ALL: [Self; 13] = [
        Self::Raw,
        Self::Blocking,
        Self::RawTokio,
        Self::Tokio,
        Self::RawAsyncStd,
        Self::AsyncStd,
        Self::Beanstalkc,
        Self::Beanstalkd,
        Self::BeanstalkdRs,
        Self::Mamenoki,
        Self::BlockingWorker,
        Self::TokioWorker,
        Self::AsyncStdWorker,
    ];

    /// As it is called in the tables.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Raw => "bare socket",
            Self::Blocking => "**beanstalk-sync**",
            Self::RawTokio => "bare socket on tokio",
            Self::Tokio => "**beanstalk-tokio**",
            Self::RawAsyncStd => "bare socket on async-std",
            Self::AsyncStd => "**beanstalk-async-std**",
            Self::Beanstalkc => "beanstalkc 1.0.0",
            Self::Beanstalkd => "beanstalkd 0.4.1",
            Self::BeanstalkdRs => "beanstalkd-rs 0.3.0 (tokio)",
            Self::Mamenoki => "mamenoki 0.1.1 (tokio)",
            Self::BlockingWorker => "**beanstalk-sync**, `Worker`",
            Self::TokioWorker => "**beanstalk-tokio**, `Worker`",
            Self::AsyncStdWorker => "**beanstalk-async-std**, `Worker`",
            Self::Core => "**beanstalk-proto**",
        }
    }

    /// One of the clients in this repository.
    pub(crate) const fn is_ours(self) -> bool {
        matches!(self, Self::Blocking | Self::Tokio | Self::AsyncStd | Self::Core) || self.is_worker()
    }

    pub(crate) const fn is_worker(self) -> bool {
        matches!(self, Self::BlockingWorker | Self::TokioWorker | Self::AsyncStdWorker)
    }

    /// A client that somebody else has published.
    pub(crate) const fn is_published(self) -> bool {
        matches!(self, Self::Beanstalkc | Self::Beanstalkd | Self::BeanstalkdRs | Self::Mamenoki)
    }

    /// The bare socket that one of our clients is compared with.
    pub(crate) const fn floor(self) -> Self {
        match self {
            Self::Tokio => Self::RawTokio,
            Self::AsyncStd => Self::RawAsyncStd,
            _ => Self::Raw,
        }
    }

    /// Whether it can do this at all.
    pub(crate) fn can(self, work: Work) -> bool {
        match self {
            Self::Core => work.is_core(),
            Self::BlockingWorker | Self::TokioWorker | Self::AsyncStdWorker => work.is_handling(),
            _ if work.is_core() => false,
            Self::Tokio => true,
            _ if matches!(work, Work::SharedOne | Work::SharedHundred) => false,
            Self::Raw | Self::Blocking | Self::AsyncStd => true,
            Self::RawTokio | Self::RawAsyncStd => {
                !matches!(work, Work::DrainPipelined | Work::DrainPaired | Work::Alternate)
            }
            Self::Beanstalkc | Self::BeanstalkdRs | Self::Mamenoki => work.is_serial(),
            Self::Beanstalkd => work.is_serial() && !matches!(work, Work::Peek60k | Work::Touch),
        }
    }
}

/// What is done, `count` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Work {
    /// Put 16 bytes.
    Put16,
    /// Put, reserve and delete 16 bytes.
    Cycle16,
    /// Put 60 KiB that the client may have.
    PutOwned60k,
    /// Put 60 KiB that the caller keeps.
    PutBorrowed60k,
    /// Peek at 60 KiB.
    Peek60k,
    /// Touch one job.
    Touch,
    /// Delete ready jobs.
    Delete,
    /// Reserve and delete, a command at a time.
    Drain,
    /// Reserve and delete what a producer puts a thousand times a second.
    Arriving,
    /// Reserve and delete from a filled queue, once the first jobs are done.
    Filled,
    /// Delete a job and reserve the next in one write.
    DrainPaired,
    /// Put 16 bytes, 64 in flight.
    PutPipelined,
    /// Reserve and delete, 64 commands in flight.
    DrainPipelined,
    /// Put and peek at 60 KiB in turn, all in one pipeline.
    Alternate,
    /// Put, reserve and delete 16 MiB.
    Cycle16m,
    /// Put 16 bytes over a connection that one task has to itself, though it could be shared.
    SharedOne,
    /// Put 16 bytes from 100 tasks over one connection.
    SharedHundred,
    /// Parse a mixed reply.
    CoreParse,
    /// A put of 16 bytes and its reply through a connection, 64 in flight.
    CoreSession,
}

impl Work {
    /// What the tables call it.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Put16 => "put 16 B",
            Self::Cycle16 => "put, reserve, delete 16 B",
            Self::PutOwned60k => "put 60 KiB, owned",
            Self::PutBorrowed60k => "put 60 KiB, borrowed",
            Self::Peek60k => "peek 60 KiB",
            Self::Touch => "touch",
            Self::Delete => "delete",
            Self::Drain => "reserve, delete",
            Self::Arriving => "1,000 jobs a second arriving",
            Self::Filled => "jobs from a filled queue",
            Self::DrainPaired => "delete with next reserve",
            Self::PutPipelined => "put 16 B, pipelined",
            Self::DrainPipelined => "reserve, delete, pipelined",
            Self::Alternate => "put and peek 60 KiB, pipelined",
            Self::Cycle16m => "put, reserve, delete 16 MiB",
            Self::SharedOne => "put 16 B from 1 task",
            Self::SharedHundred => "put 16 B from 100 tasks",
            Self::CoreParse => "parse a mixed reply",
            Self::CoreSession => "put 16 B through a `Connection`",
        }
    }

    pub(crate) const fn is_core(self) -> bool {
        matches!(self, Self::CoreParse | Self::CoreSession)
    }

    /// Jobs to be handled one by one: what a worker does.
    pub(crate) const fn is_handling(self) -> bool {
        matches!(self, Self::Arriving | Self::Filled)
    }

    /// A command, then its reply, then the next.
    pub(crate) const fn is_serial(self) -> bool {
        !self.is_core()
            && !matches!(
                self,
                Self::DrainPaired
                    | Self::PutPipelined
                    | Self::DrainPipelined
                    | Self::Alternate
                    | Self::Cycle16m
                    | Self::SharedOne
                    | Self::SharedHundred
            )
    }

    /// Jobs that somebody must put at that rate while it is done.
    pub(crate) const fn jobs_meanwhile(self, count: u64) -> u64 {
        if matches!(self, Self::Arriving) { WARM_UP + count + 1 } else { 0 }
    }

    /// Jobs of 16 bytes that must be ready before.
    pub(crate) const fn jobs_before(self, count: u64) -> u64 {
        match self {
            Self::Touch => 1,
            Self::Delete | Self::Drain | Self::DrainPaired | Self::DrainPipelined => count,
            Self::Filled => WARM_UP + count + 1,
            _ => 0,
        }
    }
}

/// The name on the command line.
pub(crate) fn name_of(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&name_of(*self))
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&name_of(*self))
    }
}
