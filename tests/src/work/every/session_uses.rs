//! What is done in a session, written once for the blocking one and the asynchronous ones.

use std::time::Duration;

use beanstalk_driver::{
    self as tasks, NextJob,
    policy::{Event, SessionConfig},
};
use beanstalk_proto::{Error, JobId, Put, client::Config};

use super::{
    super::Adapter,
    binding::{Async, Blocking},
};

/// What a call of `next_job` came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// A job, which was deleted.
    Job(JobId),
    DeadlineSoon,
    TimedOut,
}

/// What is to be done before the next call of `next_job`, which waits so many seconds.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    Wait(u32),
    TouchAndWait(u32),
    Stop,
}

/// What a session is used for.
pub trait SessionUses {
    /// Reserves a job and takes it out of its handle. Then waits for jobs as the function has it, which is given what came.
    fn hold_and_wait(address: &str, then: &mut dyn FnMut(Option<Came>) -> Then) -> Result<(), Error>;

    /// Asks for the tube in use, with a timeout for this call; then again without.
    fn ask_with_timeout(address: &str, config: Config, timeout: Option<Duration>) -> [Result<(), Error>; 2];

    /// Sends a put, and drops the session once it is flushed.
    fn send_and_drop(address: &str, body: &str) -> Result<(), Error>;

    /// Sends two puts, and takes the replies in the other order.
    fn send_and_reply(address: &str) -> Result<[JobId; 2], Error>;

    /// Sends two puts, and takes the replies, the first of which ends the connection. Then puts again.
    fn send_and_lose(address: &str) -> [Result<(), Error>; 3];

    /// Puts, with a listener.
    fn put_with_listener(address: &str, listener: fn(&Event)) -> Result<(), Error>;

    /// Waits for the end of the connection that this ends, without a call; then puts.
    fn notice_the_end(address: &str, meanwhile: &mut dyn FnMut()) -> Result<(), Error>;
}

macro_rules! session_uses {
    ($block_on:path, $session:ty, [$($await:tt)*]) => {
        fn hold_and_wait(address: &str, then: &mut dyn FnMut(Option<Came>) -> Then) -> Result<(), Error> {
            $block_on(async {
                let mut session = <$session>::connect(address)$($await)*?;
                let held = session.next_job(5_u32)$($await)*?.and_then(NextJob::job).expect("a job").into_job();
                let mut came = None;
                loop {
                    let seconds = match then(came) {
                        Then::Wait(seconds) => seconds,
                        Then::TouchAndWait(seconds) => {
                            session.touch(held.id)$($await)*?;
                            seconds
                        }
                        Then::Stop => return Ok(()),
                    };
                    came = Some(match session.next_job(seconds)$($await)*? {
                        Some(NextJob::Job(job)) => {
                            let id = job.id;
                            job.delete()$($await)*?;
                            Came::Job(id)
                        }
                        Some(NextJob::DeadlineSoon) => Came::DeadlineSoon,
                        None => Came::TimedOut,
                    });
                }
            })
        }

        fn ask_with_timeout(address: &str, config: Config, timeout: Option<Duration>) -> [Result<(), Error>; 2] {
            $block_on(async {
                let settings = SessionConfig::default().reconnect(None);
                let mut session = <$session>::new(address, settings, config).expect("a session");
                let first = session.timeout(timeout).list_tube_used()$($await)*.map(drop);
                [first, session.list_tube_used()$($await)*.map(drop)]
            })
        }

        fn send_and_drop(address: &str, body: &str) -> Result<(), Error> {
            $block_on(async {
                let mut session = <$session>::connect(address)$($await)*?;
                session.send(Put::of(body))$($await)*.map(drop)
            })
        }

        fn send_and_reply(address: &str) -> Result<[JobId; 2], Error> {
            $block_on(async {
                let mut session = <$session>::connect(address)$($await)*?;
                let first = session.send(Put::of("first"))$($await)*?;
                let given_up = session.send(Put::of("given up"))$($await)*?;
                let third = session.send(Put::of("third"))$($await)*?;
                session.abandon(given_up);
                let third = session.reply(third)$($await)*?.inserted()?;
                Ok([session.reply(first)$($await)*?.inserted()?, third])
            })
        }

        fn send_and_lose(address: &str) -> [Result<(), Error>; 3] {
            $block_on(async {
                let mut session = <$session>::connect(address)$($await)*.expect("a session");
                let first = session.send(Put::of("x"))$($await)*.expect("it is flushed");
                let second = session.send(Put::of("x"))$($await)*.expect("it is flushed");
                let first = session.reply(first)$($await)*.map(drop);
                let second = session.reply(second)$($await)*.map(drop);
                [first, second, session.put(0, 0, 60, "x")$($await)*.map(drop)]
            })
        }

        fn put_with_listener(address: &str, listener: fn(&Event)) -> Result<(), Error> {
            $block_on(async {
                let mut session = <$session>::connect(address)$($await)*?.on_event(listener);
                session.put(0, 0, 60, "x")$($await)*?.inserted()?;
                Ok(())
            })
        }

        fn notice_the_end(address: &str, meanwhile: &mut dyn FnMut()) -> Result<(), Error> {
            $block_on(async {
                let mut session = <$session>::connect(address)$($await)*?;
                assert!(!session.is_closed());
                meanwhile();
                while !session.is_closed() {
                    smol::Timer::after(Duration::from_millis(1)).await;
                }
                assert!(!session.is_connected());
                session.put(0, 0, 60, "x")$($await)*?.inserted()?;
                assert!(!session.is_closed());
                Ok(())
            })
        }
    };
}

impl<R: Adapter> SessionUses for Async<R> {
    session_uses!(R::block_on, tasks::Session<R>, [.await]);
}

impl SessionUses for Blocking {
    session_uses!(smol::block_on, beanstalk_sync::Session, []);
}
