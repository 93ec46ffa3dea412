//! One contender at one piece of work, in a process of its own: what the other subcommands start, pin and count.
//!
//! Everything that the work needs is made before the meter starts, and as much of it however often the work is done, so
//! that two runs differ in nothing but the work. The jobs are put by who starts the process: how many reads and writes it takes to
//! put them is chance, and would be counted.

mod blocking;
mod core;
mod meter;
mod ours_async;
mod pace;
mod published;
mod raw;
mod raw_async;
mod wire;
mod worker;

use std::{hint::black_box, mem};

use anyhow::{Result, bail};
use clap::Args;

pub(crate) use self::{
    core::cases,
    meter::Sample,
    pace::produce,
    wire::{fill, fill_tubes},
};
use self::{
    meter::Meter,
    wire::{BIG, SMALL},
};
use crate::task::{Contender, Work};

/// What to run.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct RunArgs {
    /// Who
    contender: Contender,
    /// At what
    work: Work,
    /// How often
    #[arg(long)]
    count: u64,
    /// How often it could be done with what is made ready before; at least `count`
    #[arg(long)]
    prepare: Option<u64>,
    /// Where the server listens, on 127.0.0.1
    #[arg(long, default_value_t = 11300)]
    port: u16,
    /// The server's process, whose processor time is to be noted
    #[arg(long)]
    server: Option<u32>,
}

/// The loops, once for blocking clients and once with `.await` after every call. `@basic` is for a client that has neither
/// `peek` nor `touch`.
macro_rules! serial {
    ($client:expr, $args:expr, [$($wait:tt)*]) => {{
        let (mut client, args) = ($client, $args);
        let count = args.count;
        match args.work {
            Work::Peek60k => {
                client.put(&BIG)$($wait)*;
                let meter = Meter::start(args.server);
                for _ in 0..count {
                    black_box(client.peek(1)$($wait)*);
                }
                meter.stop(count);
            }
            Work::Touch => {
                let id = client.reserve()$($wait)*;
                let meter = Meter::start(args.server);
                for _ in 0..count {
                    client.touch(id)$($wait)*;
                }
                meter.stop(count);
            }
            _ => serial!(@basic client, args, [$($wait)*]),
        }
    }};
    (@basic $client:expr, $args:expr, [$($wait:tt)*]) => {{
        let (mut client, args) = ($client, $args);
        let count = args.count;
        match args.work {
            Work::Put16 => {
                let meter = Meter::start(args.server);
                for _ in 0..count {
                    black_box(client.put(black_box(SMALL))$($wait)*);
                }
                meter.stop(count);
            }
            Work::Cycle16 => {
                let meter = Meter::start(args.server);
                for _ in 0..count {
                    black_box(client.put(black_box(SMALL))$($wait)*);
                    let id = client.reserve()$($wait)*;
                    client.delete(id)$($wait)*;
                }
                meter.stop(count);
            }
            Work::PutOwned60k => {
                let bodies: Vec<Vec<u8>> = (0..args.prepare.unwrap_or(count)).map(|_| BIG.to_vec()).collect();
                // In the order in which they were allocated: freeing the last one first would give memory back each time.
                let mut bodies = bodies.into_iter();
                let meter = Meter::start(args.server);
                for _ in 0..count {
                    black_box(client.put_owned(bodies.next().unwrap_or_default())$($wait)*);
                }
                meter.stop(count);
                // Freeing what was not used is no part of the work.
                mem::forget(bodies);
            }
            Work::PutBorrowed60k => {
                let meter = Meter::start(args.server);
                for _ in 0..count {
                    black_box(client.put(black_box(&BIG))$($wait)*);
                }
                meter.stop(count);
            }
            Work::Delete => {
                let meter = Meter::start(args.server);
                for id in 1..=count {
                    client.delete(id)$($wait)*;
                }
                meter.stop(count);
            }
            Work::Drain => {
                let meter = Meter::start(args.server);
                for _ in 0..count {
                    let id = client.reserve()$($wait)*;
                    client.delete(id)$($wait)*;
                }
                meter.stop(count);
            }
            Work::Arriving | Work::Filled => {
                for _ in 0..$crate::task::WARM_UP {
                    let id = client.reserve()$($wait)*;
                    client.delete(id)$($wait)*;
                }
                let meter = Meter::start(args.server);
                for _ in 0..count {
                    let id = client.reserve()$($wait)*;
                    client.delete(id)$($wait)*;
                }
                meter.stop(count);
            }
            work => bail!("{} does not do {work} a command at a time", args.contender),
        }
    }};
}

/// The same for what each client does in its own way.
macro_rules! pipelined {
    ($client:expr, $args:expr, [$($wait:tt)*]) => {{
        let (mut client, args) = ($client, $args);
        let meter = Meter::start(args.server);
        match args.work {
            Work::PutPipelined => client.put_pipelined(args.count)$($wait)*,
            Work::DrainPaired => client.drain_paired(args.count)$($wait)*,
            Work::DrainPipelined => client.drain_pipelined(args.count)$($wait)*,
            Work::Alternate => client.alternate(args.count)$($wait)*,
            Work::Cycle16m => client.cycle_large(args.count)$($wait)*,
            work => bail!("{work} is done a command at a time"),
        }
        meter.stop(args.count);
    }};
}

/// Does the work and prints what it cost. The jobs that it takes are there: see [`Work::jobs_before`].
pub(crate) fn run(args: RunArgs) -> Result<()> {
    let port = args.port;
    let serial = args.work.is_serial();
    match args.contender {
        Contender::Raw if serial => serial!(raw::Client::connect(port)?, args, []),
        Contender::Raw => pipelined!(raw::Client::connect(port)?, args, []),
        Contender::Blocking if serial => serial!(blocking::Client::connect(port)?, args, []),
        Contender::Blocking => pipelined!(blocking::Client::connect(port)?, args, []),
        Contender::RawTokio => raw_async::on_tokio::run(args)?,
        Contender::Tokio => ours_async::on_tokio::run(args)?,
        Contender::RawAsyncStd => raw_async::on_async_std::run(args)?,
        Contender::AsyncStd => ours_async::on_async_std::run(args)?,
        Contender::Beanstalkc => serial!(published::Beanstalkc::connect(port)?, args, []),
        Contender::Beanstalkd => serial!(@basic published::Beanstalkd::connect(port)?, args, []),
        Contender::BeanstalkdRs => {
            tokio_runtime()?.block_on(async {
                serial!(published::BeanstalkdRs::connect(port).await?, args, [.await]);
                anyhow::Ok(())
            })?;
        }
        Contender::Mamenoki => {
            tokio_runtime()?.block_on(async {
                serial!(published::Mamenoki::connect(port).await?, args, [.await]);
                anyhow::Ok(())
            })?;
        }
        Contender::BlockingWorker => worker::blocking(args)?,
        Contender::TokioWorker => worker::on_tokio(args)?,
        Contender::AsyncStdWorker => worker::on_async_std(args)?,
        Contender::Core => core::run(args.work, args.count)?,
    }
    Ok(())
}

/// What every contender on tokio runs on.
fn tokio_runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

use {pipelined, serial};
