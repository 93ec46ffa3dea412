//! Reaching a server.

mod address;

pub use address::Address;
