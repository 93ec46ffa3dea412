//! A worker whose handler is a service of tower: a limit of concurrency, a timeout and a layer of one's own around it.
//!
//! ```text
//! cargo run -p beanstalk-tokio --features tower --example tokio_tower
//! ```

use std::{sync::Arc, time::Duration};

use beanstalk_server::EmbeddedServer;
use beanstalk_tokio::{
    BoxError, Client, HeldJob,
    JobEvent::{Buried, Done},
    RetryPolicy, Worker, WorkerEvent, service_handler,
};
use tokio::sync::Semaphore;
use tower::{ServiceBuilder, limit::GlobalConcurrencyLimitLayer};

/// Fetches a page: one that hangs is a matter for the timeout.
async fn fetch(job: HeldJob) -> Result<(), BoxError> {
    match job.text()? {
        "hangs" => std::future::pending().await,
        page => println!("fetched {page}"),
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let server = EmbeddedServer::start()?;
    let mut client = Client::connect(server.addr()).await?;
    client.use_tube("pages").await?;
    for page in ["index.html", "hangs", "news.html", "about.html"] {
        client.put(100, 0, 60, page).await?.inserted()?;
    }

    let one_at_a_time = Arc::new(Semaphore::new(1));
    let service = ServiceBuilder::new()
        // From here on jobs wait for one that takes up to 100 ms; each is kept alive meanwhile.
        .layer(GlobalConcurrencyLimitLayer::with_semaphore(one_at_a_time))
        .map_request(|job: HeldJob| {
            println!("job {} of {}", job.id, job.server());
            job
        })
        .timeout(Duration::from_millis(100))
        .service_fn(fetch);

    let (finished, mut all) = tokio::sync::mpsc::unbounded_channel();
    let worker = Worker::builder()
        .server(server.addr())
        .tube("pages")
        .concurrency(4)
        .retry(RetryPolicy::default().bury_after(std::num::NonZeroU32::new(1)))
        .on_event(move |event| {
            if let WorkerEvent::Job { event: event @ (Done { .. } | Buried { .. }), id, .. } = event {
                println!("job {id}: {event}");
                let _ = finished.send(());
            }
        })
        .build()?;
    let handle = worker.handle();
    let working = tokio::spawn(worker.run(service_handler(service)));
    for _ in 0..4 {
        all.recv().await.ok_or("the worker has ended")?;
    }
    handle.shutdown(Duration::from_secs(5));
    let metrics = working.await?;
    println!("{} fetched, {} buried", metrics.done, metrics.buried);
    assert_eq!((metrics.done, metrics.buried), (3, 1));
    Ok(())
}
