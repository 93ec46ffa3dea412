//! When replies are late, computed as plainly as can be: from a list of all requests, whether or not anybody waits for them.

use std::time::Duration;

use beanstalk_proto::{Command, Instant, client::Timeout};

pub(super) struct Times {
    /// Whether what is here counts. It does until a reserve is sent after one was given up: which of them a reply is for is then
    /// the connection's own to decide.
    pub(super) known: bool,
    /// Whether a `quit` was sent.
    pub(super) quit: bool,
    default: Option<Duration>,
    requests: Vec<Request>,
    answered: usize,
    replied: Instant,
    close_by: Option<Instant>,
    given_up: bool,
}

struct Request {
    sent: Instant,
    /// How long the server may wait on purpose; `None` has no end.
    wait: Option<Duration>,
    patience: Option<Duration>,
    reserve: bool,
    /// Whether its reply may be a job, which is parked if nobody waits for it.
    brings_job: bool,
    awaited: bool,
    late: bool,
}

impl Times {
    pub(super) fn new(default: Option<Duration>) -> Self {
        Self {
            known: true,
            quit: false,
            default,
            requests: Vec::new(),
            answered: 0,
            replied: Instant::ZERO,
            close_by: None,
            given_up: false,
        }
    }

    pub(super) fn send(&mut self, now: Instant, command: &Command, timeout: Timeout) {
        let (wait, reserve) = match command {
            Command::Reserve => (None, true),
            Command::ReserveWithTimeout { timeout } => (Some(Duration::from_secs((*timeout).into())), true),
            _ => (Some(Duration::ZERO), false),
        };
        self.known &= !(reserve && (self.given_up || self.may_have_parked()));
        self.quit |= *command == Command::Quit;
        let patience = match timeout {
            Timeout::Default => self.default,
            Timeout::None => None,
            Timeout::After(timeout) => Some(timeout),
        };
        let brings_job = reserve || matches!(command, Command::ReserveJob { .. });
        self.requests.push(Request { sent: now, wait, patience, reserve, brings_job, awaited: true, late: false });
    }

    pub(super) fn abandon(&mut self, nth: usize) {
        if let Some(request) = self.requests.get_mut(nth) {
            request.awaited = false;
            self.given_up |= request.reserve;
        }
    }

    /// So many replies came.
    pub(super) fn replies(&mut self, now: Instant, count: usize) {
        if count > 0 {
            self.answered += count;
            self.replied = now;
        }
    }

    pub(super) fn close(&mut self, now: Instant) {
        self.close_by = self.close_by.or(self.default.map(|timeout| now + timeout));
    }

    /// Whether a reserve has no answer yet.
    pub(super) fn reserve_waits(&self) -> bool {
        self.pending().any(|(_, request)| request.reserve)
    }

    /// Whether a reserve is to be taken over: one waits for nobody, none for somebody without an end, and no job has come for nobody.
    pub(super) fn is_adoptable(&self) -> bool {
        let given_up = |request: &Request| request.reserve && !request.awaited;
        let endless = |request: &Request| request.reserve && request.wait.is_none() && request.awaited;
        self.pending().any(|(_, request)| given_up(request))
            && !self.may_have_parked()
            && !self.pending().any(|(_, request)| endless(request))
    }

    /// Whether a job may have come for nobody.
    fn may_have_parked(&self) -> bool {
        self.requests.iter().take(self.answered).any(|request| request.brings_job && !request.awaited)
    }

    /// When something is due.
    pub(super) fn next(&self) -> Option<Instant> {
        [self.next_late().map(|(_, at)| at), self.close_by].into_iter().flatten().min()
    }

    /// Whether anything is late by now. Nobody waits for it any more.
    pub(super) fn become_late(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some((nth, _)) = self.next_late().filter(|&(_, at)| at <= now) {
            // A server that did not end the connection in time has ended everything.
            if self.close_by.is_some_and(|by| by <= now) {
                self.known = false;
                return true;
            }
            self.requests[nth].late = true;
            self.abandon(nth);
            any = true;
        }
        any
    }

    pub(super) fn is_late(&self, nth: usize) -> bool {
        self.requests.get(nth).is_some_and(|request| request.late)
    }

    fn pending(&self) -> impl Iterator<Item = (usize, &Request)> {
        self.requests.iter().enumerate().skip(self.answered)
    }

    /// The first request that somebody waits for, and when its reply is late if none comes before: after what all before it may
    /// take, counted from the later of its sending and the last reply.
    fn next_late(&self) -> Option<(usize, Instant)> {
        let mut from = self.replied;
        for (nth, request) in self.pending() {
            from = from.max(request.sent) + request.wait?;
            if request.awaited {
                return Some((nth, from + request.patience?));
            }
        }
        None
    }
}
