//! The types of arguments, by the kinds of the command table, and methods that take a setting.

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

/// Methods of a configuration, each of which sets the field of its name.
macro_rules! setters {
    ($($(#[$doc:meta])* $field:ident: $given:ty;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $field(mut self, $field: $given) -> Self {
            self.$field = $field.into();
            self
        })*
    };
}
pub(crate) use setters;
