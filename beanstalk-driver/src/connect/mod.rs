//! Reaching a server: where a queue is ([`Endpoint`]), and the way from there to a connected stream, for any runtime.

#[cfg(feature = "std")]
mod dial;
mod endpoint;
#[cfg(feature = "sockets")]
pub mod socket;

#[cfg(feature = "std")]
pub use dial::{Dialer, LEAST_SHARE, Target, connect};
pub use endpoint::{DEFAULT_PORT, Endpoint, EndpointError, Node};
