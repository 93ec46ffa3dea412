//! What the words in a row stand for: kinds of arguments, what the server may wait for, how it is shared.
//!
//! A new kind of argument is an arm in `field!`, `owned!` and `encode!`, and a method of the server's `Args`.

/// The longest timeout of a reserve: 2^31-1 seconds.
pub(crate) const MAX_TIMEOUT: u32 = i32::MAX.unsigned_abs();

/// How a command can be sent on a connection that tasks share, each with tubes of its own.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// It neither waits nor has to do with the connection's tubes.
    AsIs,
    /// It is about the tube in use: as this method.
    InTube(&'static str),
    /// It waits, or changes what the other tasks rely on.
    No,
}

/// The type of an argument in a request.
macro_rules! field {
    (pri) => { Priority };
    (secs) => { Seconds };
    (timeout) => { Seconds };
    (id) => { JobId };
    (bound) => { Bound };
    (tube $lt:lifetime) => { TubeArg<$lt> };
    (body $lt:lifetime) => { Body<$lt> };
}

/// The type of an argument in a [`Command`](crate::Command).
macro_rules! owned {
    (pri) => { Priority };
    (id) => { JobId };
    (tube) => { TubeName };
    (body) => { Vec<u8> };
    ($number:ident) => { u32 };
}

/// Writes an argument.
macro_rules! encode {
    (pri $encoder:ident $value:expr) => {
        $encoder.number($value.0)?
    };
    (secs $encoder:ident $value:expr) => {
        $encoder.seconds($value, u32::MAX)?
    };
    (timeout $encoder:ident $value:expr) => {
        $encoder.seconds($value, MAX_TIMEOUT)?
    };
    (id $encoder:ident $value:expr) => {
        $encoder.number($value.0)?
    };
    (bound $encoder:ident $value:expr) => {
        $encoder.number($value.0)?
    };
    (tube $encoder:ident $value:expr) => {
        $encoder.tube(&$value)?
    };
    (body $encoder:ident $value:expr) => {
        $encoder.body($value)?
    };
}

/// What the server may wait for.
macro_rules! wait {
    (no $($request:tt)*) => {
        Wait::No
    };
    (forever $($request:tt)*) => {
        Wait::Forever
    };
    (timeout $timeout:expr) => {
        Wait::Seconds(u32::try_from(Seconds::from($timeout).get()).unwrap_or(u32::MAX))
    };
}

#[cfg(feature = "std")]
macro_rules! sharing {
    (as_is) => {
        Sharing::AsIs
    };
    (no) => {
        Sharing::No
    };
    ($in_tube:ident) => {
        Sharing::InTube(stringify!($in_tube))
    };
}
