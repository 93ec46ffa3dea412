//! What a command's argument can be given as.

/// What can be given where a command takes a `T`: whatever converts into it.
///
/// Each kind of argument is made from one integer type, so that literals need no suffix: priorities, times and bounds from
/// `u32`, ids from `u64`. A number of another type is converted where it is given, and what does not fit is an error there:
///
/// ```
/// use beanstalk_proto::{ArgumentError, Bound, Kick, Put, Seconds};
///
/// let (ttr, jobs): (u64, u64) = (120, 5_000_000_000);
/// let put = Put::of("hello").priority(u32::MAX).ttr(Seconds::try_from(ttr)?);
/// let kick = Kick::new(Bound::up_to(jobs));
/// # let _ = (put, kick);
/// # Ok::<(), ArgumentError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be given where a command takes `{T}`",
    label = "cannot become `{T}`",
    note = "priorities, times and bounds are made from `u32`, ids from `u64`; of another number write `Priority::try_from(n)?`, `Seconds::try_from(n)?`, `Bound::up_to(n)` or `JobId(n.into())`",
    note = "a time is also made from a `Duration`, a tube from `&str`, `String` or `TubeName`, a body from bytes or text"
)]
pub trait Argument<T> {
    /// Converts it.
    fn into_argument(self) -> T;
}

#[diagnostic::do_not_recommend]
impl<T, U: Into<T>> Argument<T> for U {
    #[inline(always)]
    fn into_argument(self) -> T {
        self.into()
    }
}
