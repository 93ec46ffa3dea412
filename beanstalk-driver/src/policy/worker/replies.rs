//! What a slot makes of the replies to what it has sent.

use core::time::Duration;

use super::{
    Awaited, Worker,
    event::JobEvent,
    held::{Held, Hold},
};
use crate::policy::{
    call::breaks,
    reclaim::{Claim, Reclaimed},
    whole::whole,
};
use beanstalk_proto::{CommandError, Error, Instant, Lost, Reply, Subject, stats::JobStats};

/// Reserves that end without a job are at least this far apart, whatever the server answers.
const PACE: Duration = Duration::from_secs(1);

impl Worker {
    /// Takes the result of [`Action::Send`](super::Action::Send).
    pub fn handle_reply(&mut self, result: Result<Reply, Error>, now: Instant) {
        if result.is_err() && self.is_past_deadline(now) {
            return self.stop();
        }
        let Some(awaited) = self.awaited.take() else { return };
        self.awaited = self.then.take();
        match result {
            result if awaited == Awaited::Reclaim => {
                let Some(held) = &mut self.held else { return };
                match held.handle_reclaim(result, now) {
                    Ok(Reclaimed::Gone) => self.lose_job(),
                    Ok(Reclaimed::Ours | Reclaimed::NotYet) => {}
                    Err(error) => self.refused(awaited, &error, now),
                }
            }
            Ok(reply) => self.answered(awaited, reply, now),
            // The job is held, and its body was over a limit.
            Err(Error::ReplyTooBig { id: Some(id), bytes, limit, .. }) if awaited == Awaited::Reserve => {
                self.hold(Held::unreadable(id, now));
                self.happened(id, JobEvent::TooBig { bytes, limit });
            }
            Err(error) if matches!(awaited, Awaited::Use | Awaited::Moving) && !is_about_the_end(&error) => {
                if let Some(held) = &mut self.held {
                    held.handle_moving(None);
                }
            }
            Err(error) => self.refused(awaited, &error, now),
        }
    }

    fn answered(&mut self, awaited: Awaited, reply: Reply, now: Instant) {
        if awaited == Awaited::Replay {
            return self.session.handle_replayed();
        }
        match (awaited, reply, &mut self.held) {
            (Awaited::Reserve, Reply::Reserved(job), _) => {
                let claim = self.reclaim.then(|| Claim::new(&job, self.session.tubes().watched().to_vec(), now));
                self.hold(Held::new(job, claim, now));
            }
            // Something is held that this slot does not know; it will be over within the second.
            (Awaited::Reserve, Reply::DeadlineSoon, _) => self.pause = now + PACE,
            // At once, or as long after as it should be.
            (Awaited::Reserve, Reply::TimedOut, _) => {
                self.pause = self.reserving_since + PACE;
                if now >= self.pause {
                    self.session.handle_answer();
                }
            }
            (Awaited::Touch, _, Some(held)) => held.heartbeat.handle_touched(),
            (Awaited::Learn, Reply::Ok(body), Some(held)) => match JobStats::decode(&body)
                .and_then(|stats| whole(&stats).map(|_| stats))
            {
                Ok(stats) => held.handle_stats(&stats, now),
                // As good as none: made of what is left out, a verdict would change the job's priority and count no failure.
                Err(error) => {
                    let subject = Subject::Job(held.id());
                    self.refused(awaited, &Error::Stats { command: "stats-job", subject, error: error.into() }, now);
                }
            },
            (Awaited::Use, ..) => self.failures.in_use = true,
            (Awaited::Moving, reply, Some(held)) => held.handle_moving(Some(reply)),
            (Awaited::Verdict, reply, _) => {
                self.session.handle_answer();
                let Some(held) = self.held.take() else { return };
                let id = held.id();
                if let Some(event) = held.carried_out(&reply) {
                    self.happened(id, event);
                }
            }
            _ => {}
        }
    }

    fn refused(&mut self, awaited: Awaited, error: &Error, now: Instant) {
        if !breaks(error) {
            let about_the_job = !matches!(awaited, Awaited::Reserve | Awaited::Replay);
            if about_the_job && error.command_error() == Some(CommandError::NotFound) {
                return self.lose_job();
            }
            let learns_first = self.learns_first;
            let is_beat = |held: &Held| match awaited {
                Awaited::Learn if learns_first && held.is_to_be_learned() => false,
                Awaited::Touch | Awaited::Learn => !held.is_finished(),
                _ => false,
            };
            match &mut self.held {
                // A server short of memory may have some again before the ttr is over.
                Some(held) if is_beat(held) => return held.heartbeat.handle_refused(now),
                // It is held, and can neither be kept, begun nor finished: closing gives it to another worker, which may have more luck.
                _ => self.lose_job(),
            }
        }
        // A verdict that may have been carried out is not carried out again, so the job is not taken back.
        if awaited == Awaited::Verdict && error.lost() != Some(Lost::NotSent) {
            self.lose_job();
        }
        self.handle_disconnected(error, now);
    }

    /// The job in hand is no longer ours.
    pub(super) fn lose_job(&mut self) {
        let Some(held) = &mut self.held else { return };
        if held.hold != Hold::Lost {
            held.hold = Hold::Lost;
            let id = held.id();
            self.happened(id, JobEvent::Lost);
        }
        self.held.take_if(|held| !held.is_running());
    }
}

/// Whether an error, met on the way to another tube, ends the way: the connection is of no use, or the job is gone.
fn is_about_the_end(error: &Error) -> bool {
    breaks(error) || error.command_error() == Some(CommandError::NotFound)
}
