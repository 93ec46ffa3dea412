//! The rows of the command table: every command of the protocol, described once. This file imports nothing; what is emitted
//! from it stands in the modules that call [`command_table`].
//!
//! From a row come `Kind`, the request struct and its `Request` impl, the owned `Command` that a server receives, the server's
//! line parser, and the named methods of every adapter. The rows stand in the order in which beanstalkd tries its command
//! words: it matches by prefix, so `reserve-job ` is tried before `reserve`.

/// Hands all rows of the command table to a macro, given by its path: for code that emits something for each command, such as a binding
/// its methods. The crate `beanstalk-driver` has that done, in `command_methods!`.
///
/// A row reads: request struct, method name, word on the wire and (`match`) the prefix that the server looks for; the
/// arguments, each with its kind; the Rust type of the reply and how to get there; every reply word that may answer
/// besides the general errors; what the server may wait for; what the reply
/// repeats; how a connection that tasks share offers it (`as_is`; under another name, with the tube to use; `no`); an
/// example call.
///
/// | argument kind | in a request | in a `Command` | on the wire |
/// |---|---|---|---|
/// | `pri` | `Priority` | `Priority` | u32 |
/// | `secs` | `Seconds` | `u32` | at most 2^32-1 |
/// | `timeout` | `Seconds` | `u32` | at most 2^31-1 |
/// | `id` | `JobId` | `JobId` | u64 |
/// | `bound` | `Bound` | `u32` | u32 |
/// | `tube` | `TubeArg` | `TubeName` | the name |
/// | `body` | `Body` | `Vec<u8>` | length, CRLF, bytes, CRLF |
///
/// What stands behind a reply's type is for this crate, and best taken as tokens:
///
/// ```
/// macro_rules! methods {
///     ($($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? $method:ident $word:literal
///        match $prefix:literal
///        $(($($arg:ident: $kind:ident $(<$of:lifetime>)?),+))? -> $reply:ty { $($from:tt)* }
///        replies [$($word_of_reply:ident)*] wait $wait:ident echo $echo:ident
///        shared $shared:ident example $example:literal;)*) => {
///         [$((stringify!($method), $word)),*]
///     };
/// }
///
/// let methods = beanstalk_proto::command_table!(methods);
/// assert_eq!(methods.len(), beanstalk_proto::Kind::ALL.len());
/// assert!(methods.contains(&("peek_ready", "peek-ready")));
/// ```
#[macro_export]
macro_rules! command_table {
    ($($callback:tt)*) => { $($callback)*! {
        /// Adds a job to the tube in use.
        ///
        /// `priority`: 0 is the most urgent. `delay`: seconds before the job becomes ready. `ttr`: seconds a worker may
        /// hold it before it becomes ready again; the server makes 0 into 1. `body`: any bytes, at most the server's
        /// `max-job-size` (65535 unless it is set otherwise). Durations are rounded up to whole seconds.
        ///
        /// [`PutOutcome::Buried`](beanstalk_proto::PutOutcome::Buried) is not an error: the job exists, but the server
        /// had no memory to queue it. [`inserted`](beanstalk_proto::PutOutcome::inserted) makes it one, and gives the id.
        ///
        /// # Errors
        ///
        /// [`JobTooBig`](beanstalk_proto::CommandError::JobTooBig) (`JOB_TOO_BIG`);
        /// [`Draining`](beanstalk_proto::CommandError::Draining) (`DRAINING`). `EXPECTED_CRLF`, `BAD_FORMAT` and
        /// `UNKNOWN_COMMAND` are fatal here, since the server has lost track of where bodies end.
        Put<'a> put "put" match "put " (priority: pri, delay: secs, ttr: secs, body: body<'a>) -> $crate::PutOutcome {
            Reply::Inserted(id) => PutOutcome::Inserted(id),
            Reply::BuriedId(id) => PutOutcome::Buried(id),
        } replies [Inserted BuriedId ExpectedCrlf JobTooBig Draining] wait no echo none shared put_in
        example "let outcome = client.put(1024, 0, 60, \"hello\")";

        /// Reads a job by its id, whatever its state and tube, without reserving it.
        ///
        /// # Errors
        ///
        /// [`NotFound`](beanstalk_proto::CommandError::NotFound) (`NOT_FOUND`).
        Peek peek "peek" match "peek " (id: id) -> $crate::Job {
            Reply::Found(job) => job,
        } replies [Found NotFound] wait no echo id shared as_is
        example "let job = client.peek(1)";

        /// Reads the next ready job of the tube in use without reserving it.
        ///
        /// # Errors
        ///
        /// [`NotFound`](beanstalk_proto::CommandError::NotFound) (`NOT_FOUND`): no job is ready.
        #[doc(alias = "peek-ready")]
        PeekReady peek_ready "peek-ready" match "peek-ready" -> $crate::Job {
            Reply::Found(job) => job,
        } replies [Found NotFound] wait no echo none shared peek_ready_in
        example "let job = client.peek_ready()";

        /// Reads the delayed job with the shortest delay left in the tube in use.
        ///
        /// # Errors
        ///
        /// [`NotFound`](beanstalk_proto::CommandError::NotFound) (`NOT_FOUND`): no job is delayed.
        #[doc(alias = "peek-delayed")]
        PeekDelayed peek_delayed "peek-delayed" match "peek-delayed" -> $crate::Job {
            Reply::Found(job) => job,
        } replies [Found NotFound] wait no echo none shared peek_delayed_in
        example "let job = client.peek_delayed()";

        /// Reads the job that was buried first in the tube in use.
        ///
        /// # Errors
        ///
        /// [`NotFound`](beanstalk_proto::CommandError::NotFound) (`NOT_FOUND`): no job is buried.
        #[doc(alias = "peek-buried")]
        PeekBuried peek_buried "peek-buried" match "peek-buried" -> $crate::Job {
            Reply::Found(job) => job,
        } replies [Found NotFound] wait no echo none shared peek_buried_in
        example "let job = client.peek_buried()";

        /// Waits for a job from the watched tubes, for so many seconds at most; 0 only looks.
        ///
        /// The reply timeout is added to this one. Other requests may be sent behind it; their replies take that much
        /// longer.
        ///
        /// # Errors
        ///
        /// A timeout over 2^31-1 s is an [`ArgumentError`](beanstalk_proto::ArgumentError). That no job came
        /// (`TIMED_OUT`) and that a job held already is about to expire (`DEADLINE_SOON`) are outcomes.
        #[doc(alias = "reserve-with-timeout")]
        ReserveWithTimeout reserve_with_timeout "reserve-with-timeout" match "reserve-with-timeout "
        (timeout: timeout) -> $crate::Reserved {
            Reply::Reserved(job) => Reserved::Job(job),
            Reply::TimedOut => Reserved::TimedOut,
            Reply::DeadlineSoon => Reserved::DeadlineSoon,
        } replies [Reserved DeadlineSoon TimedOut] wait timeout echo none shared no
        example "let reserved = client.reserve_with_timeout(5)";

        /// Reserves a certain job, if it is ready, delayed or buried. Servers from 1.12 on.
        ///
        /// # Errors
        ///
        /// [`NotFound`](beanstalk_proto::CommandError::NotFound) (`NOT_FOUND`): there is no such job, or it is reserved.
        /// [`BadFormat`](beanstalk_proto::CommandError::BadFormat) (`BAD_FORMAT`): the server is older than 1.12.
        #[doc(alias = "reserve-job")]
        ReserveJob reserve_job "reserve-job" match "reserve-job " (id: id) -> $crate::Job {
            Reply::Reserved(job) => job,
        } replies [Reserved NotFound] wait no echo id shared as_is
        example "let job = client.reserve_job(1)";

        /// Waits for a job from the watched tubes, for as long as it takes. No reply timeout applies.
        ///
        /// While it waits, the server reads nothing from this connection, so every other request fails with
        /// [`ReserveWaiting`](beanstalk_proto::Error::ReserveWaiting). Use `reserve_with_timeout` if the connection must do
        /// other work meanwhile.
        ///
        /// # Errors
        ///
        /// None of its own: that a job held already is about to expire (`DEADLINE_SOON`) is an outcome.
        Reserve reserve "reserve" match "reserve" -> $crate::Reserved {
            Reply::Reserved(job) => Reserved::Job(job),
            Reply::TimedOut => Reserved::TimedOut,
            Reply::DeadlineSoon => Reserved::DeadlineSoon,
        } replies [Reserved DeadlineSoon TimedOut] wait forever echo none shared no
        example "let reserved = client.reserve()";

        /// Removes a job: one this connection holds, or any that is ready, delayed or buried.
        ///
        /// # Errors
        ///
        /// [`NotFound`](beanstalk_proto::CommandError::NotFound) (`NOT_FOUND`): there is no such job, or another connection
        /// holds it. A job whose time to run ended before the delete gets the same answer.
        #[doc(alias = "del")]
        Delete delete "delete" match "delete " (id: id) -> () {
            Reply::Deleted => (),
        } replies [Deleted NotFound] wait no echo none shared as_is
        example "client.delete(1)";

        /// Puts a job this connection holds back into the ready queue, or among the delayed jobs.
        ///
        /// [`ReleaseOutcome::Buried`](beanstalk_proto::ReleaseOutcome::Buried) is not an error: the server had no memory to
        /// queue the job again. [`released`](beanstalk_proto::ReleaseOutcome::released) makes it one.
        ///
        /// # Errors
        ///
        /// [`NotFound`](beanstalk_proto::CommandError::NotFound) (`NOT_FOUND`): this connection does not hold the job.
        Release release "release" match "release " (id: id, priority: pri, delay: secs) -> $crate::ReleaseOutcome {
            Reply::Released => ReleaseOutcome::Released,
            Reply::Buried => ReleaseOutcome::Buried,
        } replies [Released Buried NotFound] wait no echo none shared as_is
        example "let outcome = client.release(1, 1024, 10)";

        /// Sets a job this connection holds aside until it is kicked.
        ///
        /// # Errors
        ///
        /// [`NotFound`](beanstalk_proto::CommandError::NotFound) (`NOT_FOUND`): this connection does not hold the job.
        Bury bury "bury" match "bury " (id: id, priority: pri) -> () {
            Reply::Buried => (),
        } replies [Buried NotFound] wait no echo none shared as_is
        example "client.bury(1, 1024)";

        /// Makes at most `bound` jobs of the tube in use ready: buried ones, or if there are none, delayed ones. Returns
        /// how many.
        ///
        /// With `stats_tube(…)?.current_jobs_buried` for a bound it kicks those that are buried, and no delayed ones unless
        /// another client kicks meanwhile; `kick_buried` never does.
        ///
        /// # Errors
        ///
        /// None of its own.
        Kick kick "kick" match "kick " (bound: bound) -> u64 {
            Reply::KickedCount(count) => count,
        } replies [KickedCount] wait no echo none shared kick_in
        example "let kicked = client.kick(100)";

        /// Makes one buried or delayed job ready.
        ///
        /// # Errors
        ///
        /// [`NotFound`](beanstalk_proto::CommandError::NotFound) (`NOT_FOUND`): there is no such job, or it is neither buried
        /// nor delayed.
        #[doc(alias = "kick-job")]
        KickJob kick_job "kick-job" match "kick-job " (id: id) -> () {
            Reply::Kicked => (),
        } replies [Kicked NotFound] wait no echo none shared as_is
        example "client.kick_job(1)";

        /// Gives a job this connection holds its whole time to run again, from now.
        ///
        /// # Errors
        ///
        /// [`NotFound`](beanstalk_proto::CommandError::NotFound) (`NOT_FOUND`): this connection does not hold the job (any more).
        Touch touch "touch" match "touch " (id: id) -> () {
            Reply::Touched => (),
        } replies [Touched NotFound] wait no echo none shared as_is
        example "client.touch(1)";

        /// Returns the statistics of one job.
        ///
        /// # Errors
        ///
        /// [`NotFound`](beanstalk_proto::CommandError::NotFound) (`NOT_FOUND`);
        /// [`Stats`](beanstalk_proto::Error::Stats) if a value is not what its key promises.
        #[doc(alias = "stats-job")]
        StatsJob stats_job "stats-job" match "stats-job " (id: id) -> $crate::stats::JobStats {
            Reply::Ok(body) => $crate::stats::JobStats::decode(&body)?,
        } replies [Ok NotFound] wait no echo none shared as_is
        example "let stats = client.stats_job(1)";

        /// Returns the statistics of one tube.
        ///
        /// # Errors
        ///
        /// [`NotFound`](beanstalk_proto::CommandError::NotFound) (`NOT_FOUND`): a tube exists only while a client uses or
        /// watches it or it has jobs. [`Stats`](beanstalk_proto::Error::Stats) if a value is not what its key promises.
        #[doc(alias = "stats-tube")]
        StatsTube<'a> stats_tube "stats-tube" match "stats-tube " (tube: tube<'a>) -> $crate::stats::TubeStats {
            Reply::Ok(body) => $crate::stats::TubeStats::decode(&body)?,
        } replies [Ok NotFound] wait no echo none shared as_is
        example "let stats = client.stats_tube(\"default\")";

        /// Returns the statistics of the server.
        ///
        /// # Errors
        ///
        /// [`Stats`](beanstalk_proto::Error::Stats) if a value is not what its key promises.
        Stats stats "stats" match "stats" -> $crate::stats::ServerStats {
            Reply::Ok(body) => $crate::stats::ServerStats::decode(&body)?,
        } replies [Ok] wait no echo none shared as_is
        example "let stats = client.stats()";

        /// Chooses the tube that `put`, `kick` and the `peek_…` commands are about: the protocol's `use`.
        ///
        /// # Errors
        ///
        /// None of its own.
        #[doc(alias = "use")]
        Use<'a> use_tube "use" match "use " (tube: tube<'a>) -> () {
            Reply::Using(_) => (),
        } replies [Using] wait no echo tube shared no
        example "client.use_tube(\"emails\")";

        /// Adds a tube to those that `reserve` takes jobs from. Returns how many tubes are watched.
        ///
        /// # Errors
        ///
        /// None of its own.
        Watch<'a> watch "watch" match "watch " (tube: tube<'a>) -> u64 {
            Reply::Watching(count) => count,
        } replies [Watching] wait no echo none shared no
        example "let watched = client.watch(\"emails\")";

        /// Takes a tube off the watch list. Returns how many tubes are watched. A tube that was not watched changes nothing.
        ///
        /// # Errors
        ///
        /// [`NotIgnored`](beanstalk_proto::CommandError::NotIgnored) (`NOT_IGNORED`): it is the only one.
        Ignore<'a> ignore "ignore" match "ignore " (tube: tube<'a>) -> u64 {
            Reply::Watching(count) => count,
        } replies [Watching NotIgnored] wait no echo none shared no
        example "let watched = client.ignore(\"default\")";

        /// Returns the names of the tubes this connection watches.
        ///
        /// # Errors
        ///
        /// [`Stats`](beanstalk_proto::Error::Stats) if the list is not one of tube names.
        #[doc(alias = "list-tubes-watched")]
        ListTubesWatched list_tubes_watched "list-tubes-watched" match "list-tubes-watched"
        -> $crate::vec::Vec<$crate::TubeName> {
            Reply::Ok(body) => $crate::stats::decode_names(&body)?,
        } replies [Ok] wait no echo none shared no
        example "let tubes = client.list_tubes_watched()";

        /// Returns the name of the tube this connection uses.
        ///
        /// # Errors
        ///
        /// None of its own.
        #[doc(alias = "list-tube-used")]
        #[doc(alias = "list-tubes-used")]
        ListTubeUsed list_tube_used "list-tube-used" match "list-tube-used" -> $crate::TubeName {
            Reply::Using(tube) => tube,
        } replies [Using] wait no echo none shared no
        example "let tube = client.list_tube_used()";

        /// Returns the names of all tubes.
        ///
        /// # Errors
        ///
        /// [`Stats`](beanstalk_proto::Error::Stats) if the list is not one of tube names.
        #[doc(alias = "list-tubes")]
        ListTubes list_tubes "list-tubes" match "list-tubes" -> $crate::vec::Vec<$crate::TubeName> {
            Reply::Ok(body) => $crate::stats::decode_names(&body)?,
        } replies [Ok] wait no echo none shared as_is
        example "let tubes = client.list_tubes()";

        /// Ends the connection: the server closes it, and jobs held by it become ready.
        ///
        /// Returns once the server has closed. Every later call fails with [`Closed`](beanstalk_proto::Error::Closed).
        ///
        /// # Errors
        ///
        /// None of its own.
        Quit quit "quit" match "quit" -> () {
            Reply::Closed => (),
        } replies [] wait no echo none shared no
        example "client.quit()";

        /// Lets no job of a tube be reserved for so many seconds; 0 ends a pause.
        ///
        /// # Errors
        ///
        /// [`NotFound`](beanstalk_proto::CommandError::NotFound) (`NOT_FOUND`): there is no such tube.
        #[doc(alias = "pause-tube")]
        PauseTube<'a> pause_tube "pause-tube" match "pause-tube" (tube: tube<'a>, delay: secs) -> () {
            Reply::Paused => (),
        } replies [Paused NotFound] wait no echo none shared as_is
        example "client.pause_tube(\"emails\", 60)";
    } };
}
