//! Replies from arbitrary bytes: what is decoded encodes to the very bytes it came from, no shorter input decodes, and a client
//! connection makes the same of them however they are split.

use std::task::Poll;

use beanstalk_proto::{Error, Instant, MAX_LINE, Raw, Reply, client};

use crate::{drive, r#gen::is_refusal, source::Cut};

/// A connection takes so many requests in flight.
const MOST: usize = 1000;

pub fn run(data: &[u8]) {
    let mut replies = Vec::new();
    let mut rest = data;
    let mut wrong = false;
    while replies.len() < MOST {
        match Reply::parse(rest) {
            Ok(Some((reply, len))) => {
                let mut encoded = Vec::new();
                reply.encode(&mut encoded);
                assert_eq!(encoded, rest[..len], "encoded otherwise than it came");
                assert_eq!(Reply::parse(&encoded), Ok(Some((reply.clone(), len))));
                no_shorter_input_decodes(&rest[..len]);
                replies.push(reply);
                rest = &rest[len..];
            }
            Ok(None) => break,
            Err(_) => {
                wrong = true;
                break;
            }
        }
    }
    for cut in Cut::two(data) {
        a_connection_agrees(data, &replies, wrong, cut);
    }
}

fn no_shorter_input_decodes(reply: &[u8]) {
    let near_the_ends = (0..reply.len().min(MAX_LINE)).chain(reply.len().saturating_sub(3)..reply.len());
    for shorter in near_the_ends {
        assert_eq!(Reply::parse(&reply[..shorter]), Ok(None), "of {} bytes {shorter} were enough", reply.len());
    }
}

fn a_connection_agrees(data: &[u8], replies: &[Reply], wrong: bool, mut cut: Cut) {
    let mut connection = client::Connection::new(client::Config::default());
    // One more than is answered: it stays unanswered, or meets what is wrong.
    let mut tickets: Vec<_> = (0..=replies.len())
        .map(|_| connection.send(Instant::ZERO, Raw::new("anything")).expect("there is room"))
        .collect();
    drive::sent(&mut connection);
    drive::feed(&mut connection, Instant::ZERO, data, &mut cut);
    let mut last = tickets.pop().expect("there is one more");
    for (ticket, expected) in tickets.iter_mut().zip(replies) {
        match (connection.poll_reply(ticket), expected.kind()) {
            (Poll::Ready(Ok(reply)), kind) => {
                assert_eq!(&reply, expected);
                assert!(!kind.is_some_and(is_refusal), "{reply:?} is a refusal");
            }
            (Poll::Ready(Err(Error::Command { error, .. })), Some(kind)) => {
                assert!(is_refusal(kind), "{expected:?} is no refusal");
                assert_eq!(error, expected.into());
            }
            (other, _) => panic!("{other:?} in the place of {expected:?}"),
        }
    }
    if replies.len() < MOST {
        match connection.poll_reply(&mut last) {
            Poll::Pending => assert!(!wrong, "it waits where there is nothing to wait for"),
            Poll::Ready(Err(Error::Protocol { .. })) => assert!(wrong, "poisoned by what can be decoded"),
            other => panic!("{other:?} for a request that got no reply"),
        }
    }
}
