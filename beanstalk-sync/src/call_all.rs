//! Many requests over one connection, results as they arrive.

use std::fmt;

use beanstalk_proto::{Error, Request};

use crate::{
    blocking::{Blocking, block_on},
    transport::Transport,
};

/// The results of [`Client::call_all`](crate::Client::call_all), in the order of the requests.
pub struct CallAll<'c, T: Transport, I: Iterator<Item: Request>>(beanstalk_driver::CallAll<'c, Blocking<T>, I>);

impl<'c, T: Transport, I: Iterator<Item: Request>> CallAll<'c, T, I> {
    pub(crate) const fn new(results: beanstalk_driver::CallAll<'c, Blocking<T>, I>) -> Self {
        Self(results)
    }
}

impl<T: Transport, I: Iterator<Item: Request>> Iterator for CallAll<'_, T, I> {
    type Item = Result<<I::Item as Request>::Reply, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        block_on(self.0.next())
    }
}

impl<T: Transport, I: Iterator<Item: Request>> fmt::Debug for CallAll<'_, T, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallAll").finish_non_exhaustive()
    }
}
