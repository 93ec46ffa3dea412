//! The core alone, on bytes in memory.

use std::hint::black_box;

use anyhow::{Result, bail};

use super::meter::Meter;
use crate::task::Work;

/// The work itself, which the benchmarks of the core time as well.
#[allow(dead_code, reason = "each user of it leaves another part out")]
#[path = "../../../beanstalk-proto/benches/cases/mod.rs"]
pub(crate) mod cases;

pub(super) fn run(kind: Work, count: u64) -> Result<()> {
    match kind {
        Work::CoreParse => {
            let replies = cases::REPLIES.concat();
            let rounds = count / cases::REPLIES.len() as u64;
            let meter = Meter::start(None);
            for _ in 0..rounds {
                black_box(cases::parse(black_box(&replies)));
            }
            meter.stop(rounds * cases::REPLIES.len() as u64);
        }
        Work::CoreSession => {
            let mut session = cases::Session::new();
            let rounds = count / cases::DEPTH as u64;
            let meter = Meter::start(None);
            for _ in 0..rounds {
                session.round();
            }
            meter.stop(rounds * cases::DEPTH as u64);
        }
        other => bail!("{other} is not done by the core alone"),
    }
    Ok(())
}
