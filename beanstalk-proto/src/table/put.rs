//! A put, built step by step.

use super::Put;
use crate::types::{Argument, Body, Priority, Seconds};

impl<'a> Put<'a> {
    /// Makes a put of this body, with the defaults: [`Priority::default`], no delay, 60 s to run.
    ///
    /// ```
    /// use beanstalk_proto::Put;
    ///
    /// let put = Put::of("hello").priority(10).ttr(120);
    /// assert_eq!((put.priority.0, put.delay.get(), put.ttr.get()), (10, 0, 120));
    /// ```
    pub fn of(body: impl Argument<Body<'a>>) -> Self {
        Self::new(Priority::default(), Seconds::ZERO, 60, body)
    }

    /// Makes a put of this value in JSON, with the defaults.
    ///
    /// ```
    /// use beanstalk_proto::{ArgumentError, Put};
    ///
    /// let put = Put::json(&("ann", 4))?.ttr(120);
    /// assert_eq!(&put.body[..], b"[\"ann\",4]");
    /// # Ok::<(), ArgumentError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Body::json`].
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Self, crate::types::ArgumentError> {
        Body::json(value).map(Self::of)
    }

    /// Sets how urgent the job is; 0 is the most urgent.
    pub fn priority(mut self, priority: impl Argument<Priority>) -> Self {
        self.priority = priority.into_argument();
        self
    }

    /// Sets how long the job is not ready yet.
    pub fn delay(mut self, delay: impl Argument<Seconds>) -> Self {
        self.delay = delay.into_argument();
        self
    }

    /// Sets how long a worker may hold the job before it becomes ready again.
    pub fn ttr(mut self, ttr: impl Argument<Seconds>) -> Self {
        self.ttr = ttr.into_argument();
        self
    }
}
