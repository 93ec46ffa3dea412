//! A worker that stops when it is told to, in the middle of a reserve, and loses no job by it.
//!
//! ```text
//! cargo run -p beanstalk-tokio --example worker [address]
//! ```
//!
//! Without an address it starts a server of its own. It is stopped once it has dealt with three jobs.

use beanstalk_server::EmbeddedServer;
use beanstalk_tokio::{Client, Error, Job, Reserved};
use tokio::sync::{mpsc, oneshot};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let own = EmbeddedServer::start()?;
    let address = std::env::args().nth(1).unwrap_or_else(|| own.addr().into());
    let (stop, stopped) = oneshot::channel();
    let (report, mut reports) = mpsc::channel(10);
    let worker = tokio::spawn(work(address.clone(), report, stopped));

    let mut producer = Client::connect(&address).await?;
    producer.use_tube("sums").await?;
    for body in ["1 2 3", "4 5 6", "7 eight 9"] {
        producer.put(100, 0, 60, body).await?;
    }
    for _ in 0..3 {
        println!("{}", reports.recv().await.ok_or("the worker has ended")?);
    }
    // It waits in a reserve by now.
    drop(stop);
    worker.await??;
    println!("stopped; job {} is buried", producer.peek_buried().await?.id);
    Ok(())
}

/// Works until told to stop.
async fn work(address: String, report: mpsc::Sender<String>, mut stopped: oneshot::Receiver<()>) -> Result<(), Error> {
    let mut client = Client::connect(&address).await?;
    client.watch("sums").await?;
    client.ignore("default").await?;
    loop {
        // Whichever comes first: the other one is dropped, and that is safe.
        let reserved = tokio::select! {
            reserved = client.reserve() => reserved?,
            _ = &mut stopped => return client.disconnect().await,
        };
        match reserved {
            Reserved::Job(job) => {
                let outcome = match sum(&job) {
                    Some(sum) => {
                        client.delete(job.id).await?;
                        format!("job {}: {sum}", job.id)
                    }
                    None => {
                        // It would fail again: set it aside for a person to look at.
                        client.bury(job.id, 100).await?;
                        format!("job {}: these are not numbers", job.id)
                    }
                };
                // Whether anybody listens is not our concern.
                let _ = report.send(outcome).await;
            }
            // A job held here is about to go to somebody else; this worker never holds one that long.
            Reserved::DeadlineSoon => {}
            // The server is on its way out.
            Reserved::TimedOut => return Ok(()),
        }
    }
}

fn sum(job: &Job) -> Option<i64> {
    job.text().ok()?.split_whitespace().map(|number| number.parse::<i64>().ok()).sum()
}
