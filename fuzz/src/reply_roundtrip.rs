//! Every reply that can be made is exactly one reply on the wire, for the parser, for a client connection and from a server
//! connection; and a client takes it as the answer to exactly those commands that it may answer.

use std::task::Poll;

use beanstalk_proto::{
    Command, CommandError, Error, Instant, Kind, MAX_LINE, ProtocolError, Raw, Reply, ReplyKind, client,
    server::{self, Event},
};

use crate::{
    drive, r#gen,
    source::{Cut, Source},
};

pub fn run(data: &[u8]) {
    let mut source = Source::new(data);
    let mut replies = Vec::new();
    while !source.is_empty() && replies.len() < 100 {
        let reply = match source.below(8) {
            0 => match r#gen::other_reply(&mut source) {
                Some(other) => Reply::Other(other),
                None => continue,
            },
            _ => r#gen::any_reply(&mut source),
        };
        alone(&reply);
        to_a_command(&reply, &mut source);
        replies.push(reply);
    }
    let mut stream = Vec::new();
    for reply in &replies {
        reply.encode(&mut stream);
    }
    for cut in Cut::two(data) {
        pipelined(&replies, &stream, cut);
    }
    a_server_reads_and_writes_the_same(&replies, &stream);
}

fn alone(reply: &Reply) {
    let mut encoded = Vec::new();
    reply.encode(&mut encoded);
    let line_only = matches!(reply, Reply::Other(_));
    let len = if line_only { encoded.len() - reply.body().map_or(0, |body| body.len() + 2) } else { encoded.len() };
    let behind = [&encoded[..], b"DELETED\r\n"].concat();
    for input in [&encoded, &behind] {
        match Reply::parse(input) {
            Ok(Some((Reply::Other(parsed), parsed_len))) if line_only => {
                assert_eq!(parsed.line(), &encoded[..len - 2]);
                assert_eq!(parsed_len, len);
            }
            parsed => assert_eq!(parsed, Ok(Some((reply.clone(), len)))),
        }
    }
    for shorter in (0..len.min(MAX_LINE)).chain(len.saturating_sub(3)..len) {
        assert_eq!(Reply::parse(&encoded[..shorter]), Ok(None));
    }
}

/// As the answer to any one command.
fn to_a_command(reply: &Reply, source: &mut Source<'_>) {
    let mut command = r#gen::any_command(source);
    let echo = source.bool();
    // Half of the time it repeats what it has to.
    match (&mut command, reply) {
        (Command::Peek { id } | Command::ReserveJob { id }, Reply::Found(job) | Reply::Reserved(job)) if echo => {
            *id = job.id;
        }
        (Command::Use { tube }, Reply::Using(name)) if echo => tube.clone_from(name),
        (Command::ReserveWithTimeout { timeout }, _) => *timeout /= 2,
        _ => {}
    }
    let same = match (&command, reply) {
        (Command::Peek { id } | Command::ReserveJob { id }, Reply::Found(job) | Reply::Reserved(job)) => *id == job.id,
        (Command::Use { tube }, Reply::Using(name)) => tube == name,
        _ => true,
    };
    let kind = command.kind();
    let allowed = kind != Kind::Quit && reply.kind().is_some_and(|reply| kind.replies().contains(reply));
    let unframed = matches!(reply, Reply::BadFormat | Reply::UnknownCommand | Reply::ExpectedCrlf) && kind == Kind::Put;

    let mut connection = client::Connection::new(client::Config::default());
    let mut ticket = connection.send(Instant::ZERO, command.clone()).expect("there is room");
    drive::sent(&mut connection);
    let mut encoded = Vec::new();
    reply.encode(&mut encoded);
    drive::feed(&mut connection, Instant::ZERO, &encoded, &mut Cut::Whole);
    let result = match connection.poll_reply(&mut ticket) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("{reply:?} does not answer {command:?}"),
    };
    match result {
        Ok(taken) => {
            assert!(allowed && same, "{reply:?} was taken as an answer to {command:?}");
            assert_eq!(&taken, reply);
            assert!(!reply.kind().is_some_and(r#gen::is_refusal));
        }
        Err(Error::Command { error, .. }) => {
            assert!(allowed && !unframed && reply.kind().is_some_and(r#gen::is_refusal));
            assert_eq!(error, CommandError::from(reply));
        }
        Err(Error::Protocol { error: ProtocolError::BodyRefused { .. }, .. }) => assert!(allowed && unframed),
        Err(Error::Protocol { error: ProtocolError::WrongEcho { .. }, .. }) => assert!(allowed && !same),
        Err(Error::Protocol { error: ProtocolError::WrongReply { .. }, .. }) => assert!(!allowed),
        Err(error) => panic!("{error} for {reply:?} to {command:?}"),
    }
}

/// As the answers to requests that take any.
fn pipelined(replies: &[Reply], stream: &[u8], mut cut: Cut) {
    let mut connection = client::Connection::new(client::Config::default());
    let mut tickets = Vec::new();
    for reply in replies {
        let has_body = reply.kind().is_none() && reply.body().is_some();
        tickets.push(
            connection.send(Instant::ZERO, Raw::new("anything").reply_has_body(has_body)).expect("there is room"),
        );
    }
    drive::sent(&mut connection);
    drive::feed(&mut connection, Instant::ZERO, stream, &mut cut);
    // Any order will do.
    for (ticket, reply) in tickets.iter_mut().zip(replies).rev() {
        match connection.poll_reply(ticket) {
            Poll::Ready(Ok(taken)) => assert_eq!(&taken, reply),
            Poll::Ready(Err(Error::Command { error, .. })) => {
                assert!(reply.kind().is_some_and(r#gen::is_refusal));
                assert_eq!(error, CommandError::from(reply));
            }
            other => panic!("{other:?} in the place of {reply:?}"),
        }
    }
    assert_eq!(connection.in_flight(), 0);
}

fn a_server_reads_and_writes_the_same(replies: &[Reply], stream: &[u8]) {
    let input = b"stats\r\n".repeat(replies.len());
    let served = drive::serve(server::Config::default(), &input, &mut Cut::Whole, None, |n, event| {
        assert_eq!(*event, Event::Command(Command::Stats));
        replies[n].clone()
    });
    assert_eq!(served.output, stream);
}

const _: () = {
    // A reply set is a set of bits.
    assert!(ReplyKind::ALL.len() <= 32);
};
