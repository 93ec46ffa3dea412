//! The types of arguments, by the kinds of the command table.

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
