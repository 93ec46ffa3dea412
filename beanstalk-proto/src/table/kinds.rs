//! What the words in a row stand for: kinds of arguments, what the server may wait for.
//!
//! A new kind of argument is an arm in `field!`, `about_field!`, `sample!`, `owned!` and `encode!`, and a method of `Args`.

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

/// What an argument is, for the documentation of a request's field.
macro_rules! about_field {
    (pri $arg:ident) => {
        "How urgent the job is: 0 is the most urgent, 2^32-1 the least."
    };
    (secs ttr) => {
        "How long a worker may hold the job: at most 2^32-1 s. The server makes 0 into 1."
    };
    (secs delay) => {
        "How long the job is not ready yet, or the tube is paused: at most 2^32-1 s."
    };
    (timeout $arg:ident) => {
        "How long the server waits for a job: at most 2^31-1 s, and 0 only looks."
    };
    (id $arg:ident) => {
        "The job."
    };
    (bound $arg:ident) => {
        "How many jobs at most."
    };
    (tube $arg:ident) => {
        "The name of the tube, which is checked when the request is sent."
    };
    (body $arg:ident) => {
        "The body: any bytes, up to what the server is set to take."
    };
}

/// An argument in an example.
macro_rules! sample {
    (pri) => {
        "1024"
    };
    (secs) => {
        "60"
    };
    (timeout) => {
        "5"
    };
    (id) => {
        "7"
    };
    (bound) => {
        "100"
    };
    (tube) => {
        "\"emails\""
    };
    (body) => {
        "\"hello\""
    };
}

/// Arguments in an example, with commas.
macro_rules! samples {
    () => { "" };
    ($ty:ident) => { sample!($ty) };
    ($ty:ident $($rest:ident)+) => { concat!(sample!($ty), ", ", samples!($($rest)+)) };
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
