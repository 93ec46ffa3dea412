//! What the words in a row stand for: kinds of arguments, what the server may wait for.
//!
//! A new kind of argument is an arm in `field!`, `owned!` and `encode!`, and a method of `Args`.

/// The longest timeout of a reserve: 2^31-1 seconds.
pub(crate) const MAX_TIMEOUT: u32 = i32::MAX.unsigned_abs();

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
    (secs $encoder:ident $value:expr) => {
        $encoder.seconds($value, u32::MAX)?
    };
    (timeout $encoder:ident $value:expr) => {
        $encoder.seconds($value, MAX_TIMEOUT)?
    };
    (tube $encoder:ident $value:expr) => {
        $encoder.tube(&$value)?
    };
    (body $encoder:ident $value:expr) => {
        $encoder.body($value)?
    };
    ($number:ident $encoder:ident $value:expr) => {
        $encoder.number($value.0)?
    };
}

/// Lets the server wait before it answers.
macro_rules! wait {
    (no $expect:ident $($arg:ident)*) => {
        $expect
    };
    (forever $expect:ident) => {
        $expect.wait(Wait::Forever)
    };
    (timeout $expect:ident $timeout:ident) => {
        $expect.wait(Wait::Seconds(u32::try_from(Seconds::from(*$timeout).get()).unwrap_or(u32::MAX)))
    };
}
