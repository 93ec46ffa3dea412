//! A producer that the clock paces: so many small jobs a second, however fast they are taken.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use super::{raw::Client, wire::SMALL};

/// Jobs a second.
const RATE: u32 = 1000;

/// Puts so many jobs. One that comes late does not delay those behind it: the rate holds in the mean.
pub(crate) fn produce(port: u16, jobs: u64) -> Result<()> {
    let mut client = Client::connect(port)?;
    let mut due = Instant::now();
    for _ in 0..jobs {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        client.put(SMALL);
        due += Duration::from_secs(1) / RATE;
    }
    Ok(())
}
