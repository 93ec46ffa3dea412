//! What is reported of connections, one after the other: by a worker, a session and a client that is shared.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use beanstalk_driver::{
    self as tasks,
    policy::{Backoff, Event, SessionConfig, SharedConfig, WorkerEvent},
};
use beanstalk_proto::{Error, client::Config};

use super::{
    super::Adapter,
    LONG,
    binding::{Async, Binding, Blocking, Setup},
    events::Heard,
    eventually,
};

/// Delays that nobody notices. What has lasted for longer than the longest begins anew, so that is long.
const DELAYS: Backoff = Backoff { first: Duration::from_millis(1), max: LONG };

/// How a binding's clients report.
pub trait Reports {
    /// Asks for the tube in use twice, in a session. Returns what came of it, once the session is dropped.
    fn session_reports(address: &str, heard: &Heard<Event>) -> [Result<(), Error>; 2];

    /// Asks for the tubes twice, by a shared client, and ends it.
    fn shared_reports(address: &str, heard: &Heard<Event>) -> [Result<(), Error>; 2];
}

macro_rules! reports {
    ($block_on:path, $session:ty, $shared:ty, [$($await:tt)*]) => {
        fn session_reports(address: &str, heard: &Heard<Event>) -> [Result<(), Error>; 2] {
            let hears = Arc::clone(heard);
            $block_on(async {
                let config = SessionConfig::default().reconnect(DELAYS);
                let session = <$session>::new(address, config, Config::default()).expect("a session");
                let mut session = session.on_event(move |event| hears.lock().unwrap().push(event.clone()));
                let first = session.list_tube_used()$($await)*.map(drop);
                [first, session.list_tube_used()$($await)*.map(drop)]
            })
        }

        fn shared_reports(address: &str, heard: &Heard<Event>) -> [Result<(), Error>; 2] {
            let hears = Arc::clone(heard);
            $block_on(async {
                let config = SharedConfig::default().reconnect(DELAYS);
                let client = <$shared>::new(address, config, Config::default()).expect("a client");
                client.on_event(move |event| hears.lock().unwrap().push(event.clone()));
                let first = client.call(beanstalk_proto::ListTubes::new())$($await)*.map(drop);
                let results = [first, client.call(beanstalk_proto::ListTubes::new())$($await)*.map(drop)];
                client.disconnect()$($await)*;
                results
            })
        }
    };
}

impl<R: Adapter> Reports for Async<R> {
    reports!(R::block_on, tasks::Session<R>, tasks::SharedClient<R>, [.await]);
}

impl Reports for Blocking {
    reports!(smol::block_on, beanstalk_sync::Session, beanstalk_sync::SharedClient, []);
}

/// A server that closes the first two connections at their first command, and the third at a reserve or a second question; then it wants TLS.
fn moody() -> String {
    fn serve(n: u32, stream: io::Result<TcpStream>) -> io::Result<()> {
        let mut stream = stream?;
        let (lines, mut questions) = (BufReader::new(stream.try_clone()?).lines(), 0);
        for line in lines {
            let line = line?;
            let reply = match (n, line.split(' ').next()) {
                (1 | 2, _) => return Ok(()),
                (3, Some("watch" | "ignore")) => "WATCHING 1\r\n",
                (3, Some("list-tube-used")) => "USING default\r\n",
                (3, Some("list-tubes")) => "OK 14\r\n---\n- default\n\r\n",
                (3, _) => return Ok(()),
                // An alert, as a server sends it that expects a handshake.
                _ => "\x15\x03\x03\0\x02\x02\x28",
            };
            questions += u32::from(line.starts_with("list-"));
            if n == 3 && questions == 2 {
                return Ok(());
            }
            stream.write_all(reply.as_bytes())?;
        }
        Ok(())
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address").to_string();
    thread::spawn(move || (1..).zip(listener.incoming()).for_each(|(n, stream)| drop(serve(n, stream))));
    address
}

/// The events without what differs from run to run: reasons, and delays, which have to be within their bounds.
fn in_short(events: &[Event]) -> Vec<String> {
    let short = |event: &Event| match event {
        Event::Connected => "connected".to_string(),
        Event::Restored => "restored".to_string(),
        Event::Lost { reason } => {
            assert!(!reason.is_empty());
            "lost".to_string()
        }
        Event::Refused { reason } => {
            assert!(reason.contains("TLS"), "{reason}");
            "refused".to_string()
        }
        Event::Retrying { attempt, delay } => {
            assert!(*delay <= DELAYS.ceiling(*attempt), "{delay:?} after {attempt}");
            format!("retrying {attempt}")
        }
        Event::Ended => "ended".to_string(),
        _ => format!("{event}"),
    };
    events.iter().map(short).collect()
}

pub(super) fn a_worker_reports_each_event_of_its_connections<B: Binding>() {
    let mut setup = Setup::new(&moody());
    setup.backoff = DELAYS;
    let heard = Heard::<Event>::default();
    let hears = Arc::clone(&heard);
    setup.on_event = Box::new(move |event| match event {
        WorkerEvent::Connection { event, .. } => hears.lock().unwrap().push(event.clone()),
        event => panic!("{event}"),
    });
    let worker = B::work(setup);
    eventually("it has ended, as there is no other server", || heard.lock().unwrap().last() == Some(&Event::Ended));
    worker.stop(LONG);
    let expected = [
        "connected",
        "lost",
        "retrying 1", // while the tubes were to be restored
        "connected",
        "lost",
        "retrying 2", //
        "connected",
        "restored",
        "lost",
        "retrying 3", // no job was finished since
        "connected",
        "refused",
        "ended",
    ];
    assert_eq!(in_short(&heard.lock().unwrap()), expected);
}

pub(super) fn a_session_and_a_shared_client_report_each_event_of_their_connections<B: Binding>() {
    type Asks = fn(&str, &Heard<Event>) -> [Result<(), Error>; 2];
    for (asks, ended) in [(B::session_reports as Asks, false), (B::shared_reports, true)] {
        let heard = Heard::<Event>::default();
        let [first, second] = asks(&moody(), &heard);
        first.unwrap();
        let error = second.unwrap_err();
        assert!(error.is_refusal(), "{error}");
        let mut expected = vec![
            "connected",
            "restored",
            "lost",
            "retrying 1",
            "connected",
            "restored",
            "lost",
            "retrying 2",
            "connected",
            "restored",
            "lost",
            "retrying 1", // one call was answered
            "connected",
            "restored",
            "refused",
        ];
        if ended {
            eventually("its end is reported", || heard.lock().unwrap().last() == Some(&Event::Ended));
            expected.push("ended");
        }
        assert_eq!(in_short(&heard.lock().unwrap()), expected);
    }
}
