//! Lengths at the edges of what 32 and 64 bits can say, through the public API. On a machine where they are the same size
//! these are other edges than where they are not; the arithmetic is in `u64` on both.

use std::task::Poll;

use beanstalk_proto::{
    Error, Instant, JobId, Peek, ProtocolError, Reply,
    client::{self, Config, Limits},
    server::{self, Event},
};
use proptest::prelude::*;

/// Numbers near a power of two, and near the largest there is.
fn edge() -> impl Strategy<Value = u64> {
    let near = |of: u64| {
        (0..4_u64, any::<bool>())
            .prop_map(move |(by, up)| if up { of.saturating_add(by) } else { of.saturating_sub(by) })
    };
    let powers = [0, 1 << 16, 1 << 30, 1 << 31, u64::from(u32::MAX), 1 << 32, i64::MAX as u64, u64::MAX];
    prop::sample::select(powers.to_vec()).prop_flat_map(near)
}

fn limit() -> impl Strategy<Value = usize> {
    edge().prop_map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

fn tell(connection: &mut client::Connection, bytes: &[u8]) {
    for &byte in bytes {
        let Some(slot) = connection.receive_buf().first_mut() else { return };
        *slot = byte;
        connection.received(Instant::ZERO, 1);
    }
}

proptest! {
    #[test]
    fn an_announced_length_is_taken_discarded_or_refused(
        bytes in edge(), reply_body in limit(), unclaimed_replies in limit(), sent in 0..40_usize,
    ) {
        let limits = Limits { reply_body, unclaimed_replies, ..Limits::default() };
        let mut connection = client::Connection::new(Config { limits, ..Config::default() });
        let mut ticket = connection.send(Instant::ZERO, Peek::new(7)).unwrap();
        connection.transmitted(connection.queued());
        tell(&mut connection, format!("FOUND 7 {bytes}\r\n").as_bytes());
        if bytes > u64::from(u32::MAX) {
            let error = connection.poll_reply(&mut ticket);
            let malformed = matches!(error, Poll::Ready(Err(Error::Protocol { error: ProtocolError::Malformed { .. }, .. })));
            prop_assert!(malformed, "{bytes}");
            return Ok(());
        }
        prop_assert!(!connection.is_ended());
        let whole = usize::try_from(bytes).unwrap_or(usize::MAX);
        tell(&mut connection, &vec![b'x'; sent.min(whole)]);
        if whole > sent {
            prop_assert!(connection.poll_reply(&mut ticket).is_pending());
            prop_assert!(!connection.is_ended());
            // Nor does a driver that says it read more than there was room for change that.
            return Ok(());
        }
        tell(&mut connection, b"\r\n");
        match connection.poll_reply(&mut ticket) {
            Poll::Ready(Ok(job)) => prop_assert!(job.body.len() == whole && whole <= reply_body),
            Poll::Ready(Err(Error::ReplyTooBig { id, bytes: said, .. })) => {
                prop_assert!(whole > reply_body);
                prop_assert_eq!((id, said), (Some(JobId(7)), bytes));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn a_put_of_any_length_is_taken_or_swallowed_or_no_command(bytes in edge(), max_job_size in edge()) {
        let max_job_size = u32::try_from(max_job_size).unwrap_or(u32::MAX);
        let mut connection = server::Connection::new(server::Config { max_job_size, ..server::Config::default() });
        let line = format!("put 0 0 1 {bytes}\r\n");
        connection.receive_buf()[..line.len()].copy_from_slice(line.as_bytes());
        connection.received(line.len());
        match connection.poll_event() {
            Some(Event::PutAnnounced { too_big }) => prop_assert_eq!(too_big, bytes > u64::from(max_job_size)),
            Some(Event::Refused(refused)) => {
                prop_assert_eq!(refused.reply, Reply::BadFormat);
                prop_assert!(bytes > u64::from(u32::MAX));
            }
            other => prop_assert!(false, "{:?}", other),
        }
        prop_assert!(connection.receive_buf().len() <= 128 * 1024);
    }
}
