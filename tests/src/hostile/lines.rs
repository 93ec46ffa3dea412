//! Replies that are not what the protocol specifies.

use std::{thread, time::Duration};

use beanstalk_proto::{
    Command, Error, JobId, ListTubeUsed, Lost, Peek, Priority, Put, Reply, Request, Reserve, ReserveJob, Reserved,
    Stats, TubeName, Use, client::Config,
};

use crate::{peer::Peer, script::Script};

/// Calls once and checks the error, and that every later call repeats it.
async fn poisoned<P: Peer, R: Request<Reply: std::fmt::Debug>>(reply: &[u8], request: R, message: &str) {
    let script = Script::answer(reply);
    let mut peer = P::connect(script.address(), Config::default()).await.unwrap();
    let error = peer.call(request).await.unwrap_err();
    let shown = reply.escape_ascii();
    assert_eq!(error.to_string(), format!("{message}; the request may have run"), "in answer to {shown}");
    assert!(error.is_fatal() && matches!(error, Error::Protocol { .. }));
    for _ in 0..2 {
        let error = peer.call(ListTubeUsed::new()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{message}; the request was not sent"), "after {shown}");
    }
}

pub async fn a_reply_split_at_every_byte_is_one_reply<P: Peer>() {
    let whole = b"USING default\r\nRESERVED 7 6\r\na\r\nb\r\n\r\nINSERTED 9\r\n";
    let job = beanstalk_proto::Job { id: JobId(7), body: b"a\r\nb\r\n".to_vec() };
    let mut cuts: Vec<Vec<usize>> = (0..=whole.len()).map(|at| vec![at]).collect();
    cuts.push((0..whole.len()).collect());
    for cuts in cuts {
        let shown = cuts.clone();
        let script = Script::play(move |remote| {
            // The body of the put ends in the fourth CRLF.
            for _ in 0..4 {
                remote.line()?;
            }
            let mut said = 0;
            for at in cuts {
                remote.send(&whole[said..at])?;
                said = at;
                // That the client has read it cannot be seen from here.
                thread::sleep(Duration::from_millis(1));
            }
            remote.send(&whole[said..])?;
            remote.wait_for_the_end()
        });
        let mut peer = P::connect(script.address(), Config::default()).await.unwrap();
        let commands = vec![
            Command::ListTubeUsed,
            Command::ReserveJob { id: JobId(7) },
            Command::Put { priority: Priority(0), delay: 0, ttr: 1, body: Vec::new() },
        ];
        let replies: Vec<_> = peer.call_all(commands, 3).await.into_iter().map(Result::unwrap).collect();
        let wanted = [Reply::Using(TubeName::default()), Reply::Reserved(job.clone()), Reply::Inserted(JobId(9))];
        assert_eq!(replies, wanted, "split at {shown:?}");
    }
}

pub async fn a_reply_that_nobody_asked_for_poisons_the_connection<P: Peer>() {
    let script = Script::answer("USING default\r\nINSERTED 5\r\n");
    let mut peer = P::connect(script.address(), Config::default()).await.unwrap();
    // Both lines come in one read, so the first call gets its reply and the next learns of the second.
    assert_eq!(peer.call(ListTubeUsed::new()).await.unwrap(), "default");
    let error = peer.call(ListTubeUsed::new()).await.unwrap_err();
    assert!(error.is_fatal());
    let message = error.to_string();
    // If they came in two reads after all, the second is taken for the answer to what was asked by then.
    let unsolicited = "the server sent \"INSERTED 5\" although nothing was asked; the request was not sent";
    let wrong = "the server answered list-tube-used with \"INSERTED 5\"; the request may have run";
    assert!(message == unsolicited || message == wrong, "{message}");
}

pub async fn what_cannot_answer_a_request_poisons_the_connection<P: Peer>() {
    poisoned::<P, _>(b"INSERTED 1\r\n", ListTubeUsed::new(), r#"the server answered list-tube-used with "INSERTED 1""#)
        .await;
    poisoned::<P, _>(b"DELETED\r\n", Reserve::new(), r#"the server answered reserve with "DELETED""#).await;
    poisoned::<P, _>(
        b"HTTP/1.1 400 Bad Request\r\n",
        Stats::new(),
        r#"the server answered stats with "HTTP/1.1 400 Bad Request""#,
    )
    .await;
    let other = "which is about another job or tube";
    poisoned::<P, _>(b"USING b\r\n", Use::new("a"), &format!(r#"the server answered use with "USING b", {other}"#))
        .await;
    let found = format!(r#"the server answered peek with "FOUND 2 1", {other}"#);
    poisoned::<P, _>(b"FOUND 2 1\r\nx\r\n", Peek::new(1), &found).await;
    let reserved = format!(r#"the server answered reserve-job with "RESERVED 2 1", {other}"#);
    poisoned::<P, _>(b"RESERVED 2 1\r\nx\r\n", ReserveJob::new(1), &reserved).await;
    for line in ["RESERVED x 4", "RESERVED 1", "RESERVED 1 -4", "RESERVED 1 4 4"] {
        poisoned::<P, _>(format!("{line}\r\n").as_bytes(), Reserve::new(), &format!("malformed line \"{line}\"")).await;
    }
    for line in ["INSERTED", "INSERTED 99999999999999999999", "INSERTED -1"] {
        poisoned::<P, _>(format!("{line}\r\n").as_bytes(), Put::of("x"), &format!("malformed line \"{line}\"")).await;
    }
    for line in ["OK -100", "OK 18446744073709551616", "OK 18446744073709551615"] {
        poisoned::<P, _>(format!("{line}\r\n").as_bytes(), Stats::new(), &format!("malformed line \"{line}\"")).await;
    }
    for (word, text) in [
        ("BAD_FORMAT", "BAD_FORMAT: the server could not read the command line"),
        ("UNKNOWN_COMMAND", "UNKNOWN_COMMAND: the server does not know this command"),
        ("EXPECTED_CRLF", "EXPECTED_CRLF: the body was not followed by CR LF"),
    ] {
        let message =
            format!("the server answered put with {text}; it no longer reads bodies and commands as we send them");
        poisoned::<P, _>(format!("{word}\r\n").as_bytes(), Put::of("x"), &message).await;
    }
}

pub async fn a_body_without_its_crlf_poisons_the_connection<P: Peer>() {
    let message = |of_job, command, bytes| {
        format!("the body{of_job} that answers {command} is not followed by CR LF after its {bytes} bytes")
    };
    poisoned::<P, _>(b"RESERVED 1 3\r\nabcde", Reserve::new(), &message(" of job 1", "reserve", 3)).await;
    poisoned::<P, _>(b"OK 4\r\n---\nx\r\n", Stats::new(), &message("", "stats", 4)).await;
    let mut large = b"FOUND 1 50000\r\n".to_vec();
    large.resize(large.len() + 50002, b'x');
    poisoned::<P, _>(&large, Peek::new(1), &message(" of job 1", "peek", 50000)).await;
    // One that is dropped as it comes is checked just the same.
    let mut huge = b"RESERVED 1 17000000\r\n".to_vec();
    huge.resize(huge.len() + 17_000_002, b'x');
    poisoned::<P, _>(&huge, Reserve::new(), &message(" of job 1", "reserve", 17_000_000)).await;
}

pub async fn a_line_that_never_ends_is_cut_off<P: Peer>() {
    let script = Script::play(|remote| {
        remote.line()?;
        // Until the client has had enough.
        while remote.send([b'A'; 4096]).is_ok() {}
        Ok(())
    });
    let mut peer = P::connect(script.address(), Config::default()).await.unwrap();
    let error = peer.call(Reserve::new()).await.map(|reserved| matches!(reserved, Reserved::Job(_))).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("a line of more than 224 bytes, beginning with \"AAAA"), "{message}");
    assert!(message.len() < 300, "{message}");
    assert_eq!(error.lost(), Some(Lost::Unknown));
}
