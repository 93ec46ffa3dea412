//! A web service with jobs: handlers of axum put them, and a worker in the same program does them.
//!
//! ```text
//! cargo run -p beanstalk-tokio --features json,metrics --example service    # wants a beanstalkd on localhost
//! curl -i localhost:3000/signups --json '{"email":"alice@example.org"}'
//! curl -i localhost:3000/health
//! curl localhost:3000/metrics
//! ```
//!
//! `QUEUE` names another server, `LISTEN` another address. SIGTERM ends the service: requests and jobs in hand are finished, and what
//! is queued waits for the next start. Its tests, in `tests.rs`, run on the embedded server.

#[cfg(all(test, unix))]
mod tests;

use std::{env, io, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use beanstalk_tokio::{BoxError, ConnectOptions, Error, Lost, Metrics, SharedClient, SharedConfig, Worker};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};
use tokio::{net::TcpListener, select, signal::ctrl_c, time::interval};

const TUBE: &str = "welcome-mails";
/// How long a request waits for a queue that is away.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long jobs, and then requests, have to finish at the end. Twice that should be less than the service manager's patience.
const GRACE: Duration = Duration::from_secs(10);

/// What a request brings, and a job's body.
#[derive(Deserialize, Serialize)]
struct Signup {
    email: String,
}

/// What jobs need from outside; the tests have their own.
trait Mailer: Send + Sync + 'static {
    fn welcome(&self, signup: Signup) -> impl Future<Output = Result<(), BoxError>> + Send;
}

struct Console;

impl Mailer for Console {
    async fn welcome(&self, signup: Signup) -> Result<(), BoxError> {
        println!("To: {}\nWelcome!", signup.email);
        Ok(())
    }
}

/// What every handler of a request gets a clone of.
#[derive(Clone)]
struct App {
    queue: SharedClient,
    metrics: PrometheusHandle,
}

fn router(app: App) -> Router {
    Router::new()
        .route("/signups", post(sign_up))
        .route("/health", get(health))
        .route("/metrics", get(async |State(app): State<App>| app.metrics.render()))
        .with_state(app)
}

/// Answers as soon as the job is queued.
async fn sign_up(State(app): State<App>, Json(signup): Json<Signup>) -> Result<(StatusCode, String), Failure> {
    // Tube, priority, delay, time to run, body.
    let id = app.queue.put_json_in(TUBE, 100, 0, 60, &signup).await?.inserted()?;
    Ok((StatusCode::ACCEPTED, format!("job {id}\n")))
}

/// Whether the queue answers within a second.
async fn health(State(app): State<App>) -> Result<&'static str, Failure> {
    app.queue.timeout(Duration::from_secs(1)).stats().await?;
    Ok("ok\n")
}

/// An error of the queue as a response.
struct Failure(Error);

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match self.0.lost() {
            // Nothing was queued: the caller may try again.
            Some(Lost::NotSent) => StatusCode::SERVICE_UNAVAILABLE,
            // There may be a job: the caller may try again if a second mail does no harm.
            Some(Lost::Unknown) => StatusCode::GATEWAY_TIMEOUT,
            None => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, format!("{}\n", self.0)).into_response()
    }
}

/// Serves requests and does jobs until `stop`, and finishes what is in hand then. Returns what became of the jobs.
async fn serve(
    listener: TcpListener,
    endpoint: &str,
    mailer: impl Mailer,
    metrics: PrometheusHandle,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<Metrics, BoxError> {
    // Both connect by themselves, again and again: the server need not be there yet.
    let config = SharedConfig::default().patience(PATIENCE);
    let queue = SharedClient::new(endpoint, config, ConnectOptions::default())?;
    let mailer = Arc::new(mailer);
    let handler = move |beanstalk_tokio::Json(signup): beanstalk_tokio::Json<Signup>| {
        let mailer = Arc::clone(&mailer);
        async move { mailer.welcome(signup).await }
    };
    let worker = Worker::builder().server(endpoint).concurrency(4).handle(TUBE, handler).build()?;

    let jobs = worker.handle();
    let stop = async move {
        stop.await;
        jobs.shutdown(GRACE);
    };
    let app = router(App { queue: queue.clone(), metrics });
    let requests = tokio::spawn(axum::serve(listener, app).with_graceful_shutdown(stop).into_future());
    let done = worker.run_handlers().await?;
    // A caller that never sends the rest of its request is not waited for.
    if let Ok(served) = tokio::time::timeout(GRACE, requests).await {
        served??;
    }
    queue.disconnect().await;
    Ok(done)
}

/// Completes with SIGTERM, which service managers send, and with Ctrl-C.
fn termination() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = signal(SignalKind::terminate())?;
    #[cfg(windows)]
    let mut terminate = tokio::signal::windows::ctrl_close()?;
    Ok(async move {
        select! {
            _ = terminate.recv() => {}
            _ = ctrl_c() => {}
        }
    })
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let stop = termination()?;
    let endpoint = env::var("QUEUE").unwrap_or_else(|_| "localhost:11300".into());
    let listener = TcpListener::bind(env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".into())).await?;
    // Before the worker runs, as what is counted until then is lost.
    let metrics = PrometheusBuilder::new().install_recorder()?;
    let recorded = metrics.clone();
    tokio::spawn(async move {
        // Frees what samples take while nothing scrapes.
        let mut ticks = interval(Duration::from_secs(5));
        loop {
            ticks.tick().await;
            recorded.run_upkeep();
        }
    });
    let done = serve(listener, &endpoint, Console, metrics, stop).await?;
    println!("{} mails were sent", done.done);
    Ok(())
}
