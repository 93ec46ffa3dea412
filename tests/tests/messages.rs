//! What errors say: which command, which job or tube, how many bytes, how long, and what to call instead; with every client.

use std::{error::Error as _, time::Duration};

use beanstalk_driver::policy::{BuryReason, Event, JobEvent, WorkerEvent};
use beanstalk_proto::{
    Command, CommandError, Error, JobId, Kick, Kind, ListTubeUsed, Peek, PeekReady, Priority, Put, Quit, Raw, Reply,
    Request, Reserve, ReserveWithTimeout, StatsTube, Subject, TubeName, Use, Watch, client::Config,
};
use beanstalk_tests::{
    Backend, Options, Server,
    peer::{AsyncStd, Blocking, Peer, Smol, Tokio},
    script::Script,
};

/// Refuses everything.
fn refusing() -> Script {
    Script::play(|remote| {
        while let Ok(line) = remote.line() {
            if let Some(bytes) = line.strip_prefix("put ").and_then(|line| line.rsplit(' ').next()) {
                remote.skip(bytes.parse::<usize>().unwrap() + 2)?;
            }
            remote.send("OUT_OF_MEMORY\r\n")?;
        }
        Ok(())
    })
}

fn tube() -> TubeName {
    TubeName::new("emails").unwrap()
}

/// Every command that has an answer, and how its refusal begins.
fn refusals() -> Vec<(Command, &'static str)> {
    let (id, priority, delay, tube) = (JobId(4711), Priority(0), 0, tube());
    let commands = vec![
        (Command::Put { priority, delay, ttr: 60, body: vec![0; 1234] }, "put: "),
        (Command::Peek { id }, "peek 4711: "),
        (Command::PeekReady, "peek-ready: "),
        (Command::PeekDelayed, "peek-delayed: "),
        (Command::PeekBuried, "peek-buried: "),
        (Command::ReserveWithTimeout { timeout: 1 }, "reserve-with-timeout: "),
        (Command::ReserveJob { id }, "reserve-job 4711: "),
        (Command::Reserve, "reserve: "),
        (Command::Delete { id }, "delete 4711: "),
        (Command::Release { id, priority, delay }, "release 4711: "),
        (Command::Bury { id, priority }, "bury 4711: "),
        (Command::Kick { bound: 1 }, "kick: "),
        (Command::KickJob { id }, "kick-job 4711: "),
        (Command::Touch { id }, "touch 4711: "),
        (Command::StatsJob { id }, "stats-job 4711: "),
        (Command::StatsTube { tube: tube.clone() }, "stats-tube emails: "),
        (Command::Stats, "stats: "),
        (Command::Use { tube: tube.clone() }, "use emails: "),
        (Command::Watch { tube: tube.clone() }, "watch emails: "),
        (Command::Ignore { tube: tube.clone() }, "ignore emails: "),
        (Command::ListTubesWatched, "list-tubes-watched: "),
        (Command::ListTubeUsed, "list-tube-used: "),
        (Command::ListTubes, "list-tubes: "),
        (Command::PauseTube { tube, delay }, "pause-tube emails: "),
    ];
    assert_eq!(commands.len() + 1, Kind::ALL.len(), "all but quit");
    commands
}

fn a_refusal_names_its_command_and_its_job_or_tube<P: Peer>() {
    P::block_on(async {
        let server = refusing();
        let mut peer = P::connect(server.address(), Config::default()).await.unwrap();
        let check = |result: Result<Reply, Error>, start: &str| {
            let error = result.unwrap_err();
            assert_eq!(error.command_error(), Some(CommandError::OutOfMemory), "{error}");
            assert!(error.to_string().starts_with(&format!("{start}OUT_OF_MEMORY: ")), "{start:?}: {error}");
            let cause = error.source().expect("the refusal");
            assert!(cause.source().is_none() && cause.downcast_ref() == Some(&CommandError::OutOfMemory));
        };
        for (command, start) in refusals() {
            check(peer.call(command.clone()).await, start);
            // And one behind another.
            for result in peer.call_all(vec![command.clone(), command], 2).await {
                check(result, start);
            }
        }
        let error = peer.call(Raw::new("freeze 17")).await.unwrap_err().to_string();
        assert!(error.starts_with("raw command \"freeze 17\": OUT_OF_MEMORY: "), "{error}");
    });
}

fn a_body_that_is_too_big_is_reported_with_its_size_and_where_the_limit_is_set<P: Peer>() {
    P::block_on(async {
        let server = Server::start(Backend::Embedded, Options::default());
        let mut peer = P::connect(server.address(), Config::default()).await.unwrap();
        let wanted = "put: JOB_TOO_BIG: 70,000 bytes are over the server's max-job-size, which is set by beanstalkd's -z \
                      (65,535 by default)";
        assert_eq!(peer.call(Put::of(vec![0; 70_000])).await.unwrap_err().to_string(), wanted);
        let error = peer.call(Put::of(vec![0; (1 << 30) + 1])).await.unwrap_err().to_string();
        assert_eq!(error, "a body of 1,073,741,825 bytes is over the protocol's limit of 1,073,741,824 bytes");
    });
}

fn a_bad_name_is_shown_whole_with_the_character_that_is_wrong<P: Peer>() {
    P::block_on(async {
        let server = Server::start(Backend::Embedded, Options::default());
        let mut peer = P::connect(server.address(), Config::default()).await.unwrap();
        let long = "x".repeat(201);
        let allowed = "; a name is made of A-Z a-z 0-9 - + / ; . $ _ ( )";
        for (name, wanted) in [
            ("\u{e9}", format!("\"\u{e9}\" is not a tube name: it contains '\u{e9}' (byte 0){allowed}")),
            ("two words", format!("\"two words\" is not a tube name: it contains ' ' (byte 3){allowed}")),
            (&*long, format!("\"{long}\" is not a tube name: it has 201 bytes, and the limit is 200")),
            ("", "\"\" is not a tube name: it is empty".to_string()),
            ("-x", "\"-x\" is not a tube name: it starts with '-'".to_string()),
        ] {
            assert_eq!(peer.call(Use::new(name)).await.unwrap_err().to_string(), wanted);
            assert_eq!(peer.call(StatsTube::new(name)).await.unwrap_err().to_string(), wanted);
        }
    });
}

fn a_tube_that_a_server_names_is_shown_whole<P: Peer>() {
    P::block_on(async {
        let other = "y".repeat(200);
        let server = Script::answer(format!("USING {other}\r\n"));
        let mut peer = P::connect(server.address(), Config::default()).await.unwrap();
        let error = peer.call(Use::new("x".repeat(200))).await.unwrap_err();
        assert!(error.to_string().contains(&other), "{error}");
        assert!(error.source().is_some_and(|cause| cause.source().is_none()));
    });
}

fn what_is_late_reports_how_long_was_waited<P: Peer>() {
    P::block_on(async {
        let silent = || Script::play(beanstalk_tests::script::Remote::wait_for_the_end);
        let config = Config { reply_timeout: Some(Duration::from_millis(50)), ..Config::default() };
        let server = silent();
        let mut peer = P::connect(server.address(), config).await.unwrap();
        let error = peer.call(Peek::new(7)).await.unwrap_err();
        assert_eq!(error.to_string(), "peek 7: no reply in 50ms; the request may have run");
        let Error::TimedOut { command: "peek", subject: Subject::Job(JobId(7)), waited, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(waited, Duration::from_millis(50));
        let server = silent();
        let mut peer = P::connect(server.address(), config).await.unwrap();
        // The server's own time to wait is part of it.
        let error = peer.call(ReserveWithTimeout::new(Duration::ZERO)).await.unwrap_err();
        assert_eq!(error.to_string(), "reserve-with-timeout: no reply in 50ms; the request may have run");
        let server = silent();
        let peer = P::connect(server.address(), config).await.unwrap();
        let error = peer.disconnect().await.unwrap_err();
        assert_eq!(error.to_string(), "quit: no reply in 50ms; the request may have run");
    });
}

macro_rules! clients {
    ($name:ident: $peer:ident; $($test:ident)*) => {
        mod $name {
            $(#[test]
            fn $test() {
                super::$test::<super::$peer>();
            })*
        }
    };
    ($($name:ident: $peer:ident),*) => {
        $(clients! {
            $name: $peer;
            a_refusal_names_its_command_and_its_job_or_tube
            a_body_that_is_too_big_is_reported_with_its_size_and_where_the_limit_is_set
            a_bad_name_is_shown_whole_with_the_character_that_is_wrong
            a_tube_that_a_server_names_is_shown_whole
            what_is_late_reports_how_long_was_waited
        })*
    };
}

clients! { blocking: Blocking, tokio: Tokio, async_std: AsyncStd, smol: Smol }

/// The error of a shared connection for a request that it does not take.
macro_rules! shared {
    ($($name:ident: $krate:ident on $peer:ty;)*) => {
        $(mod $name {
            use super::*;

            #[test]
            fn a_shared_clients_refusal_names_the_method_to_use() {
                <$peer>::block_on(async {
                    let server = Server::start(Backend::Embedded, Options::default());
                    let client = $krate::SharedClient::connect(server.address()).await.unwrap();
                    async fn refused<R: Request + Clone>(client: &$krate::SharedClient, request: R, method: &str) {
                        let Err(error) = client.call(request).await else { panic!("it was taken") };
                        let error = error.to_string();
                        assert!(error.contains(&format!("`{method}`")), "`{method}` is missing in {error:?}");
                    }
                    refused(&client, Put::of("x"), "put_in").await;
                    refused(&client, Kick::new(1), "kick_in").await;
                    refused(&client, PeekReady::new(), "peek_ready_in").await;
                    refused(&client, Use::new("t"), "call_in").await;
                    refused(&client, ListTubeUsed::new(), "call_in").await;
                    refused(&client, Reserve::new(), "Client").await;
                    refused(&client, Watch::new("t"), "Client").await;
                    let error = client.call(Quit::new()).await.unwrap_err().to_string();
                    assert!(error.starts_with("quit ") && error.contains("last handle is dropped"), "{error}");
                });
            }

            #[test]
            fn a_shared_clients_errors_name_their_subject() {
                <$peer>::block_on(async {
                    let server = refusing();
                    let client = $krate::SharedClient::connect(server.address()).await.unwrap();
                    let error = client.delete(4711).await.unwrap_err().to_string();
                    assert!(error.starts_with("delete 4711: OUT_OF_MEMORY: "), "{error}");
                    let error = client.stats_tube("emails").await.unwrap_err().to_string();
                    assert!(error.starts_with("stats-tube emails: OUT_OF_MEMORY: "), "{error}");
                    let silent = Script::play(|remote| remote.wait_for_the_end());
                    let config = Config { reply_timeout: Some(Duration::from_millis(50)), ..Config::default() };
                    let client = $krate::SharedClient::connect_with(silent.address(), config).await.unwrap();
                    let error = client.peek(7).await.unwrap_err();
                    assert_eq!(error.to_string(), "peek 7: no reply in 50ms; the request may have run");
                });
            }
        })*
    };
}

shared! {
    tokio_shared: beanstalk_tokio on Tokio;
    async_std_shared: beanstalk_async_std on AsyncStd;
}

#[test]
fn a_workers_events_count_in_plain_english() {
    let _bound = beanstalk_watchdog::bound();
    let said = |attempt| {
        let event = Event::Retrying { attempt, delay: Duration::from_millis(250) };
        WorkerEvent::Connection { server: "10.0.0.7:11300".parse().unwrap(), event }.to_string()
    };
    assert_eq!(said(1), "10.0.0.7:11300: reconnecting in 250ms, after 1 failure");
    assert_eq!(said(2), "10.0.0.7:11300: reconnecting in 250ms, after 2 failures");
}

#[test]
fn an_event_names_a_server_once_and_rounds_its_times() {
    let _bound = beanstalk_watchdog::bound();
    let said = |server: &str, event| WorkerEvent::Connection { server: server.parse().unwrap(), event }.to_string();
    let lost = |reason: &str| Event::Lost { reason: reason.into() };
    let refused = "connect 10.0.0.7:11300: connection refused";
    assert_eq!(said("10.0.0.7", lost(refused)), "10.0.0.7:11300: cannot connect: connection refused");
    // Of several nodes the one that failed.
    assert_eq!(
        said("10.0.0.7,b", lost(refused)),
        "10.0.0.7:11300,b:11300: cannot connect: 10.0.0.7:11300: connection refused"
    );
    assert_eq!(lost(refused).to_string(), "cannot connect: 10.0.0.7:11300: connection refused");
    assert_eq!(said("a", lost("the server has gone")), "a:11300: lost the connection: the server has gone");
    let refused = Event::Refused { reason: "connect a:11300: TLS: no".into() };
    assert_eq!(said("a", refused), "a:11300: refused: TLS: no");
    let retrying = Event::Retrying { attempt: 1, delay: Duration::from_nanos(41_347_864) };
    assert_eq!(said("a", retrying), "a:11300: reconnecting in 41ms, after 1 failure");
    assert_eq!(JobEvent::Done { took: Duration::from_nanos(1_234_567_890) }.to_string(), "done in 1.23s");
}

#[test]
fn each_event_of_a_job_names_the_job_and_what_happened() {
    let _bound = beanstalk_watchdog::bound();
    let id = beanstalk_proto::JobId(7);
    let buried = |reason| JobEvent::Buried { reason };
    let expected = [
        (JobEvent::Reserved, "reserved"),
        (JobEvent::Failed { reason: "sending: refused".into() }, "failed: sending: refused"),
        (JobEvent::Panicked { reason: "no".into() }, "the handler panicked: no"),
        (JobEvent::TimedOut { after: Duration::from_secs(90) }, "timed out: its handler ran for 90s"),
        (JobEvent::Malformed { reason: "no JSON".into() }, "malformed: no JSON"),
        (JobEvent::TooBig { bytes: 9, limit: 8 }, "too big: its body has 9 bytes, and the limit is 8"),
        (JobEvent::Done { took: Duration::from_millis(5) }, "done in 5ms"),
        (JobEvent::Retried { attempt: 2, delay: 4.into() }, "released after attempt 2, with a delay of 4 s"),
        (buried(BuryReason::Handler), "buried: the handler asked for it"),
        (buried(BuryReason::Failed { attempt: 3 }), "buried: attempt 3 failed, and it was the last"),
        (buried(BuryReason::OutOfMemory), "buried: the server had no memory to release it"),
        (buried(BuryReason::TooBig), "buried: its body is over the limit"),
        (buried(BuryReason::Malformed), "buried: its body is malformed"),
        (JobEvent::Moved { tube: "dead".parse().unwrap(), id }, "moved to the tube dead, as job 7"),
        (JobEvent::Lost, "lost: its connection broke, or its time to run was over"),
        (JobEvent::Returned, "given back"),
    ];
    for (event, text) in expected {
        let event = WorkerEvent::Job { server: "10.0.0.7".parse().unwrap(), id, event };
        assert_eq!(event.to_string(), format!("10.0.0.7:11300, job 7: {text}"));
    }
}
