//! How it ends: everything moves until nothing can, and then all is accounted for.

use std::task::Poll;

use beanstalk_proto::{Command, Lost, Reply};

use super::{Pair, is_reserve};

impl Pair {
    /// Everything moves until nothing can, and then all is accounted for.
    pub(super) fn finish(&mut self) {
        // By a `quit`, unless a reserve waits.
        if self.half_closes {
            self.close();
        }
        let mut steps = 0;
        loop {
            let before = self.progress();
            self.client_writes(usize::MAX);
            self.client_half_closes();
            self.server_reads(usize::MAX);
            self.client_half_closes();
            // A reserve is not answered before the end of the client's half is here, behind it; then with TIMED_OUT.
            let reserve = self.unanswered.as_ref().is_some_and(is_reserve);
            match reserve && self.half_closes {
                true if self.quit => self.answer(0),
                true if self.to_server.is_empty() && !self.client.wants_transmit() => {}
                _ => self.answer(200),
            }
            self.server_writes(usize::MAX);
            self.client_reads(usize::MAX);
            let piped = !self.to_server.is_empty() || !self.to_client.is_empty();
            let queued = self.client.wants_transmit() || self.server.backlog() > 0;
            if self.progress() == before && !piped && !queued && self.unanswered.is_none() {
                break;
            }
            steps += 1;
            assert!(steps < 10_000, "it never ends");
        }
        for (mut ticket, asked) in std::mem::take(&mut self.tickets) {
            match self.client.poll_reply(&mut ticket) {
                Poll::Ready(result) => self.check(result, &asked),
                Poll::Pending => panic!("everything was answered, and {ticket:?} still waits"),
            }
        }
        assert_eq!(self.client.in_flight(), 0, "slots are left that nobody waits for");
        assert_eq!(self.read, self.others.len(), "a command never arrived");
        self.take_orphaned();
        self.jobs.check_all_ended(self.limit);
        self.goodbye();
    }

    fn goodbye(&mut self) {
        if self.half_closes {
            assert!(self.server.is_closed(), "the server has not learned of the end");
            self.client.received_eof();
            assert!(matches!(self.client.poll_closed(), Poll::Ready(Ok(()))));
            return;
        }
        self.quit = true;
        let mut ticket = self.client.send(self.now, Command::Quit).expect("nothing waits");
        while self.client.wants_transmit() || !self.to_server.is_empty() {
            self.client_writes(usize::MAX);
            self.server_reads(usize::MAX);
        }
        assert!(self.server.is_closed());
        self.client.received_eof();
        match self.client.poll_reply(&mut ticket) {
            Poll::Ready(Ok(Reply::Closed)) => {}
            other => panic!("{other:?} for a quit"),
        }
        assert_eq!(self.client.lost(&ticket), Lost::Unknown);
    }

    /// Grows whenever anything happens.
    fn progress(&self) -> (usize, usize, bool, usize, usize) {
        let answered = self.others.iter().filter(|(_, reply)| reply.is_some()).count();
        (self.read, self.jobs.len(), self.unanswered.is_some(), answered, self.client.queued() + self.server.backlog())
    }
}
