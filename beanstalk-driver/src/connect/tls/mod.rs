//! TLS, by rustls: how it is set up, and its state on a connection, which does no I/O of its own.

mod error;
mod options;
mod session;

pub use options::TlsOptions;
pub use session::TlsSession;
