//! Emits the named methods of the adapters' clients from the command table.

mod asynchronous;
mod blocking;
mod shared;

/// Emits a method for every command of the table, next to an `Error` and a `Client::connect`:
///
/// ```ignore
/// impl Client { beanstalk_driver::client_methods!(sync); }
/// ```
///
/// - `sync`: blocking, in an `impl Client` whose `call` takes a [`Request`](beanstalk_proto::Request).
/// - `blocking`: the same, and with them all that `async` brings, in an impl of a client whose field `driver` is a
///   [`Driver`](crate::Driver) over a transport that blocks, next to a `CallAll`. Futures are run by the function that is given.
/// - `async`: the same, and with them `call`, `send`, `reply`, `call_both`, `call_all`, `take_orphaned`, `is_closed`, `closed` and `disconnect`, in an impl of a
///   client whose field `driver` is a [`Driver`](crate::Driver) over the type given.
/// - `shared`: what a `SharedClient` offers, its field `shared` being a [`SharedClient`](crate::SharedClient) over the runtime given; blocking, if a function
///   that runs futures is given.
#[macro_export]
macro_rules! client_methods {
    (sync) => {
        $crate::proto::command_table!($crate::__sync_methods);
    };
    (blocking by $block_on:path) => {
        $crate::__blocking_calls!($block_on);
        $crate::client_methods!(sync);
    };
    (async over $transport:ty) => {
        $crate::__async_calls!($transport);
        $crate::proto::command_table!($crate::__async_methods);
    };
    (shared by $block_on:path) => {
        $crate::__blocking_shared_calls!($block_on);
        $crate::proto::command_table!($crate::__blocking_shared_methods);
    };
    (shared over $runtime:ty) => {
        $crate::__shared_calls!($runtime);
        $crate::proto::command_table!($crate::__shared_methods);
    };
}

/// The type that a method's argument turns into; see the table for the kinds.
#[doc(hidden)]
#[macro_export]
macro_rules! __argument {
    (pri) => { $crate::proto::Priority };
    (secs) => { $crate::proto::Seconds };
    (timeout) => { $crate::proto::Seconds };
    (id) => { $crate::proto::JobId };
    (bound) => { $crate::proto::Bound };
    (tube $of:lifetime) => { $crate::proto::TubeArg<$of> };
    (body $of:lifetime) => { $crate::proto::Body<$of> };
}
