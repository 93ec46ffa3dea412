//! Connections that end too early, and what a server answers when its memory ends.

use beanstalk_proto::{
    Command, Error, JobId, Kind, ListTubeUsed, Lost, Put, PutOutcome, Release, ReleaseOutcome, Reserve, client::Config,
};

use crate::{peer::Peer, script::Script};

pub async fn a_reply_that_ends_at_any_byte_is_a_closed_connection<P: Peer>() {
    let whole = b"RESERVED 12 5\r\nhe\r\nl\r\n";
    for len in 0..whole.len() {
        let script = Script::play(move |remote| {
            remote.line()?;
            remote.send(&whole[..len])
        });
        let mut peer = P::connect(script.address(), Config::default()).await.unwrap();
        let error = peer.call(Reserve::new()).await.unwrap_err();
        assert!(matches!(error, Error::Closed { lost: Lost::Unknown }), "after {len} bytes: {error}");
        assert_eq!(error.to_string(), "the connection is closed; the request may have run");
        let error = peer.call(Put::of("x")).await.unwrap_err();
        assert!(matches!(error, Error::Closed { lost: Lost::NotSent }), "after {len} bytes: {error}");
    }
}

pub async fn after_a_fatal_error_a_pipeline_reports_what_became_of_each_request<P: Peer>() {
    let script = Script::play(|remote| {
        for _ in 0..3 {
            remote.line()?;
        }
        remote.send("INSERTED 1\r\nNOT_FOUND\r\nWATCHING 1\r\n")?;
        remote.wait_for_the_end()
    });
    let mut peer = P::connect(script.address(), Config::default()).await.unwrap();
    let mut commands = vec![Command::Delete { id: JobId(1) }; 200];
    commands[0] = Command::Put { priority: 0.into(), delay: 0, ttr: 1, body: Vec::new() };
    let results = peer.call_all(commands, usize::MAX).await;
    assert_eq!(results.len(), 200);
    let mut results = results.into_iter();
    assert!(results.next().unwrap().is_ok());
    let refusal = results.next().unwrap().unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "delete 1: NOT_FOUND: there is no such job or tube, or it is not in a state that this command applies to"
    );
    let cause = results.next().unwrap().unwrap_err();
    assert_eq!(cause.to_string(), "the server answered delete with \"WATCHING 1\"; the request may have run");
    let rest: Vec<_> = results.map(Result::unwrap_err).collect();
    assert!(rest.iter().all(|error| matches!(error, Error::Closed { .. })));
    // The window was sent; what lay beyond it was not.
    let sent = rest.iter().take_while(|error| error.lost() == Some(Lost::Unknown)).count();
    assert!((1..rest.len()).contains(&sent), "{sent} of {} sent", rest.len());
    assert!(rest[sent..].iter().all(|error| error.lost() == Some(Lost::NotSent)));
}

/// A peer that reads a whole put and then resets the connection.
fn resets() -> Script {
    Script::play(|remote| {
        remote.end_with_a_reset()?;
        remote.line()?;
        remote.line().map(|_| ())
    })
}

pub async fn what_was_read_before_a_reset_may_have_run_whichever_way_it_was_sent<P: Peer>() {
    for way in ["call", "send", "call_both", "call_all"] {
        let script = resets();
        let mut peer = P::connect(script.address(), Config::default()).await.unwrap();
        let put = Put::new(0, 0, 60, "x");
        let error = match way {
            "call" => peer.call(put).await.unwrap_err(),
            "send" => match peer.send(put).await {
                Ok(ticket) => peer.reply(ticket).await.unwrap_err(),
                Err(error) => error,
            },
            "call_both" => match peer.call_both(put, ListTubeUsed::new()).await {
                Ok((first, _)) => first.unwrap_err(),
                Err(error) => error,
            },
            _ => peer.call_all(vec![put], 1).await.remove(0).unwrap_err(),
        };
        assert!(error.is_fatal(), "{way}: {error}");
        assert_eq!(error.lost(), Some(Lost::Unknown), "{way}: {error}");
    }
}

pub async fn a_put_that_is_buried_for_want_of_memory_is_an_outcome<P: Peer>() {
    let script = Script::play(|remote| {
        for (lines, reply) in
            [(2, "BURIED 5\r\n"), (1, "BURIED\r\n"), (2, "OUT_OF_MEMORY\r\n"), (1, "INTERNAL_ERROR\r\n")]
        {
            for _ in 0..lines {
                remote.line()?;
            }
            remote.send(reply)?;
        }
        remote.wait_for_the_end()
    });
    let mut peer = P::connect(script.address(), Config::default()).await.unwrap();
    assert_eq!(peer.call(Put::of("x")).await.unwrap(), PutOutcome::Buried(JobId(5)));
    assert_eq!(peer.call(Release::new(5, 0, 0)).await.unwrap(), ReleaseOutcome::Buried);
    let memory = peer.call(Put::of("x")).await.unwrap_err();
    assert_eq!(memory.to_string(), "put: OUT_OF_MEMORY: the server has no memory for a body of 1 byte");
    let internal = peer.call(Release::new(5, 0, 0)).await.unwrap_err();
    assert_eq!(internal.to_string(), format!("{} 5: INTERNAL_ERROR: the server has a bug", Kind::Release.word()));
    assert!(!memory.is_fatal() && !internal.is_fatal());
}
