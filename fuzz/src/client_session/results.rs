//! What comes of requests, against what came in.

use std::task::Poll;

use beanstalk_proto::{Command, Error, Instant, Kind, Lost, Reply};

use super::{Held, Session};
use crate::r#gen;

impl Session {
    pub(super) fn poll(&mut self, at: usize) {
        let ready = self.client.is_ready(self.held[at].ticket.id());
        let polled = self.client.poll_reply(&mut self.held[at].ticket);
        assert_eq!(polled.is_ready(), ready, "it is taken for ready, and is not, or the other way round");
        let Poll::Ready(result) = polled else {
            assert!(self.poisoned.is_none() && !self.eof, "it waits for what never comes");
            assert!(!self.times.known || !self.times.is_late(self.held[at].nth), "it is late, and still waits");
            return;
        };
        let mut held = self.held.swap_remove(at);
        assert!(matches!(self.client.poll_reply(&mut held.ticket), Poll::Ready(Err(Error::Ticket(_)))));
        let expected = if self.in_order { self.peer.nth_reply(held.nth) } else { None };
        match result {
            // One that never came.
            Ok(Reply::TimedOut) if self.time_passed => return,
            Err(Error::TimedOut { lost: Lost::Unknown, .. }) => {
                assert!(self.now > Instant::ZERO);
                assert!(!self.times.known || self.times.is_late(held.nth), "it is not late yet");
                return;
            }
            Ok(Reply::Closed) => {
                assert!(held.kind == Kind::Quit && self.eof);
                return;
            }
            Ok(reply) => {
                assert!(reply.kind().is_some_and(|kind| held.kind.replies().contains(kind)), "{reply:?}");
                let bytes = reply.body().map_or(0, <[u8]>::len);
                assert!(bytes <= self.limits.reply_body, "a body over the limit");
                self.bodies += bytes;
                if self.in_order {
                    assert_eq!(Some(reply), expected, "not the reply whose turn it was");
                }
            }
            Err(Error::Command { .. }) => {
                let refused = expected.as_ref().and_then(Reply::kind).is_some_and(r#gen::is_refusal);
                assert!(!self.in_order || refused, "{expected:?} is no refusal");
            }
            Err(Error::ReplyTooBig { bytes, limit, .. }) => {
                assert!(limit == self.limits.reply_body || limit == self.limits.unclaimed_replies);
                let body = expected.as_ref().and_then(Reply::body).map(|body| body.len() as u64);
                assert!(!self.in_order || body == Some(bytes));
            }
            Err(Error::Protocol { error, lost }) => {
                self.check_lost(&held, lost);
                let first = self.poisoned.get_or_insert_with(|| error.clone());
                assert_eq!(*first, error, "poisoned by something else now");
                return;
            }
            Err(Error::Closed { lost }) => {
                assert!(self.eof && self.poisoned.is_none());
                self.check_lost(&held, lost);
                return;
            }
            Err(error) => panic!("{error}"),
        }
        self.answered += 1;
        let (fed, _) = self.peer.replies();
        assert!(self.answered <= fed, "{} replies came out of {fed}", self.answered);
        assert!(self.answered <= self.sent);
    }

    fn check_lost(&self, held: &Held, lost: Lost) {
        if self.in_order {
            let expected = if held.end > self.written.len() { Lost::NotSent } else { Lost::Unknown };
            assert_eq!(lost, expected, "what can have become of it");
        }
    }

    /// Everything that is here, at once: it was held, so it must be within the limit.
    pub(super) fn take_all(&mut self) {
        let before = self.bodies;
        for at in (0..self.held.len()).rev() {
            self.poll(at);
        }
        for job in self.client.take_orphaned() {
            self.bodies += job.body.len();
        }
        // The first is taken however long it is.
        let limit = self.limits.unclaimed_replies.max(self.limits.reply_body);
        assert!(self.bodies - before <= limit, "{} bytes were held, with a limit of {limit}", self.bodies - before);
    }

    pub(super) fn finish(mut self) {
        self.take_all();
        let ended = self.client.is_ended();
        if ended {
            assert!(self.held.is_empty(), "it waits for what never comes");
            self.feed(b"DELETED\r\n");
            let again = self.client.send(self.now, Command::Stats).expect_err("it is ended");
            match (again, &self.poisoned) {
                (Error::Protocol { error, .. }, Some(first)) => assert_eq!(error, *first),
                (Error::Protocol { .. }, None) => assert!(!self.eof),
                (Error::Closed { .. }, None) => assert!(self.eof),
                (other, first) => panic!("{other} after {first:?}"),
            }
        } else if !self.client.wants_transmit() {
            // Whatever was written and answered is off the books.
            let commands = self.written.commands().len();
            let (fed, wrong) = self.peer.replies();
            assert!(fed <= commands, "a reply that nobody asked for was let pass");
            assert!(!wrong, "what no server may send was let pass");
            let unanswered = commands - fed + usize::from(self.written.quit() && self.times.quit);
            assert!(self.client.in_flight() >= unanswered);
            if unanswered == 0 {
                assert_eq!(self.client.in_flight(), 0, "slots are left that nobody waits for");
            }
        }
    }
}
