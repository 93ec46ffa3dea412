//! An endpoint, and where among its nodes to begin.

use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::endpoint::{Endpoint, EndpointError};

/// An [`Endpoint`] that a client connects to more than once. Its nodes are tried in turn, beginning with the one that was connected
/// to last.
///
/// Each client has its own, which its clones share. Several of one endpoint are spread over its nodes by [`Route::beginning_at`].
#[derive(Clone, Debug)]
pub struct Route {
    endpoint: Endpoint,
    /// An index into the nodes.
    first: Arc<AtomicUsize>,
}

impl Route {
    /// Begins with this node, counted from 0 and again from 0 after the last.
    #[must_use]
    pub fn beginning_at(endpoint: Endpoint, node: usize) -> Self {
        let first = node.checked_rem(endpoint.nodes().len()).unwrap_or(0);
        let first = Arc::new(AtomicUsize::new(first));
        Self { endpoint, first }
    }

    /// Returns the endpoint.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns the indices of the nodes in the order in which they are tried.
    pub(super) fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let (first, nodes) = (self.first.load(Ordering::Relaxed), self.endpoint.nodes().len());
        (first..nodes).chain(0..first)
    }

    /// Begins with this node from now on.
    pub(super) fn connected(&self, node: usize) {
        self.first.store(node, Ordering::Relaxed);
    }
}

impl FromStr for Route {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        text.parse().map(|endpoint| Self::beginning_at(endpoint, 0))
    }
}

impl From<Endpoint> for Route {
    fn from(endpoint: Endpoint) -> Self {
        Self::beginning_at(endpoint, 0)
    }
}
