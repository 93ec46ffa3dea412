//! Reaching a server: where a queue is ([`Endpoint`]), how it is connected to ([`ConnectOptions`]), and the way from there to a
//! connection, for any runtime.

#[cfg(feature = "std")]
mod connector;
#[cfg(feature = "std")]
mod dial;
mod endpoint;
#[cfg(feature = "std")]
mod error;
#[cfg(feature = "std")]
mod greeting;
#[cfg(feature = "std")]
mod options;
#[cfg(feature = "std")]
mod route;
#[cfg(feature = "sockets")]
pub mod socket;
#[cfg(feature = "sockets")]
pub mod stream;
#[cfg(feature = "tls")]
mod tls;

#[cfg(feature = "std")]
pub use connector::Connector;
#[cfg(feature = "std")]
pub use dial::{Dialer, LEAST_SHARE, Target, connect, open};
pub use endpoint::{DEFAULT_PORT, Endpoint, EndpointError, Node};
#[cfg(feature = "std")]
pub use error::{ConnectAttempt, ConnectError, ConnectPhase, GreetingError};
#[cfg(feature = "std")]
pub use greeting::Greeting;
#[cfg(feature = "std")]
pub(crate) use greeting::GreetingRequest;
#[cfg(feature = "std")]
pub use options::ConnectOptions;
#[cfg(feature = "std")]
pub use route::Route;
#[cfg(feature = "tls")]
pub use tls::{TlsOptions, TlsSession};
