//! A worker whose metrics are scraped by Prometheus.
//!
//! ```text
//! cargo run -p beanstalk-tokio --features metrics --example tokio_prometheus
//! ```
//!
//! It does some jobs, scrapes itself once as Prometheus would, and prints that.

use std::{io, time::Duration};

use beanstalk_server::EmbeddedServer;
use beanstalk_tokio::{BoxError, Client, HeldJob, Worker};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{interval, sleep},
};

/// Answers every request with the metrics. With the exporter's feature `http-listener` this is `.with_http_listener(address).install()`.
async fn serve(listener: TcpListener, metrics: PrometheusHandle) -> io::Result<()> {
    loop {
        let (mut scraper, _) = listener.accept().await?;
        let mut request = [0; 4096];
        let _ = scraper.read(&mut request).await?;
        let body = metrics.render();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}", body.len());
        scraper.write_all(format!("{head}\r\nConnection: close\r\n\r\n{body}").as_bytes()).await?;
    }
}

/// Frees what samples of histograms take, as the exporter asks for.
async fn maintain(metrics: PrometheusHandle) {
    let mut ticks = interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}

async fn handle(job: HeldJob) -> Result<(), BoxError> {
    match job.text()? {
        "bad" => Err("no luck".into()),
        _ => Ok(()),
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // Before the worker runs, as what is counted until then is lost.
    let duration = Matcher::Full("beanstalk_job_duration_seconds".into());
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(duration, &[0.001, 0.01, 0.1, 1.0, 10.0, 60.0])?
        .install_recorder()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, metrics.clone()));
    tokio::spawn(maintain(metrics));

    let server = EmbeddedServer::start()?;
    let mut client = Client::connect(server.addr()).await?;
    client.use_tube("emails").await?;
    for n in 0..100 {
        client.put(100, 0, 60, if n % 10 == 0 { "bad" } else { "good" }).await?.inserted()?;
    }
    let worker = Worker::builder().server(server.addr()).tube("emails").concurrency(4).build()?;
    let control = worker.handle();
    let working = tokio::spawn(worker.run(handle));
    while control.metrics().done < 90 || control.metrics().retried < 10 {
        sleep(Duration::from_millis(10)).await;
    }

    let mut scrape = TcpStream::connect(address).await?;
    scrape.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
    let mut answer = String::new();
    scrape.read_to_string(&mut answer).await?;
    println!("{answer}");
    let done = answer.lines().find(|line| line.contains("outcome=\"done\"")).ok_or("nothing is counted as done")?;
    assert!(done.ends_with("} 90"), "{done}");

    control.shutdown(Duration::from_secs(5));
    working.await?;
    Ok(())
}
