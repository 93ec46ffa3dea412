//! `peek`, `peek-ready`, `peek-delayed`, `peek-buried`: look at jobs without reserving them.

use beanstalk_sync::{Job, Request, Use};
use clap::Args;

use super::{Ids, InTube, each};
use crate::{
    app::App,
    exit::{Exit, Outcome},
    output::{Row, Value},
};

/// Look at jobs, whatever their state and tube
#[derive(Debug, Args)]
pub(crate) struct Peek {
    #[command(flatten)]
    ids: Ids,
}

/// Look at the job that the next reserve of a tube would get
#[derive(Debug, Args)]
pub(crate) struct PeekReady {
    #[command(flatten)]
    tube: InTube,
}

/// Look at the job of a tube whose delay ends next
#[derive(Debug, Args)]
pub(crate) struct PeekDelayed {
    #[command(flatten)]
    tube: InTube,
}

/// Look at the job of a tube that was buried first
#[derive(Debug, Args)]
pub(crate) struct PeekBuried {
    #[command(flatten)]
    tube: InTube,
}

impl Peek {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let mut client = app.client()?;
        each(app, &mut client, &self.ids.ids, beanstalk_sync::Peek::new, |printer, _, job| printer.item(&row(job)))
    }
}

impl PeekReady {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        look(app, &self.tube, beanstalk_sync::PeekReady::new())
    }
}

impl PeekDelayed {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        look(app, &self.tube, beanstalk_sync::PeekDelayed::new())
    }
}

impl PeekBuried {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        look(app, &self.tube, beanstalk_sync::PeekBuried::new())
    }
}

fn look(app: &mut App, tube: &InTube, peek: impl Request<Reply = Job>) -> Outcome {
    let (used, job) = app.client()?.call_both(Use::new(&tube.tube), peek)?;
    used?;
    app.printer.one(&row(job?))?;
    Ok(Exit::Done)
}

fn row(job: Job) -> Row {
    Row::new().with("id", job.id).with("bytes", job.body.len() as u64).with("body", Value::Body(job.body))
}
