//! Waiting for jobs in a loop.

use core::time::Duration;

use super::{JobHandle, ReservedJob, Session};
use crate::runtime::Runtime;
use beanstalk_proto::{Argument, Error, ReserveWithTimeout, Reserved, Seconds};

/// The server answers a reserve at once as long as a job that is held has less than a second left.
const PAUSE: Duration = Duration::from_millis(100);

/// What `Session::next_job` has waited for.
///
/// ```
/// use beanstalk_driver::NextJob;
///
/// # let mut answers = [Some(NextJob::Job("hello")), Some(NextJob::DeadlineSoon), None].into_iter().flatten();
/// # let mut next_job = || answers.next();
/// # let mut jobs = Vec::new();
/// // Until none came in time.
/// while let Some(next) = next_job() {
///     match next {
///         NextJob::Job(job) => {
///             println!("working on {job}");
/// #           jobs.push(job);
///         }
///         NextJob::DeadlineSoon => println!("touch or finish the job that is held besides"),
///     }
/// }
/// # assert_eq!(jobs, ["hello"]);
/// ```
#[must_use = "a job that came is held until its time to run is over, and a job held already may be about to expire"]
#[derive(Debug)]
pub enum NextJob<J> {
    /// `RESERVED`: a job, held from now on.
    Job(J),
    /// `DEADLINE_SOON`: a job that is held besides has less than a second left. Finish it or `touch` it, or it becomes ready again.
    DeadlineSoon,
}

impl<J> NextJob<J> {
    /// Returns the job, if it is one.
    pub fn job(self) -> Option<J> {
        match self {
            Self::Job(job) => Some(job),
            Self::DeadlineSoon => None,
        }
    }

    /// Makes something else of the job, if it is one.
    pub fn map<K>(self, to: impl FnOnce(J) -> K) -> NextJob<K> {
        match self {
            Self::Job(job) => NextJob::Job(to(job)),
            Self::DeadlineSoon => NextJob::DeadlineSoon,
        }
    }
}

impl<R: Runtime> Session<R> {
    /// Waits so many seconds for a job: `reserve-with-timeout`. `None` is the answer if none came (`TIMED_OUT`), and only then, so that
    /// it ends a loop.
    ///
    /// [`NextJob::DeadlineSoon`] is the answer if a job that is held besides is nearly out of time: one that was taken out of its handle
    /// with [`JobHandle::into_job`], or whose handle was dropped without a verdict. A call after that sends its reserve no sooner than 100 ms
    /// later: so a loop that does nothing about it is one of some turns a second, until that job is ready again.
    ///
    /// # Cancel safety
    ///
    /// Safe in `select!`, as `reserve_with_timeout`.
    ///
    /// # Errors
    ///
    /// Those of `reserve_with_timeout`.
    #[doc(alias = "reserve")]
    pub async fn next_job(
        &mut self,
        timeout: impl Argument<Seconds>,
    ) -> Result<Option<NextJob<JobHandle<'_, R>>>, Error> {
        let next = self.next_reserved(timeout).await?;
        Ok(next.map(|next| next.map(|job| JobHandle::new(self, job))))
    }

    /// As [`Session::next_job`], for a binding whose job handles borrow a session of its own.
    ///
    /// # Errors
    ///
    /// As [`Session::next_job`].
    pub async fn next_reserved(
        &mut self,
        timeout: impl Argument<Seconds>,
    ) -> Result<Option<NextJob<ReservedJob>>, Error> {
        let request = ReserveWithTimeout::new(timeout);
        if self.now() < self.reserve_from {
            self.runtime.sleep(self.reserve_from).await;
        }
        match self.call(request).await? {
            Reserved::Job(job) => Ok(Some(NextJob::Job(ReservedJob::new(self, job)))),
            Reserved::DeadlineSoon => {
                self.reserve_from = self.now() + PAUSE;
                Ok(Some(NextJob::DeadlineSoon))
            }
            Reserved::TimedOut => Ok(None),
        }
    }
}
