//! What a session shows besides the replies to its calls: a deadline, a flush, an end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use beanstalk_driver::{
    ConnectOptions,
    policy::{Backoff, SessionConfig},
};
use beanstalk_proto::{Command, Error, JobId, Lost, Reply, client::Config, stats::JobState};
use beanstalk_sync::Client;

use super::{
    super::Stand,
    LONG,
    binding::Binding,
    peers::Answering,
    session_uses::{Came, Then},
};
use crate::{Backend, daemon::Daemon};

pub(super) fn after_deadline_soon_a_touch_keeps_the_job_and_the_loop_goes_on<B: Binding>(stand: Stand) {
    let server = stand.server();
    let mut producer = Client::connect(&server.address()).unwrap();
    let held = producer.put(0, 0, 2, "held").unwrap().inserted().unwrap();
    let mut came = Vec::new();
    B::hold_and_wait(&server.address(), &mut |last| {
        came.extend(last);
        match last {
            None => Then::Wait(5),
            Some(Came::DeadlineSoon) => {
                producer.put(0, 0, 60, "next").unwrap().inserted().unwrap();
                Then::TouchAndWait(5)
            }
            Some(Came::Job(_)) => Then::Wait(0),
            Some(Came::TimedOut) => {
                // It is held still.
                assert_eq!(producer.stats_job(held).unwrap().state, Some(JobState::Reserved));
                Then::Stop
            }
        }
    })
    .unwrap();
    assert_eq!(came, [Came::DeadlineSoon, Came::Job(JobId(held.0 + 1)), Came::TimedOut]);
}

pub(super) fn deadline_soon_neither_ends_a_loop_nor_makes_it_spin<B: Binding>() {
    // A real server may forget the deadlines of a connection that it has told of one.
    let server = Daemon::start(Backend::Embedded, false);
    let mut producer = Client::connect(&server.address()).unwrap();
    let held = producer.put(0, 0, 1, "left alone").unwrap().inserted().unwrap();
    let mut came = Vec::new();
    B::hold_and_wait(&server.address(), &mut |last| {
        came.extend(last);
        match last {
            None | Some(Came::DeadlineSoon) => Then::Wait(1),
            Some(Came::Job(_)) => Then::Wait(0),
            Some(Came::TimedOut) => Then::Stop,
        }
    })
    .unwrap();
    let soon = came.iter().take_while(|&&came| came == Came::DeadlineSoon).count();
    assert!((1..=12).contains(&soon), "{came:?}");
    assert_eq!(came[soon..], [Came::Job(held), Came::TimedOut]);
}

pub(super) fn a_call_of_a_session_has_a_timeout_of_its_own<B: Binding>() {
    const SHORT: Duration = Duration::from_millis(50);
    let silent = Answering::start(|_| None);
    let patient = Config { reply_timeout: Some(LONG), ..Config::default() };
    let [first, _] = B::ask_with_timeout(&silent.address, patient, Some(SHORT));
    let error = first.unwrap_err();
    assert!(matches!(error, Error::TimedOut { waited, .. } if waited == SHORT), "{error}");
    // The first answer is late for the configuration, and comes at all for none.
    let asked = AtomicUsize::new(0);
    let slow = Answering::start(move |_| {
        if asked.fetch_add(1, Ordering::Relaxed) > 0 {
            return None;
        }
        thread::sleep(SHORT * 3);
        Some("USING default\r\n".into())
    });
    let hasty = Config { reply_timeout: Some(SHORT), ..Config::default() };
    let [first, second] = B::ask_with_timeout(&slow.address, hasty, None);
    first.unwrap();
    let error = second.unwrap_err();
    assert!(matches!(error, Error::TimedOut { waited, .. } if waited == SHORT), "{error}");
}

pub(super) fn what_a_session_has_flushed_is_done_though_it_is_dropped<B: Binding>(stand: Stand) {
    let server = stand.server();
    let mut worker = Client::connect(&server.address()).unwrap();
    for body in ["one", "two", "three"] {
        B::send_and_drop(&server.address(), body).unwrap();
        assert_eq!(worker.reserve_with_timeout(60).unwrap().job().unwrap().text(), Ok(body));
    }
}

pub(super) fn replies_to_what_a_session_has_sent_are_taken_in_any_order<B: Binding>(stand: Stand) {
    let server = stand.server();
    assert_eq!(B::send_and_reply(&server.address()).unwrap(), [JobId(1), JobId(3)]);
}

pub(super) fn what_a_session_has_sent_is_not_repeated_on_another_connection<B: Binding>() {
    let puts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&puts);
    // Nonsense once both are sent.
    let server = Answering::start(move |line| {
        let put = line.starts_with("put").then(|| count.fetch_add(1, Ordering::Relaxed))?;
        (put > 0).then(|| if put == 1 { "NONSENSE\r\n".into() } else { "INSERTED 7\r\n".into() })
    });
    let [first, second, third] = B::send_and_lose(&server.address);
    let (first, second) = (first.unwrap_err(), second.unwrap_err());
    assert!(matches!(first, Error::Protocol { lost: Lost::Unknown, .. }), "{first}");
    assert!(matches!(second, Error::Closed { lost: Lost::Unknown }), "{second}");
    third.unwrap();
    assert_eq!((puts.load(Ordering::Relaxed), server.connections.load(Ordering::Relaxed)), (3, 2));
}

pub(super) fn a_session_shows_the_end_of_its_connection_without_a_call<B: Binding>(stand: Stand) {
    let mut server = stand.server();
    let address = server.address();
    B::notice_the_end(&address, &mut || server.restart()).unwrap();
}

pub(super) fn what_a_greeting_selects_is_known_to_a_session_on_every_connection<B: Binding>(stand: Stand) {
    let mut server = stand.server();
    let tube = |name: &str| name.parse().unwrap();
    let options = ConnectOptions::new()
        .greeting(Command::Use { tube: tube("greeted") })
        .greeting(Command::Watch { tube: tube("greeted") })
        .greeting(Command::Ignore { tube: tube("default") });
    let delay = Duration::from_millis(5);
    let settings = SessionConfig::default().reconnect(Some(Backoff { first: delay, max: delay }));
    let mut replies = Vec::new();
    let address = server.address();
    B::session(&address, settings, options, &mut |result| {
        replies.extend(result.map(|result| match result.unwrap() {
            Reply::Using(tube) => tube.to_string(),
            Reply::Ok(list) => String::from_utf8_lossy(&list).into_owned(),
            reply => format!("{reply:?}"),
        }));
        match replies.len() {
            0 => Some(Command::ListTubeUsed),
            1 => Some(Command::Use { tube: tube("default") }),
            2 => Some(Command::Watch { tube: tube("other") }),
            3 => {
                server.restart();
                Some(Command::ListTubeUsed)
            }
            4 => Some(Command::ListTubesWatched),
            _ => None,
        }
    });
    assert_eq!([&replies[0], &replies[1], &replies[3]], ["greeted", "default", "default"]);
    assert_eq!(replies[4], "---\n- greeted\n- other\n");
}
