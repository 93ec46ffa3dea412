//! A static library without std that links `beanstalk-proto`, so that the core's `no_std` is checked by a compiler and not by
//! a promise.
//!
//! `#![no_std]` in the core alone proves little: with a dependency that links std, or an `extern crate std` behind a
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

use beanstalk_proto::{Delete, Instant, client, server};
use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::ptr;
use core::task::Poll;

/// Uses enough of the core, on both sides of a connection, that it can't be left out of the library.
#[unsafe(no_mangle)]
pub extern "C" fn beanstalk_no_std_check() -> bool {
    let mut client = client::Connection::new(client::Config::default());
    let mut server = server::Connection::new(server::Config::default());
    let Ok(mut ticket) = client.send(Instant::ZERO, Delete::new(1)) else { return false };
    let mut line = 0;
    for (to, from) in server.receive_buf().iter_mut().zip(client.transmit().flatten()) {
        *to = *from;
        line += 1;
    }
    client.transmitted(line);
    server.received(line);
    server.poll_event().is_some() && matches!(client.poll_reply(&mut ticket), Poll::Pending)
}

/// What stands in for std's allocator. Nothing here is ever run, so it need only be sound: it has no memory to give.
struct NoMemory;

// SAFETY: null is how `alloc` reports that there is no memory; as no pointer is ever handed out, none comes back.
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
