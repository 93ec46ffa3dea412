//! Emits the bindings' named types, with their methods and documentation, for an asynchronous and a blocking binding from one text.
//!
//! A method is written once, as it is documented, and its body is a future:
//!
//! ```ignore
//! /// Waits for ...
//! cancel("Safe.")
//! fn reply[R](&mut self, ticket: Ticket<R>) -> Result<R, Error> { self.driver.reply(ticket) }
//! ```
//!
//! | mode | it becomes |
//! |---|---|
//! | `(async)` | an `async fn`, with `cancel`'s text as the section "Cancel safety" |
//! | `(blocking by block_on)` | a `fn` that runs the future by `block_on` |
//! | `(blocking)` | a `fn` whose body is no future, as what it calls blocks already |
//!
//! With `future` in place of `cancel` the asynchronous one returns the future itself, so that no layer is around it. Without either it is a
//! plain function on both. `then value { … }` makes of the future's output what is returned. Type parameters stand in brackets.
//!
//! Links in the documentation are absolute (`beanstalk_proto::…`), or to what every binding has at its root (`crate::…`); `Error` is in
//! scope where a type is emitted.

mod client;
mod commands;
mod consumer;
mod producer;
mod session;
mod shared;
mod upkeep;
mod worker;

/// Emits methods, or functions.
#[doc(hidden)]
#[macro_export]
macro_rules! __methods {
    ($mode:tt $(
        $(#[$($attribute:tt)*])*
        $(cancel($($cancel:tt)*))? $(future($($future:tt)*))?
        fn $name:ident $([$($generics:tt)*])? ($($arguments:tt)*) $(-> $output:ty)? $body:block $(then $value:ident $then:block)?
    )*) => {
        $($crate::__method! {
            $mode [$(#[$($attribute)*])*] [$(cancel $($cancel)*)? $(future $($future)*)?]
            $name [$($($generics)*)?] ($($arguments)*) [$($output)?] $body [$($value $then)?]
        })*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __method {
    ($mode:tt [$($attributes:tt)*] [] $name:ident [$($generics:tt)*] $arguments:tt [$($output:ty)?] $body:block []) => {
        $($attributes)*
        pub fn $name<$($generics)*> $arguments $(-> $output)? $body
    };
    ((async) [$($attributes:tt)*] [future $($cancel:tt)*]
     $name:ident [$($generics:tt)*] $arguments:tt [$output:ty] $body:block []) => {
        $($attributes)*
        ///
        /// # Cancel safety
        ///
        #[doc = $($cancel)*]
        pub fn $name<$($generics)*> $arguments -> impl ::core::future::Future<Output = $output> $body
    };
    ((async) [$($attributes:tt)*] [cancel $($cancel:tt)*]
     $name:ident [$($generics:tt)*] $arguments:tt [$($output:ty)?] $body:block []) => {
        $crate::__method! {
            (async) [$($attributes)*] [cancel $($cancel)*] $name [$($generics)*] $arguments [$($output)?] $body [output { output }]
        }
    };
    ((async) [$($attributes:tt)*] [cancel $($cancel:tt)*]
     $name:ident [$($generics:tt)*] $arguments:tt [$($output:ty)?] $body:block [$value:ident $then:block]) => {
        $($attributes)*
        ///
        /// # Cancel safety
        ///
        #[doc = $($cancel)*]
        pub async fn $name<$($generics)*> $arguments $(-> $output)? {
            let $value = $body.await;
            $then
        }
    };
    ((blocking) [$($attributes:tt)*] [$kind:ident $($cancel:tt)*]
     $name:ident [$($generics:tt)*] $arguments:tt [$($output:ty)?] $body:block []) => {
        $($attributes)*
        pub fn $name<$($generics)*> $arguments $(-> $output)? $body
    };
    ((blocking by $block_on:path) [$($attributes:tt)*] [$kind:ident $($cancel:tt)*]
     $name:ident [$($generics:tt)*] $arguments:tt [$($output:ty)?] $body:block []) => {
        $($attributes)*
        pub fn $name<$($generics)*> $arguments $(-> $output)? {
            $block_on($body)
        }
    };
    ((blocking by $block_on:path) [$($attributes:tt)*] [$kind:ident $($cancel:tt)*]
     $name:ident [$($generics:tt)*] $arguments:tt [$($output:ty)?] $body:block [$value:ident $then:block]) => {
        $($attributes)*
        pub fn $name<$($generics)*> $arguments $(-> $output)? {
            let $value = $block_on($body);
            $then
        }
    };
}

/// What there is only for one of the two.
#[doc(hidden)]
#[macro_export]
macro_rules! __only {
    (async (async) $($items:tt)*) => { $($items)* };
    (blocking (blocking by $block_on:path) $($items:tt)*) => { $($items)* };
    ($mode:ident $other:tt $($items:tt)*) => {};
}

/// What an example awaits a call by.
#[doc(hidden)]
#[macro_export]
macro_rules! __await {
    ((async)) => {
        ".await"
    };
    ($blocking:tt) => {
        ""
    };
}

/// What is documented of futures alone.
#[doc(hidden)]
#[macro_export]
macro_rules! __async_doc {
    ((async) $text:literal) => {
        $text
    };
    ($blocking:tt $text:literal) => {
        ""
    };
}

/// The hidden line that an example begins with: a function that may fail.
#[doc(hidden)]
#[macro_export]
macro_rules! __example {
    ((async)) => {
        concat!("# async fn example() -> Result<(), ", env!("CARGO_CRATE_NAME"), "::Error> {")
    };
    ($blocking:tt) => {
        concat!("# fn main() -> Result<(), ", env!("CARGO_CRATE_NAME"), "::Error> {")
    };
}

/// As [`__example`](crate::__example), with parameters, and failing with any error.
#[doc(hidden)]
#[macro_export]
macro_rules! __fallible {
    ((async) $parameters:literal) => {
        concat!("# async fn example(", $parameters, ") -> Result<(), Box<dyn std::error::Error>> {")
    };
    ($blocking:tt $parameters:literal) => {
        concat!("# fn example(", $parameters, ") -> Result<(), Box<dyn std::error::Error>> {")
    };
}

/// An example's line that imports from the binding.
#[doc(hidden)]
#[macro_export]
macro_rules! __use {
    ($names:literal) => {
        concat!("use ", env!("CARGO_CRATE_NAME"), "::", $names, ";")
    };
}
