//! The service on the embedded server.

use std::{net::SocketAddr, sync::LazyLock};

use axum::{body, http::Request};
use beanstalk_server::EmbeddedServer;
use beanstalk_tests::watchdog::bound;
use nix::sys::signal::{Signal, raise};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{mpsc, oneshot},
    task::{JoinHandle, block_in_place, yield_now},
};
use tower::ServiceExt;

use super::*;

/// A process has one recorder.
static METRICS: LazyLock<PrometheusHandle> = LazyLock::new(|| PrometheusBuilder::new().install_recorder().unwrap());
const ALICE: &str = r#"{"email":"alice"}"#;

type Mail = (Signup, oneshot::Sender<Result<(), BoxError>>);

/// Hands each mail to the test, which answers what became of it.
impl Mailer for mpsc::UnboundedSender<Mail> {
    async fn welcome(&self, signup: Signup) -> Result<(), BoxError> {
        let (answer, sent) = oneshot::channel();
        self.send((signup, answer))?;
        sent.await?
    }
}

struct Service {
    address: SocketAddr,
    mails: mpsc::UnboundedReceiver<Mail>,
    running: JoinHandle<Result<Metrics, BoxError>>,
}

impl Service {
    async fn start(server: &EmbeddedServer, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mailer, mails) = mpsc::unbounded_channel();
        let endpoint = server.addr().to_owned();
        let running = async move { serve(listener, &endpoint, mailer, METRICS.clone(), stop).await };
        Self { address, mails, running: tokio::spawn(running) }
    }

    /// Sends a request's first line and body, and returns the response.
    async fn request(&self, line: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{}connection: close\r\n\r\n{body}", head(line, body)).as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }
}

fn head(line: &str, body: &str) -> String {
    let length = body.len();
    format!("{line} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_fails_is_sent_later() {
    let _bound = bound();
    let server = EmbeddedServer::start().unwrap();
    let (stop, stopped) = oneshot::channel();
    let mut service = Service::start(&server, async { stopped.await.unwrap() }).await;
    assert!(service.request("GET /health", "").await.starts_with("HTTP/1.1 200"));

    let response = service.request("POST /signups", ALICE).await;
    assert!(response.starts_with("HTTP/1.1 202") && response.ends_with("job 1\n"), "{response}");
    let (_, answer) = service.mails.recv().await.unwrap();
    answer.send(Err("try again later".into())).unwrap();
    block_in_place(|| server.wait_until(PATIENCE * 30, |stats| stats.cmd_release == Some(1))).unwrap();
    // The second attempt's time has come.
    server.clock().advance(Duration::from_secs(60));
    let (signup, answer) = service.mails.recv().await.unwrap();
    assert_eq!(signup.email, "alice");

    let metrics = service.request("GET /metrics", "").await;
    let failed = metrics.lines().find(|line| line.contains("jobs_failed_total{") && line.contains(server.addr()));
    assert!(failed.is_some_and(|line| line.ends_with(" 1")), "{metrics}");
    answer.send(Ok(())).unwrap();
    stop.send(()).unwrap();
    assert_eq!(service.running.await.unwrap().unwrap().done, 1);
    assert!(server.stats_job(1).is_none(), "it was deleted");
}

#[tokio::test]
async fn what_is_not_queued_may_be_tried_again() {
    let _bound = bound();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let config = SharedConfig::default().patience(Duration::from_millis(10));
    let queue = SharedClient::new(&closed, config, ConnectOptions::default()).unwrap();
    let app = router(App { queue, metrics: METRICS.clone() });
    for request in [Request::post("/signups"), Request::get("/health")] {
        let request = request.header("content-type", "application/json").body(ALICE.to_owned()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let text = body::to_bytes(response.into_body(), 1000).await.unwrap();
        assert!(String::from_utf8_lossy(&text).contains(&closed), "{text:?} names the server");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_requests_and_jobs_finish() {
    let _bound = bound();
    let server = EmbeddedServer::start().unwrap();
    let mut service = Service::start(&server, termination().unwrap()).await;
    service.request("POST /signups", ALICE).await;
    let (_, answer) = service.mails.recv().await.unwrap();
    // The body is asked for once the service reads it.
    let mut late = TcpStream::connect(service.address).await.unwrap();
    let start = format!("{}expect: 100-continue\r\n\r\n", head("POST /signups", ALICE));
    late.write_all(start.as_bytes()).await.unwrap();
    late.read_exact(&mut [0; "HTTP/1.1 100 Continue\r\n\r\n".len()]).await.unwrap();

    raise(Signal::SIGTERM).unwrap();
    while TcpStream::connect(service.address).await.is_ok() {
        yield_now().await;
    }
    late.write_all(ALICE.as_bytes()).await.unwrap();
    let mut response = String::new();
    late.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 202"), "{response}");
    answer.send(Ok(())).unwrap();

    assert_eq!(service.running.await.unwrap().unwrap().done, 1);
    // The late one waits for the next start.
    server.settle();
    let stats = server.stats();
    assert_eq!((stats.cmd_delete, stats.current_jobs_reserved, stats.current_jobs_ready), (Some(1), Some(0), Some(1)));
}
