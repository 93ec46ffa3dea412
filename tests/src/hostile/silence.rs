//! Peers that keep a client waiting.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use beanstalk_proto::{
    ArgumentError, Command, CommandError, Error, Full, JobId, ListTubeUsed, Lost, Peek, Put, PutOutcome, Reserve,
    ReserveJob, ReserveWithTimeout, Watch,
    client::{Config, Limits},
};

use super::{SHORT, impatient};
use crate::{peer::Peer, script::Script};

/// Well past every timeout of these tests, and far from a hang.
const SOON: Duration = Duration::from_secs(10);

fn timed_out(error: &Error, lost: Lost) {
    assert!(matches!(error, Error::TimedOut { lost: is, .. } if *is == lost), "{error}");
    assert!(!error.is_fatal());
    assert!(error.to_string().contains(": no reply in ") && error.to_string().contains("; the request "), "{error}");
}

/// A peer that gives this reply once `go_on` is sent, and then takes a `watch`.
fn late(reply: &'static str) -> (mpsc::Sender<()>, Script) {
    let (go_on, told) = mpsc::channel();
    let script = Script::play(move |remote| {
        remote.line()?;
        let _ = told.recv();
        remote.send(reply)?;
        assert_eq!(remote.line()?, "watch t");
        remote.send("WATCHING 2\r\n")?;
        remote.wait_for_the_end()
    });
    (go_on, script)
}

pub async fn a_job_too_big_that_came_for_nobody_is_reported_without_asking<P: Peer>() {
    let (go_on, script) = late("RESERVED 7 20\r\ntwenty bytes of job.\r\n");
    let limits = Limits { reply_body: 10, ..Limits::default() };
    let mut peer = P::connect(script.address(), Config { limits, ..impatient() }).await.unwrap();
    timed_out(&peer.call(ReserveJob::new(7)).await.unwrap_err(), Lost::Unknown);
    go_on.send(()).unwrap();
    assert_eq!(peer.call(Watch::new("t")).await.unwrap(), 2);
    let error = peer.call(Reserve::new()).await.unwrap_err();
    assert!(matches!(error, Error::ReplyTooBig { id: Some(JobId(7)), bytes: 20, limit: 10, .. }), "{error}");
}

pub async fn a_silent_peer_times_out_and_the_connection_stays_in_sync<P: Peer>() {
    let (go_on, script) = late("USING late\r\n");
    let mut peer = P::connect(script.address(), impatient()).await.unwrap();
    let start = Instant::now();
    timed_out(&peer.call(ListTubeUsed::new()).await.unwrap_err(), Lost::Unknown);
    assert!(start.elapsed() >= SHORT && start.elapsed() < SOON, "{:?}", start.elapsed());
    go_on.send(()).unwrap();
    assert_eq!(peer.call(Watch::new("t")).await.unwrap(), 2, "the late reply is not taken for this one's");
}

pub async fn the_reply_timeout_does_not_end_a_reserve<P: Peer>() {
    let script = Script::play(|remote| {
        remote.line()?;
        thread::sleep(SHORT * 3);
        remote.send("RESERVED 1 1\r\nx\r\n")?;
        remote.wait_for_the_end()
    });
    let mut peer = P::connect(script.address(), impatient()).await.unwrap();
    assert_eq!(peer.call(Reserve::new()).await.unwrap().job().unwrap().id, JobId(1));
}

pub async fn a_body_that_stops_in_the_middle_times_out<P: Peer>() {
    let script = Script::answer("FOUND 1 100000\r\nhalf");
    let mut peer = P::connect(script.address(), impatient()).await.unwrap();
    let start = Instant::now();
    timed_out(&peer.call(Peek::new(1)).await.unwrap_err(), Lost::Unknown);
    assert!(start.elapsed() < SOON);
}

pub async fn a_reply_that_dribbles_past_the_timeout_times_out<P: Peer>() {
    let script = Script::play(|remote| {
        remote.line()?;
        remote.send("FOUND 1 100000\r\n")?;
        while remote.send("x").is_ok() {
            thread::sleep(SHORT / 10);
        }
        Ok(())
    });
    let mut peer = P::connect(script.address(), impatient()).await.unwrap();
    let start = Instant::now();
    timed_out(&peer.call(Peek::new(1)).await.unwrap_err(), Lost::Unknown);
    assert!(start.elapsed() >= SHORT && start.elapsed() < SOON, "{:?}", start.elapsed());
}

/// A peer that reads nothing until the sender is dropped.
fn deaf() -> (mpsc::Sender<()>, Script) {
    let (release, released) = mpsc::channel();
    let script = Script::play(move |_remote| {
        let _ = released.recv();
        Ok(())
    });
    (release, script)
}

pub async fn a_peer_that_never_reads_times_out_a_large_put<P: Peer>() {
    let (_deaf, script) = deaf();
    let mut peer = P::connect(script.address(), impatient()).await.unwrap();
    let start = Instant::now();
    // It is not written to its end, but will be should the peer read on.
    timed_out(&peer.call(Put::of(vec![0; 32 << 20])).await.unwrap_err(), Lost::Unknown);
    assert!(start.elapsed() >= SHORT && start.elapsed() < SOON, "{:?}", start.elapsed());
    timed_out(&peer.call(ListTubeUsed::new()).await.unwrap_err(), Lost::Unknown);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

pub async fn a_peer_that_reads_in_drips_times_out_a_large_put<P: Peer>() {
    let script = Script::play(|remote| {
        remote.line()?;
        loop {
            remote.skip(100_000)?;
            thread::sleep(SHORT / 5);
        }
    });
    let mut peer = P::connect(script.address(), impatient()).await.unwrap();
    let start = Instant::now();
    // At this rate it would take half a minute, and there is room for a little at any time.
    timed_out(&peer.call(Put::of(vec![0; 64 << 20])).await.unwrap_err(), Lost::Unknown);
    assert!(start.elapsed() >= SHORT && start.elapsed() < SOON, "{:?}", start.elapsed());
}

pub async fn one_time_holds_for_a_call_whatever_dribbles<P: Peer>() {
    const BODY: usize = 16 << 20;
    // As long as a test may sleep, and half of it is what a busy machine may add.
    let timeout = Duration::from_millis(1000);
    let config = Config { reply_timeout: Some(timeout), ..impatient() };
    for (body, reads) in [(BODY, false), (1, true), (BODY, true)] {
        let (over, is_over) = mpsc::channel::<()>();
        let script = Script::play(move |remote| {
            thread::sleep(timeout * 8 / 10);
            if reads {
                remote.line()?;
                remote.skip(body + 2)?;
                remote.send("I")?;
            }
            let _ = is_over.recv();
            Ok(())
        });
        let mut peer = P::connect(script.address(), config).await.unwrap();
        let start = Instant::now();
        timed_out(&peer.call(Put::of(vec![0; body])).await.unwrap_err(), Lost::Unknown);
        let took = start.elapsed();
        assert!(took >= timeout && took < timeout * 17 / 10, "{body} bytes, read: {reads}: {took:?} of {timeout:?}");
        drop(over);
    }
}

pub async fn a_reply_timeout_of_zero_is_no_argument<P: Peer>() {
    let script = Script::answer("USING default\r\n");
    let config = Config { reply_timeout: Some(Duration::ZERO), ..impatient() };
    let mut peer = P::connect(script.address(), config).await.unwrap();
    let zero = |error: Error| {
        let named = matches!(&error, Error::Argument(ArgumentError::Setting { setting: "reply_timeout", .. }));
        assert!(named, "{error}");
    };
    zero(peer.call(ListTubeUsed::new()).await.unwrap_err());
    zero(peer.send(ListTubeUsed::new()).await.unwrap_err());
    zero(peer.call_both(ListTubeUsed::new(), ListTubeUsed::new()).await.unwrap_err());
    for result in peer.call_all(vec![ListTubeUsed::new(), ListTubeUsed::new()], 2).await {
        zero(result.unwrap_err());
    }
    zero(peer.timeout(Some(Duration::ZERO)).call(ListTubeUsed::new()).await.unwrap_err());
    assert_eq!(peer.timeout(None).call(ListTubeUsed::new()).await.unwrap(), "default");
}

pub async fn a_call_may_have_a_time_of_its_own<P: Peer>() {
    let (go_on, script) = late("USING late\r\n");
    let mut peer = P::connect(script.address(), Config::default()).await.unwrap();
    let start = Instant::now();
    timed_out(&peer.timeout(Some(SHORT)).call(ListTubeUsed::new()).await.unwrap_err(), Lost::Unknown);
    assert!(start.elapsed() >= SHORT && start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    go_on.send(()).unwrap();
    assert_eq!(peer.call(Watch::new("t")).await.unwrap(), 2, "it counts for one call");

    // And one that may take longer than others, or as long as it takes.
    for timeout in [Some(SOON), None] {
        let script = Script::play(|remote| {
            remote.line()?;
            thread::sleep(2 * SHORT);
            remote.send("USING default\r\n")?;
            remote.wait_for_the_end()
        });
        let mut peer = P::connect(script.address(), impatient()).await.unwrap();
        assert_eq!(peer.timeout(timeout).call(ListTubeUsed::new()).await.unwrap(), "default");
        let start = Instant::now();
        timed_out(&peer.call(ListTubeUsed::new()).await.unwrap_err(), Lost::Unknown);
        assert!(start.elapsed() < SOON);
    }
}

pub async fn a_calls_time_bounds_its_wait_for_room_and_is_nobody_elses<P: Peer>() {
    let (go_on, told) = mpsc::channel();
    let script = Script::play(move |remote| {
        remote.line()?;
        let _ = told.recv();
        remote.send("USING late\r\n")?;
        assert_eq!(remote.line()?, "watch t");
        thread::sleep(SHORT);
        remote.send("WATCHING 2\r\n")?;
        remote.wait_for_the_end()
    });
    let limits = Limits { in_flight: 1, ..Limits::default() };
    let config = Config { limits, reply_timeout: Some(2 * SOON), ..impatient() };
    let mut peer = P::connect(script.address(), config).await.unwrap();
    timed_out(&peer.timeout(Some(SHORT / 5)).call(ListTubeUsed::new()).await.unwrap_err(), Lost::Unknown);
    let start = Instant::now();
    let hurried = |peer: &mut P| {
        let _ = peer.timeout(Some(SHORT / 5));
    };
    hurried(&mut peer);
    let of_all = peer.call_all(vec![Command::ListTubeUsed], 1).await.remove(0).map(drop);
    hurried(&mut peer);
    let of_both = peer.call_both(ListTubeUsed::new(), ListTubeUsed::new()).await.map(drop);
    hurried(&mut peer);
    let of_sending = peer.send(ListTubeUsed::new()).await.map(drop);
    hurried(&mut peer);
    let of_a_call = peer.call(ListTubeUsed::new()).await.map(drop);
    for result in [of_all, of_both, of_sending, of_a_call] {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Full(Full::InFlight { limit: 1 })), "{error}");
    }
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    go_on.send(()).unwrap();
    assert_eq!(peer.call(Watch::new("t")).await.unwrap(), 2, "that time was over, and is no longer that of any call");
}

pub async fn a_pipeline_to_a_silent_peer_takes_one_timeout<P: Peer>() {
    let (_deaf, script) = deaf();
    let mut peer = P::connect(script.address(), Config::default()).await.unwrap();
    let start = Instant::now();
    let results = peer.timeout(Some(SHORT)).call_all(vec![Command::ListTubeUsed; 200], usize::MAX).await;
    let took = start.elapsed();
    // Each of its own would be 50 s.
    assert!(took >= SHORT && took < 4 * SHORT, "{took:?}");
    assert_eq!(results.len(), 200);
    let is_told = |error: &Error| matches!(error, Error::TimedOut { waited, .. } if *waited == SHORT);
    assert!(results.iter().flat_map(|result| result.as_ref().err()).all(is_told), "{results:?}");
    let lost: Vec<_> = results.into_iter().map(|result| result.unwrap_err().lost()).collect();
    assert!(lost.is_sorted_by_key(|lost| *lost == Some(Lost::NotSent)), "what was not sent comes last");
    assert_eq!((lost[0], lost[199]), (Some(Lost::Unknown), Some(Lost::NotSent)));
}

pub async fn a_peer_that_refuses_a_body_and_reads_no_further_is_heard<P: Peer>() {
    let (go_on, told) = mpsc::channel::<()>();
    let script = Script::play(move |remote| {
        remote.line()?;
        remote.send("JOB_TOO_BIG\r\n")?;
        let _ = told.recv();
        Ok(())
    });
    let mut peer = P::connect(script.address(), Config::default()).await.unwrap();
    let error = peer.call(Put::of(vec![0; 32 << 20])).await.unwrap_err();
    assert_eq!(error.command_error(), Some(CommandError::JobTooBig), "{error}");
    drop(go_on);
}

pub async fn a_late_reply_makes_room_for_the_next_request<P: Peer>() {
    let (go_on, script) = late("USING late\r\n");
    let limits = Limits { in_flight: 1, ..Limits::default() };
    let mut peer = P::connect(script.address(), Config { limits, ..impatient() }).await.unwrap();
    timed_out(&peer.call(ListTubeUsed::new()).await.unwrap_err(), Lost::Unknown);
    go_on.send(()).unwrap();
    assert_eq!(peer.call(Watch::new("t")).await.unwrap(), 2);
}

pub async fn a_put_that_was_not_read_in_time_does_not_keep_the_next_out<P: Peer>() {
    const BODY: usize = 16 << 20;
    // What is left of the first is more than may be queued; or it is less, and only with the second it is more.
    for queued in [100, BODY + 1000] {
        let (go_on, told) = mpsc::channel();
        let script = Script::play(move |remote| {
            remote.line()?;
            let _ = told.recv();
            for id in 1..=2 {
                remote.skip(BODY + 2)?;
                remote.send(format!("INSERTED {id}\r\n"))?;
                remote.line()?;
            }
            remote.send("USING default\r\n")
        });
        let limits = Limits { queued, ..Limits::default() };
        let config = Config { limits, reply_timeout: Some(Duration::from_secs(60)), ..impatient() };
        let mut peer = P::connect(script.address(), config).await.unwrap();
        timed_out(&peer.timeout(Some(SHORT)).call(Put::of(vec![0; BODY])).await.unwrap_err(), Lost::Unknown);
        go_on.send(()).unwrap();
        let both = peer.call_both(Put::of(vec![1; BODY]), ListTubeUsed::new()).await.unwrap();
        assert_eq!(both.0.unwrap(), PutOutcome::Inserted(JobId(2)));
        assert_eq!(both.1.unwrap(), "default");
    }
}

pub async fn each_of_two_requests_has_its_own_time<P: Peer>() {
    let timeout = 2 * SHORT;
    let script = Script::play(move |remote| {
        remote.line()?;
        remote.line()?;
        thread::sleep(timeout + SHORT / 10);
        remote.send("RESERVED 7 1\r\nx\r\n")?;
        thread::sleep(SHORT / 10);
        remote.send("FOUND 1 1\r\ny\r\n")?;
        remote.wait_for_the_end()
    });
    let config = Config { reply_timeout: Some(timeout), ..impatient() };
    let mut peer = P::connect(script.address(), config).await.unwrap();
    let (reserved, found) = peer.call_both(ReserveWithTimeout::new(5), Peek::new(1)).await.unwrap();
    assert_eq!(reserved.unwrap().job().unwrap().id, JobId(7));
    assert_eq!(found.unwrap().body, b"y");
}

pub async fn what_a_reserve_may_wait_counts_from_the_reply_before_it<P: Peer>() {
    let timeout = Duration::from_secs(2);
    let held = timeout / 2;
    let script = Script::play(move |remote| {
        remote.line()?;
        remote.line()?;
        thread::sleep(held);
        remote.send("FOUND 1 1\r\ny\r\n")?;
        remote.wait_for_the_end()
    });
    let config = Config { reply_timeout: Some(timeout), ..impatient() };
    let mut peer = P::connect(script.address(), config).await.unwrap();
    let start = Instant::now();
    let (found, reserved) = peer.call_both(Peek::new(1), ReserveWithTimeout::new(1)).await.unwrap();
    let took = start.elapsed();
    assert_eq!(found.unwrap().body, b"y");
    timed_out(&reserved.unwrap_err(), Lost::Unknown);
    // A second of its own and the reply's, from the reply before it: the server has begun it then, at the earliest.
    let due = held + Duration::from_secs(1) + timeout;
    assert!(took >= due && took < due + held, "{took:?}");
}

pub async fn timeouts_may_be_as_long_as_the_protocol_allows<P: Peer>() {
    let script = Script::play(|remote| {
        remote.line()?;
        remote.line()?;
        remote.send("USING default\r\nWATCHING 2\r\n")?;
        remote.line().map(|_| ())
    });
    let (connect_timeout, reply_timeout) = (Some(Duration::MAX), Some(Duration::MAX));
    let config = Config { connect_timeout, reply_timeout, ..impatient() };
    let mut peer = P::connect(script.address(), config).await.unwrap();
    let ticket = peer.send(ListTubeUsed::new()).await.unwrap();
    assert_eq!(peer.call(Watch::new("t")).await.unwrap(), 2);
    assert_eq!(peer.reply(ticket).await.unwrap(), "default");
    peer.disconnect().await.unwrap();
}

pub async fn dropping_a_client_never_waits_for_its_peer<P: Peer>() {
    for body in [0, 32 << 20] {
        let (_deaf, script) = deaf();
        let timeout = 2 * SHORT;
        let config = Config { reply_timeout: Some(timeout), ..impatient() };
        let mut peer = P::connect(script.address(), config).await.unwrap();
        timed_out(&peer.call(Put::of(vec![0; body])).await.unwrap_err(), Lost::Unknown);
        let start = Instant::now();
        drop(peer);
        assert!(start.elapsed() < timeout, "{:?}", start.elapsed());
    }
    // Nor for a server that waits itself: that would be without end.
    let (_deaf, script) = deaf();
    let mut peer = P::connect(script.address(), Config::default()).await.unwrap();
    let _ticket = peer.send(Reserve::new()).await.unwrap();
    drop(peer);
}

pub async fn disconnecting_from_a_peer_that_never_closes_times_out<P: Peer>() {
    let (_deaf, script) = deaf();
    let peer = P::connect(script.address(), impatient()).await.unwrap();
    let start = Instant::now();
    timed_out(&peer.disconnect().await.unwrap_err(), Lost::Unknown);
    assert!(start.elapsed() >= SHORT && start.elapsed() < SOON, "{:?}", start.elapsed());
    // What is read meanwhile is still in order: the farewell is the only thing said.
    let (said, heard) = mpsc::channel();
    let script = Script::play(move |remote| {
        remote.line()?;
        remote.send("NOT_FOUND\r\n")?;
        let _ = said.send(remote.line()?);
        Ok(())
    });
    let mut peer = P::connect(script.address(), impatient()).await.unwrap();
    let missing = peer.call_all(vec![Command::Delete { id: JobId(1) }], 1).await;
    assert!(missing[0].is_err());
    peer.disconnect().await.unwrap();
    assert_eq!(heard.recv_timeout(SOON).unwrap(), "quit");
}
