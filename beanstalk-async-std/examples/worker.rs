//! A worker that gives up waiting now and then, in the middle of a reserve, and loses no job by it.
//!
//! ```text
//! cargo run -p beanstalk-async-std --example worker [address]
//! ```
//!
//! Without an address it starts a server of its own. It ends once nothing has come for half a second.

use std::time::Duration;

use async_std::future::timeout;
use beanstalk_async_std::{Client, Job, Reserved};
use beanstalk_server::EmbeddedServer;

#[async_std::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let own = EmbeddedServer::start()?;
    let address = std::env::args().nth(1).unwrap_or_else(|| own.addr().into());

    let mut producer = Client::connect(&address).await?;
    producer.use_tube("sums").await?;
    for body in ["1 2 3", "4 5 6", "7 eight 9"] {
        producer.put(100, 0, 60, body).await?;
    }

    let mut client = Client::connect(&address).await?;
    client.watch("sums").await?;
    client.ignore("default").await?;
    // Any future may be what ends the wait; the reserve that is dropped with it is safe.
    while let Ok(reserved) = timeout(Duration::from_millis(500), client.reserve()).await {
        match reserved? {
            Reserved::Job(job) => match sum(&job) {
                Some(sum) => {
                    println!("job {}: {sum}", job.id);
                    client.delete(job.id).await?;
                }
                // It would fail again: set it aside for a person to look at.
                None => client.bury(job.id, 100).await?,
            },
            // A job held here is about to go to somebody else; this worker never holds one that long.
            Reserved::DeadlineSoon => {}
            // The server is on its way out.
            Reserved::TimedOut => break,
        }
    }
    client.disconnect().await?;
    println!("stopped; job {} is buried", producer.peek_buried().await?.id);
    Ok(())
}

fn sum(job: &Job) -> Option<i64> {
    job.text().ok()?.split_whitespace().map(|number| number.parse::<i64>().ok()).sum()
}
