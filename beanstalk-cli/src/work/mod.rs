//! `work`: each job to a command, whose exit status decides what becomes of it.

mod command;

use std::{ffi::OsString, num::NonZeroU32, sync::Arc, thread, time::Duration};

use beanstalk_sync::{HeldJob, RetryPolicy, TubeName, Verdict, Worker, WorkerEvent, WorkerHandle};
use clap::Args;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    app::App,
    exit::{Exit, Failure, Outcome},
    options::{parse_seconds, parse_tube},
    report::Report,
};
use command::{Ended, Running};

/// Give each job to a command
///
/// The command gets the body on its standard input, and BEANSTALK_JOB, BEANSTALK_TUBE and BEANSTALK_SERVER in its environment; what it
/// prints is not touched. Its job is kept for as long as it runs. Exit status 0 deletes the job. 65 buries it: there is no use in trying
/// again. 75 releases it, to be tried again after --retry-after. Everything else is a failure: the job is released with a delay that
/// doubles each time, and buried in the end.
///
/// SIGTERM, SIGINT and SIGHUP reserve nothing more and let commands finish; what has not finished in time, or at a second signal, is ended,
/// and its job given back.
#[derive(Debug, Args)]
pub(crate) struct Work {
    /// A tube to take jobs from; repeat it for several. `default` if there is none
    #[arg(short = 't', long = "watch", visible_alias = "tube", value_name = "TUBE", value_parser = parse_tube)]
    watch: Vec<TubeName>,
    /// How many commands run at a time, for each server
    #[arg(short, long, value_name = "NUMBER", default_value = "1")]
    jobs: u16,
    /// How long commands may go on after a signal
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_seconds)]
    grace: u32,
    /// The delay after exit status 75, and after a first failure
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_seconds)]
    retry_after: u32,
    /// The failure after which a job is buried; 0 tries again without end
    #[arg(long, value_name = "NUMBER", default_value = "10")]
    bury_after: u32,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// The status for input that is wrong, of sysexits.h.
const BURY: i32 = 65;
/// The status for something that may be better later, of sysexits.h.
const LATER: i32 = 75;

impl Work {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let name = self.command.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !app.may(|| format!("give jobs to {name}"))? {
            return Ok(Exit::Done);
        }
        // Before there are threads: from now on they may be sent.
        let signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(|error| Failure::local("signals", &error))?;
        let report = Arc::new(Report::new(app.options.color));
        let worker = self.worker(app, Arc::clone(&report))?;
        let (handle, running) = (worker.handle(), Arc::new(Running::default()));
        {
            let (handle, running, grace) =
                (handle.clone(), Arc::clone(&running), Duration::from_secs(self.grace.into()));
            let report = Arc::clone(&report);
            thread::spawn(move || stop_at(signals, &handle, &running, grace, &report));
        }
        let handler = {
            let running = Arc::clone(&running);
            move |job: HeldJob| self.handle(&job, &running, &handle)
        };
        let metrics = worker.run(handler);
        running.end();
        report.note(&format!(
            "{} done, {} to be tried again, {} buried, {} given back, {} lost",
            metrics.done, metrics.retried, metrics.buried, metrics.returned, metrics.lost
        ));
        match running.broken() {
            Some(failure) => Err(failure),
            None => Ok(Exit::Done),
        }
    }

    fn worker(&self, app: &App, report: Arc<Report>) -> Outcome<Worker> {
        let first = Duration::from_secs(self.retry_after.into());
        let mut retry = RetryPolicy::default();
        retry.first = first;
        retry.max = retry.max.max(first);
        retry.bury_after = NonZeroU32::new(self.bury_after);
        let worker = Worker::builder()
            .servers(app.options.servers.iter().map(ToString::to_string))
            .tubes(&self.watch)
            .concurrency(self.jobs.into())
            .retry(retry)
            .connection(crate::connect::with(&app.options)?)
            .on_event(move |event| match event {
                WorkerEvent::Connection {
                    event: beanstalk_sync::Event::Connected | beanstalk_sync::Event::Restored,
                    ..
                } => {}
                WorkerEvent::Connection { event: beanstalk_sync::Event::Ended, .. } => {}
                other => report.note(&other.to_string()),
            });
        Ok(worker.build()?)
    }

    fn handle(&self, job: &HeldJob, running: &Running, handle: &WorkerHandle) -> Result<Verdict, String> {
        let tube = job.tube().map_err(|error| error.to_string())?;
        let variables = [
            ("BEANSTALK_JOB", job.id.to_string()),
            ("BEANSTALK_TUBE", tube.to_string()),
            ("BEANSTALK_SERVER", job.server().to_string()),
        ];
        match running.run(&self.command, &job.body, variables) {
            Ok(Ended::Status(0)) => Ok(Verdict::Done),
            Ok(Ended::Status(BURY)) => Ok(Verdict::Bury),
            Ok(Ended::Status(LATER)) => Ok(Verdict::retry_after(self.retry_after)),
            Ok(ended) => Err(ended.to_string()),
            Err(failure) => {
                // It would fail for every job, and none of them can help it.
                running.broke(failure);
                handle.shutdown(Duration::ZERO);
                Ok(Verdict::retry_after(0))
            }
        }
    }
}

/// Shuts the worker down at the first signal, and at the second at once.
fn stop_at(mut signals: Signals, handle: &WorkerHandle, running: &Running, grace: Duration, report: &Report) {
    let mut received = signals.forever();
    if received.next().is_some() {
        report.note(&format!("stopping within {} s; a second signal stops at once", grace.as_secs()));
        handle.shutdown(grace);
    }
    if received.next().is_some() {
        handle.shutdown(Duration::ZERO);
        running.end();
    }
}
