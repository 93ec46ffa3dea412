//! `put`.

use std::{
    sync::mpsc::{self, Receiver},
    thread,
};

use beanstalk_sync::{Body, Client, Priority, Put as Request, PutOutcome, Seconds, Stats, Use};
use clap::Args;

use super::{InTube, stop, stopped};
use crate::{
    app::App,
    body::Bodies,
    exit::{Exit, Failure, Outcome},
    options::parse_seconds,
    output::Row,
    report::Tally,
};

/// Put jobs into a tube
///
/// Each body is a job; without one, what standard input holds is. With --lines each line is a job, put as soon as it is there.
#[derive(Debug, Args)]
pub(crate) struct Put {
    #[command(flatten)]
    bodies: Bodies,
    #[command(flatten)]
    tube: InTube,
    /// How urgent: 0 is the most urgent, below 1024 counts as urgent
    #[arg(short, long = "priority", visible_alias = "pri", value_name = "PRI", default_value_t = Priority::default().0)]
    priority: u32,
    /// How long until a worker can have it: seconds, or as in 5m, 2h, 1d
    #[arg(short, long, value_name = "TIME", default_value = "0", value_parser = parse_seconds)]
    delay: u32,
    /// How long a worker may take
    #[arg(long, value_name = "TIME", default_value = "60", value_parser = parse_seconds)]
    ttr: u32,
}

/// Bodies that are sent together at most.
const BATCH: usize = 256;

impl Put {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let tube = self.tube.tube.clone();
        if !app.may(|| format!("put jobs into tube {tube}"))? {
            return Ok(Exit::Done);
        }
        let mut client = app.client()?;
        client.call(Use::new(&tube))?;
        let limit = if self.bodies.are_read() { limit(&mut client)? } else { Body::MAX_LEN };
        let (priority, delay, ttr) = (Priority(self.priority), Seconds::from(self.delay), Seconds::from(self.ttr));
        let delayed = self.delay > 0;
        let bodies = read(self.bodies, limit);
        let App { printer, report, .. } = app;
        let mut tally = Tally::new(report);
        // What is there is put in one go; nothing that is there waits for what is not.
        while let Ok(first) = bodies.recv() {
            let (mut read, mut unread) = (Vec::new(), None);
            for body in std::iter::once(first).chain(bodies.try_iter().take(BATCH)) {
                match body {
                    Ok(body) => read.push(body),
                    // What is too long keeps none of the others out.
                    Err(failure) if failure.exit == Exit::Refused => tally.failed(failure),
                    Err(failure) => unread = Some(failure),
                }
            }
            let count = read.len();
            let mut results = client.call_all(read.into_iter().map(|body| Request::new(priority, delay, ttr, body)));
            for at in 0..count {
                match results.next() {
                    Some(Ok(outcome)) => {
                        let id = outcome.id();
                        let buried = outcome.is_buried();
                        let state = if buried {
                            "buried"
                        } else if delayed {
                            "delayed"
                        } else {
                            "ready"
                        };
                        let sentence = match outcome {
                            PutOutcome::Inserted(_) => format!("put job {id} into tube {tube}"),
                            PutOutcome::Buried(_) => {
                                format!("put job {id} into tube {tube}, buried for lack of memory")
                            }
                        };
                        let row = Row::new().with("id", id).with("tube", &tube).with("state", state);
                        printer.act(&sentence, &id.to_string(), &row)?;
                        match outcome.inserted() {
                            Ok(_) => tally.done(),
                            Err(buried) => tally.failed(beanstalk_sync::Error::from(buried).into()),
                        }
                    }
                    Some(Err(error)) if stop(&error) => {
                        drop(results);
                        return Ok(stopped(printer, tally, error, count - at)?);
                    }
                    Some(Err(error)) => tally.failed(error.into()),
                    None => break,
                }
            }
            printer.flush_acts()?;
            if let Some(failure) = unread {
                tally.failed(failure);
                break;
            }
        }
        printer.end()?;
        Ok(tally.exit())
    }
}

/// How long a body may be: as the server reports, or else as any server can be set to.
fn limit(client: &mut Client) -> Outcome<usize> {
    let limit = match client.call(Stats::new()) {
        Err(error) if stop(&error) => return Err(error.into()),
        stats => stats.ok().and_then(|stats| stats.max_job_size),
    };
    Ok(limit.and_then(|limit| usize::try_from(limit).ok()).map_or(Body::MAX_LEN, |limit| limit.min(Body::MAX_LEN)))
}

/// Reads the bodies in a thread of its own, which is left behind if what it waits for is no longer wanted.
fn read(bodies: Bodies, limit: usize) -> Receiver<Result<Vec<u8>, Failure>> {
    let (sender, receiver) = mpsc::sync_channel(BATCH);
    thread::spawn(move || {
        for body in bodies.iter(limit) {
            if sender.send(body).is_err() {
                return;
            }
        }
    });
    receiver
}
