//! Puts jobs: some one by one, many at once.
//!
//! ```text
//! cargo run -p beanstalk-tokio --example tokio_producer [address]
//! ```
//!
//! Without an address it starts a server of its own.

use beanstalk_server::EmbeddedServer;
use beanstalk_tokio::{Client, Put, PutOutcome};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let own = EmbeddedServer::start()?;
    let address = std::env::args().nth(1).unwrap_or_else(|| own.addr().into());
    let mut client = Client::connect(&address).await?;
    client.use_tube("thumbnails").await?;

    // Priority (0 is the most urgent), delay, time to run, body.
    let id = client.put(10, 0, 120, "cat.jpg").await?.id();
    println!("put job {id}");

    // Many: they go out together, and the results come as the server answers.
    let photos = (1..=1000).map(|n| Put::of(format!("photo-{n}.jpg")).priority(100).ttr(120));
    let mut results = client.call_all(photos);
    let mut count = 0;
    while let Some(result) = results.next().await {
        match result? {
            PutOutcome::Inserted(_) => count += 1,
            PutOutcome::Buried(id) => println!("the server had no memory to queue job {id}; it is buried"),
        }
    }
    // It borrows the client for as long as it lives.
    drop(results);
    println!("put {count} more");

    let stats = client.stats_tube("thumbnails").await?;
    println!("ready in the tube now: {}", stats.current_jobs_ready.unwrap_or_default());
    client.disconnect().await?;
    Ok(())
}
