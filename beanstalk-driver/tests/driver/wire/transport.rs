//! What the client reads, writes and waits for.

use std::{
    io, mem,
    panic::resume_unwind,
    task::{Context, Poll},
};

use beanstalk_driver::{Block, PollTransport};
use beanstalk_proto::{Error, Instant, Lost, Reply, Segments, TlsError};

use super::Wire;
use crate::executor::polls;

impl PollTransport for Wire {
    type Error = io::Error;

    fn poll_read(&mut self, cx: &mut Context<'_>, block: Block, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut world = self.world();
        world.read_block = block;
        if mem::take(&mut world.read_panics) {
            drop(world);
            resume_unwind(Box::new("as it was told"));
        }
        world.turn();
        if world.outbox.is_empty() {
            match world.silent_reads.take() {
                Some(0) => {
                    world.silent = false;
                    world.turn();
                }
                reads => world.silent_reads = reads.map(|reads| reads - 1),
            }
        }
        if world.outbox.is_empty() {
            if world.refuses {
                return Poll::Ready(Err(io::Error::other(TlsError::new(
                    "the certificate is not accepted",
                    true,
                    None,
                ))));
            }
            if world.read_fails {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            if world.closed && (world.end_stays || world.ends_read == 0) {
                world.ends_read += 1;
                assert!(world.ends_read < 100, "the end is read without end");
                return Poll::Ready(Ok(0));
            }
            world.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if world.yields && world.read_at == polls() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        world.read_at = polls();
        let n = if world.yields { 1 } else { buf.len().min(world.outbox.len()) };
        buf.iter_mut().zip(world.outbox.drain(..n)).for_each(|(to, from)| *to = from);
        world.just_read = true;
        world.turn();
        Poll::Ready(Ok(n))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, block: Block, segments: Segments<'_>) -> Poll<io::Result<usize>> {
        let mut world = self.world();
        if mem::take(&mut world.write_panics) {
            drop(world);
            resume_unwind(Box::new("as it was told"));
        }
        if world.write_fails {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = world.capacity.saturating_sub(world.inbox.len());
        let just_read = mem::take(&mut world.just_read);
        if room == 0 {
            world.waits_for_room += usize::from(just_read && block != Block::No);
            world.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let trickles = world.yields && !world.writes_whole;
        if trickles && world.written_at == polls() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        world.written_at = polls();
        if world.writes_whole {
            world.read_at = polls();
        }
        let (most, time) = world.write_takes;
        world.now = world.now + time;
        let bytes: Vec<u8> = segments.flatten().copied().take(if trickles { 1 } else { room.min(most) }).collect();
        world.inbox.extend(&bytes);
        world.writes += 1;
        world.turn();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, _: Block) -> Poll<io::Result<()>> {
        let mut world = self.world();
        if world.flush_fails {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if world.flush_blocked {
            return Poll::Pending;
        }
        if world.yields && !world.writes_whole && world.flushed_at == polls() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        world.flushed_at = polls();
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut world = self.world();
        world.server.received_eof();
        world.turn();
        // As beanstalkd: a reserve that waits is over.
        if world.unanswered.take().is_some() {
            world.server.respond(Reply::TimedOut);
            world.turn();
        }
        Poll::Ready(Ok(()))
    }

    fn failure(error: io::Error, lost: Lost) -> Error {
        Error::Io { error, lost }
    }

    fn now(&self) -> Instant {
        self.world().now
    }

    fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
        let wire = self.clone();
        move || wire.world().now
    }

    fn set_timer(&mut self, at: Instant) {
        let mut world = self.world();
        world.timer = Some(at);
        world.timers_set += 1;
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut world = self.world();
        let at = world.timer.expect("polled a timer that was not set");
        if world.now >= at {
            world.timer = None;
            return Poll::Ready(());
        }
        world.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
