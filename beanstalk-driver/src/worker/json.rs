//! JSON as a handler's argument.

use super::{handler::BoxError, handlers::FromJob, held_job::HeldJob};
use serde::de::DeserializeOwned;

/// The body of a job as a value of `T`, to be a handler's argument: `async fn send(Json(mail): Json<Mail>)`.
///
/// A body that does not parse is a [`MalformedJob`](beanstalk_proto::MalformedJob): the handler is not called, and the job is set aside
/// at once, unless `WorkerBuilder::bury_malformed` is `false`. What is parsed owns
/// what it holds; a value that borrows from the body is read by `job.json::<T>()`.
///
/// ```
/// # use beanstalk_driver::{HeldJob, Json, Runtime, WorkerBuilder};
/// #[derive(serde::Deserialize)]
/// struct Mail {
///     to: String,
/// }
///
/// async fn send(Json(mail): Json<Mail>) {
///     println!("to {}", mail.to);
/// }
///
/// // The job itself is an argument beside it.
/// async fn archive((Json(mail), job): (Json<Mail>, HeldJob)) {
///     println!("{} was to {}", job.id, mail.to);
/// }
/// # fn example<R: Runtime<Handlers = beanstalk_driver::Futures>>(builder: WorkerBuilder<R>) {
/// builder.handle("mails", send).handle("archive", archive);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromJob for Json<T> {
    fn from_job(job: HeldJob) -> Result<Self, BoxError> {
        Ok(Self(job.json()?))
    }
}

impl<T: DeserializeOwned, J: FromJob> FromJob for (Json<T>, J) {
    fn from_job(job: HeldJob) -> Result<Self, BoxError> {
        Ok((Json(job.json()?), J::from_job(job)?))
    }
}
