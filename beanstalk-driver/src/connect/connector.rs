//! A way to a server that an application brings.

use std::{any::Any, fmt, sync::Arc};

/// Connects in place of the sockets that a binding makes: through a tunnel or a proxy, say, or to a server in the same process. A
/// binding's function `connector` makes one of a function that gives that runtime's streams; no other binding can use it.
#[derive(Clone)]
pub struct Connector(Arc<dyn Any + Send + Sync>);

impl Connector {
    /// What a binding connects with.
    pub fn new<F: Send + Sync + 'static>(connect: F) -> Self {
        Self(Arc::new(connect))
    }

    /// Returns what it was made of, if that is of this type.
    #[must_use]
    pub fn get<F: 'static>(&self) -> Option<&F> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}
