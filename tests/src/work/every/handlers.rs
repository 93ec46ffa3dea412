//! Handlers and listeners that do their worst.

use std::{
    error, fmt,
    num::NonZeroU32,
    panic,
    sync::{Arc, Mutex},
    time::Duration,
};

use beanstalk_driver::{
    BoxError, HandlerResult,
    policy::{JobEvent, RetryPolicy, Verdict, WorkerEvent},
};
use beanstalk_proto::Job;
use beanstalk_sync::Client;

use super::{
    super::Stand,
    LONG,
    binding::{Binding, Ending, Setup},
    eventually,
    evil::{Evil, Payload},
};

pub(super) fn whatever_a_handler_or_listener_does_the_slot_goes_on<B: Binding>(stand: Stand) {
    let server = stand.server();
    let mut client = Client::connect(&server.address()).unwrap();
    client.use_tube("t").unwrap();
    let mut setup = Setup::new(&server.address());
    setup.retry = RetryPolicy::default().first(Duration::ZERO).bury_after(NonZeroU32::new(1));
    setup.on_event = Box::new(|_| panic::resume_unwind(Box::new(Payload(3))));
    setup.handler = Box::new(|job| {
        match job.text() {
            Ok("plain") => Ending::Error(Evil::Plain("no such thing")),
            Ok("display fails") => Ending::Error(Evil::DisplayFails),
            Ok("display panics") => Ending::Error(Evil::DisplayPanics),
            Ok("drop panics") => Ending::Error(Evil::DropPanics),
            Ok("payload panics") => Ending::Panic(Box::new(Payload(3))),
            _ => Ending::Verdict(Verdict::Done),
        }
        .into()
    });
    let worker = B::work(setup);
    let evil = ["plain", "display fails", "display panics", "drop panics", "payload panics"];
    for (n, body) in evil.into_iter().enumerate() {
        let id = client.put(1, 0, 60, body).unwrap().id();
        eventually(body, || worker.handle.metrics().buried == n as u64 + 1);
        assert_eq!(client.stats_job(id).unwrap().buries, Some(1), "{body}");
    }
    client.put(1, 0, 60, "good").unwrap().inserted().unwrap();
    eventually("the slot goes on", || worker.handle.metrics().done == 1);
    let metrics = worker.stop(LONG);
    assert_eq!((metrics.reserved, metrics.buried, metrics.done, metrics.lost), (6, 5, 1, 0));
}

pub(super) fn a_sessions_listener_that_panics_takes_nothing_with_it<B: Binding>(stand: Stand) {
    let server = stand.server();
    B::put_with_listener(&server.address(), |_| panic::resume_unwind(Box::new(Payload(3)))).unwrap();
    let stats = Client::connect(&server.address()).unwrap().stats().unwrap();
    assert_eq!((stats.cmd_put, stats.current_jobs_ready), (Some(1), Some(1)));
}

/// An error with a source.
#[derive(Debug)]
struct Sending(std::num::ParseIntError);

impl fmt::Display for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sending")
    }
}

impl error::Error for Sending {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.0)
    }
}

/// An error as the crate `thiserror` makes it, twice over.
#[derive(Debug, thiserror::Error)]
enum Mailing {
    #[error("no copies in {0:?}")]
    Copies(&'static str, #[source] Sending),
    #[error(transparent)]
    Parsing(#[from] std::num::ParseIntError),
}

fn parse() -> Result<u32, std::num::ParseIntError> {
    "seven".parse()
}

/// Runs a worker with a handler of this shape on one job; returns what became of it and what was reported.
fn one<B: Binding, O: HandlerResult + Send + 'static>(
    server: &str,
    handler: impl Fn(&Job) -> O + Send + Sync + 'static,
) -> (Verdict, Vec<String>) {
    let mut client = Client::connect(server).unwrap();
    client.use_tube("t").unwrap();
    let mut setup = Setup::new(server);
    setup.retry = RetryPolicy::default().bury_after(NonZeroU32::new(1));
    let reasons = Arc::new(Mutex::new(Vec::new()));
    let reported = Arc::clone(&reasons);
    setup.on_event = Box::new(move |event| {
        if let WorkerEvent::Job { event: JobEvent::Failed { reason }, .. } = event {
            reported.lock().unwrap().push(reason.to_string());
        }
    });
    let worker = B::work_with(setup, move |job, _| handler(job));
    let id = client.put(1, 0, 60, "x").unwrap().id();
    let metrics = || worker.handle.metrics();
    eventually("it is finished", || metrics().done + metrics().retried + metrics().buried == 1);
    let metrics = worker.stop(LONG);
    let became = match (metrics.done, metrics.retried, metrics.buried) {
        (1, 0, 0) => Verdict::Done,
        (0, 1, 0) => Verdict::RetryAfter(client.stats_job(id).unwrap().delay.unwrap_or_default().into()),
        _ => Verdict::Bury,
    };
    if became != Verdict::Done {
        client.delete(id).unwrap();
    }
    let reasons = reasons.lock().unwrap().clone();
    (became, reasons)
}

pub(super) fn handlers_return_any_of_four_types_and_the_errors_of_any_library<B: Binding>(stand: Stand) {
    let server = stand.server();
    let address = server.address();
    let (quiet, later) = (Vec::<String>::new(), Verdict::retry_after(600));
    assert_eq!(one::<B, _>(&address, |_| ()), (Verdict::Done, quiet.clone()));
    assert_eq!(one::<B, _>(&address, move |_| later), (later, quiet.clone()));
    assert_eq!(one::<B, _>(&address, |_| Ok::<(), String>(())), (Verdict::Done, quiet.clone()));
    assert_eq!(one::<B, _>(&address, |_| Ok::<_, BoxError>(Verdict::Bury)), (Verdict::Bury, quiet));

    let (parsing, failed) = ("invalid digit found in string", |chain: &str| (Verdict::Bury, vec![chain.to_string()]));
    let sending = format!("sending: {parsing}");
    assert_eq!(one::<B, _>(&address, |_| parse().map(|_| ())), failed(parsing));
    assert_eq!(one::<B, _>(&address, |_| parse().map(|_| Verdict::Done).map_err(Sending)), failed(&sending));
    assert_eq!(one::<B, _>(&address, |_| Err::<(), _>("no such thing")), failed("no such thing"));
    assert_eq!(one::<B, _>(&address, |job| Err::<(), _>(format!("not {:?}", job.text()))), failed("not Ok(\"x\")"));
    assert_eq!(
        one::<B, _>(&address, |_| Err::<(), BoxError>(Box::new(Sending(parse().unwrap_err())))),
        failed(&sending)
    );
    let by_anyhow = || anyhow::Context::context(parse(), "sending").map(|_| ());
    assert_eq!(one::<B, _>(&address, move |_| by_anyhow()), failed(&sending));
    let by_eyre = || eyre::WrapErr::wrap_err(parse(), "sending").map(|_| Verdict::Done);
    assert_eq!(one::<B, _>(&address, move |_| by_eyre()), failed(&sending));
    let by_thiserror = || parse().map(|_| ()).map_err(|error| Mailing::Copies("seven", Sending(error)));
    let chain = format!("no copies in \"seven\": {sending}");
    assert_eq!(one::<B, _>(&address, move |_| by_thiserror()), failed(&chain));
    let transparent = || -> Result<Verdict, Mailing> { parse().map(|_| Verdict::Done).map_err(Mailing::from) };
    assert_eq!(one::<B, _>(&address, move |_| transparent()), failed(parsing));
}
