//! A way to a server that an application brings.

use std::{any::Any, boxed::Box, fmt, future::Future, io, pin::Pin, sync::Arc, time::Duration};

use super::endpoint::Node;

/// Connects in place of the sockets that a binding makes: for example through a tunnel or a proxy, or to a server in the same process. A
/// binding's function `connector` makes one of a function that gives that runtime's streams; no other binding can use it.
///
/// That function's page shows it. Without a binding, a connector gives the streams of a dialer, here those of smol:
///
/// ```
/// use beanstalk_driver::{ConnectOptions, Connector};
/// use smol::net::TcpStream;
///
/// // Whatever the node, by way of a tunnel that begins on this machine.
/// let tunnel = Connector::new(|_node, _within| TcpStream::connect("127.0.0.1:4000"));
/// let options = ConnectOptions::new().connector(tunnel);
/// assert!(options.connector.is_some());
/// ```
#[derive(Clone)]
pub struct Connector(Arc<dyn Any + Send + Sync>);

/// What a connector holds, for a dialer of streams `S`.
type Connect<S> = Box<dyn Fn(Node, Option<Duration>) -> Connecting<S> + Send + Sync>;
type Connecting<S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send>>;

impl Connector {
    /// Makes one of a function that connects to a node within the time that is left, for the dialer of these streams.
    pub fn new<S, C>(connect: impl Fn(Node, Option<Duration>) -> C + Send + Sync + 'static) -> Self
    where
        S: 'static,
        C: Future<Output = io::Result<S>> + Send + 'static,
    {
        let connect: Connect<S> = Box::new(move |node, within| Box::pin(connect(node, within)));
        Self(Arc::new(connect))
    }

    pub(super) async fn dial<S: 'static>(&self, node: &Node, within: Option<Duration>) -> io::Result<S> {
        match self.0.downcast_ref::<Connect<S>>() {
            Some(connect) => connect(node.clone(), within).await,
            None => Err(io::Error::new(io::ErrorKind::InvalidInput, "the connector was made by another binding")),
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}
