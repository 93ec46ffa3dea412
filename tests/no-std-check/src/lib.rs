//! A static library without std that links `beanstalk-proto` and `beanstalk-driver`, so that their `no_std` is checked by a compiler
//! and not by a promise.
//!
//! `#![no_std]` in a crate alone proves little: with a dependency that links std, or an `extern crate std` behind a
//! feature that is on, everything still builds, because the final program brings std along anyway. This library doesn't, and it
//! defines the one thing there can be only one of, the panic handler. As soon as std is anywhere below it, rustc stops with
//!
//! ```text
//! error[E0152]: found duplicate lang item `panic_impl`
//! ```
//!
//! `cargo build --features sneak-std` shows it. The gate builds both ways and wants the first to pass and the second to fail
//! with that error.
#![no_std]

use beanstalk_driver::{Block, Driver, PollTransport};
use beanstalk_proto::{Delete, Error, Instant, Lost, Reply, Segments, client, server, server::Event};
use core::alloc::{GlobalAlloc, Layout};
use core::convert::Infallible;
use core::panic::PanicInfo;
use core::pin::pin;
use core::ptr;
use core::task::{Context, Poll, Waker};

/// Uses enough of the core, on both sides of a connection, and of the driver between them, that none can be left out of the library.
#[unsafe(no_mangle)]
pub extern "C" fn beanstalk_no_std_check() -> bool {
    let server = Server(server::Connection::new(server::Config::default()));
    let mut driver = Driver::new(client::Connection::new(client::Config::default()), server);
    let call = pin!(driver.call(Delete::new(1)));
    matches!(call.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(())))
}

/// A server that is part of the transport.
struct Server(server::Connection);

impl PollTransport for Server {
    type Error = Infallible;

    fn poll_read(&mut self, _: &mut Context<'_>, _: Block, buf: &mut [u8]) -> Poll<Result<usize, Infallible>> {
        while let Some(event) = self.0.poll_event() {
            if let Event::Command(_) = event {
                self.0.respond(Reply::Deleted);
            }
        }
        let mut read = 0;
        for (to, from) in buf.iter_mut().zip(self.0.transmit().flatten()) {
            *to = *from;
            read += 1;
        }
        self.0.transmitted(read);
        if read == 0 { Poll::Pending } else { Poll::Ready(Ok(read)) }
    }

    fn poll_write(&mut self, _: &mut Context<'_>, _: Block, segments: Segments<'_>) -> Poll<Result<usize, Infallible>> {
        let mut written = 0;
        for (to, from) in self.0.receive_buf().iter_mut().zip(segments.flatten()) {
            *to = *from;
            written += 1;
        }
        self.0.received(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>, _: Block) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn failure(error: Infallible, _: Lost) -> Error {
        match error {}
    }

    fn now(&self) -> Instant {
        Instant::ZERO
    }

    fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
        || Instant::ZERO
    }

    fn set_timer(&mut self, _: Instant) {}

    fn poll_timer(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// What stands in for std's allocator. Nothing here is ever run, so it need only be sound: it has no memory to give.
struct NoMemory;

// SAFETY: null is how `alloc` reports that there is no memory; as no other pointer is ever returned, none comes back.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: NoMemory = NoMemory;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
