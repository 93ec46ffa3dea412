//! Looking after tubes.

/// Emits the functions that look after tubes, next to a `Client`.
///
/// ```ignore
/// beanstalk_driver::upkeep! {
///     (async) Stream: [AsyncRead + AsyncWrite + Unpin] = Stream; over Transport;
/// }
/// ```
///
/// `(blocking by block_on)` makes blocking ones.
#[macro_export]
macro_rules! upkeep {
    ($mode:tt $s:ident: [$($bounds:tt)*] = $stream:ty; over $transport:ident;) => {
        $crate::__methods! { $mode
            /// Deletes the jobs of a tube that match, and returns how many. The tube in use is the same afterwards.
            ///
            /// Reserved jobs stay. A tube that goes on filling is worked on for as long as it does, unless only some jobs are
            /// picked. Commands are sent many at a time, within the limits of the connection.
            ///
            /// ```no_run
            #[doc = $crate::__use!("{Client, JobFilter, Queue, clear_tube}")]
            ///
            #[doc = $crate::__example!($mode)]
            #[doc = concat!("let mut client = Client::connect(\"localhost:11300\")", $crate::__await!($mode), "?;")]
            #[doc = concat!("println!(\"{} jobs deleted\", clear_tube(&mut client, \"mails\", &Queue::ALL)", $crate::__await!($mode), "?);")]
            /// // Only some of them:
            /// let bounced = JobFilter::new(&[Queue::Buried]).matching(|job| job.stats.buries > Some(3));
            #[doc = concat!("println!(\"{} jobs deleted\", clear_tube(&mut client, \"mails\", bounced)", $crate::__await!($mode), "?);")]
            /// # Ok(())
            /// # }
            /// ```
            ///
            /// # Errors
            ///
            /// What a command fails with, except for jobs that another client took first. What was deleted is deleted.
            cancel("If the future is dropped, some of the jobs are deleted, and the tube in use may be another. [`JobFilter::on_progress`](crate::JobFilter::on_progress) can end it in order.")
            fn clear_tube['t, 'f, $s: $($bounds)*](
                client: &mut Client<$s>,
                tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'t>>,
                filter: impl Into<$crate::policy::JobFilter<'f>>,
            ) -> Result<u64, Error> {
                $crate::clear_tube(&mut client.driver, tube, filter)
            }

            /// Makes the buried jobs of a tube that match ready, each by its id, and returns how many. The tube in use is the same
            /// afterwards.
            ///
            /// Never a delayed job, whatever queues the filter names, as `kick` does once none is buried; and not those that are buried
            /// meanwhile, so that it ends. Servers from 1.8 on.
            ///
            /// ```no_run
            #[doc = $crate::__use!("{Client, JobFilter, Queue, kick_buried}")]
            ///
            #[doc = $crate::__example!($mode)]
            #[doc = concat!("let mut client = Client::connect(\"localhost:11300\")", $crate::__await!($mode), "?;")]
            #[doc = concat!("println!(\"{} jobs kicked\", kick_buried(&mut client, \"mails\", &[Queue::Buried])", $crate::__await!($mode), "?);")]
            /// // Only those that were not kicked three times already:
            /// let rest = JobFilter::new(&[Queue::Buried]).matching(|job| job.stats.kicks < Some(3));
            #[doc = concat!("println!(\"{} jobs kicked\", kick_buried(&mut client, \"mails\", rest)", $crate::__await!($mode), "?);")]
            /// # Ok(())
            /// # }
            /// ```
            ///
            /// # Errors
            ///
            /// What a command fails with, except for jobs that another client took first. What was kicked is kicked.
            cancel("If the future is dropped, some of the jobs are kicked, and the tube in use may be another. [`JobFilter::on_progress`](crate::JobFilter::on_progress) can end it in order.")
            fn kick_buried['t, 'f, $s: $($bounds)*](
                client: &mut Client<$s>,
                tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'t>>,
                filter: impl Into<$crate::policy::JobFilter<'f>>,
            ) -> Result<u64, Error> {
                $crate::kick_buried(&mut client.driver, tube, filter)
            }

            /// Moves the jobs of a tube that match to another tube, on the same server or another, and returns how many. Servers from 1.12
            /// on.
            ///
            /// A job keeps its priority, its ttr and what is left of its delay, and is buried if it was. Its id and its counts are new. It
            /// is put before it is deleted: if a connection breaks in between, there are two of it, and never none. So it is, too, where
            /// its time to run is over before it is deleted. At most 64 jobs are held at once. The tubes in use are the same afterwards.
            ///
            /// ```no_run
            #[doc = $crate::__use!("{Client, Queue, move_jobs}")]
            ///
            #[doc = $crate::__example!($mode)]
            /// // Before a server is taken out of service:
            #[doc = concat!("let mut from = Client::connect(\"queue-1:11300\")", $crate::__await!($mode), "?;")]
            #[doc = concat!("let mut to = Client::connect(\"queue-2:11300\")", $crate::__await!($mode), "?;")]
            #[doc = concat!("let moved = move_jobs(&mut from, \"mails\", &mut to, \"mails\", &Queue::ALL)", $crate::__await!($mode), "?;")]
            /// println!("{moved} jobs moved");
            /// # Ok(())
            /// # }
            /// ```
            ///
            /// # Errors
            ///
            /// [`Error::Argument`] from a tube to itself, by whichever address, as that would never end. What a command fails with, but for
            /// jobs that another client took first. [`Error::Buried`] if a job was put but buried there, for lack of memory: then it is in the first tube still. Whatever it is, jobs that could not be put are given back, as
            /// they were, before this returns; what was moved is moved.
            cancel("If the future is dropped, some of the jobs are moved, and at most 64 may be in both tubes: held in the first, until their time to run is over or the connection ends, and ready then, also those that were buried or delayed. The tubes in use may be others. [`JobFilter::on_progress`](crate::JobFilter::on_progress) can end it in order, with no job in both.")
            fn move_jobs['t, 'u, 'f](
                from: &mut Client<impl $($bounds)*>,
                from_tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'t>>,
                to: &mut Client<impl $($bounds)*>,
                to_tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'u>>,
                filter: impl Into<$crate::policy::JobFilter<'f>>,
            ) -> Result<u64, Error> {
                $crate::move_jobs(&mut from.driver, from_tube, &mut to.driver, to_tube, filter)
            }

            /// Waits until a tube has nothing to be done: no job ready, held or delayed. Returns `false` if that has not come about in time.
            ///
            /// The server can only be asked again and again: after a hundredth of a second at first, and then less often, at most a second
            /// apart.
            ///
            /// ```no_run
            /// use std::time::Duration;
            #[doc = $crate::__use!("{Client, wait_until_empty}")]
            ///
            #[doc = $crate::__example!($mode)]
            #[doc = concat!("let mut client = Client::connect(\"localhost:11300\")", $crate::__await!($mode), "?;")]
            #[doc = concat!("if !wait_until_empty(&mut client, \"mails\", Some(Duration::from_secs(60)))", $crate::__await!($mode), "? {")]
            ///     println!("after a minute there are mails still");
            /// }
            /// # Ok(())
            /// # }
            /// ```
            ///
            /// # Errors
            ///
            /// What `stats-tube` fails with; a tube that is not there is empty.
            cancel("Safe.")
            fn wait_until_empty['t, $s: $($bounds)*](
                client: &mut Client<$s>,
                tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'t>>,
                timeout: Option<::core::time::Duration>,
            ) -> Result<bool, Error> {
                $crate::wait_until_empty(&mut client.driver, tube, timeout)
            }

            /// Begins to look at every job of a tube or of a server, without reserving or touching any.
            ///
            /// Every id is looked at, from the first to the last: which is given by [`ScanOptions::to`](crate::ScanOptions::to), or learnt
            /// from a job that is put into the tube `beanstalk.probe` and deleted at once. (The server's `total-jobs` is too low once it was
            /// restarted.) The tube in use is the same afterwards.
            ///
            /// A scan is no snapshot. Each job is seen as it is at that moment: one that is put, deleted or moves to another queue
            /// meanwhile may be seen as it was before or after, and once at most.
            ///
            /// An export is a scan whose jobs are written down, and so is no snapshot either:
            ///
            /// ```no_run
            /// use std::{fs::File, io::BufWriter};
            #[doc = $crate::__use!("{Client, ExportWriter, ExportedJob, ScanOptions, scan}")]
            ///
            #[doc = $crate::__fallible!($mode "path: &str")]
            #[doc = concat!("let mut client = Client::connect(\"localhost:11300\")", $crate::__await!($mode), "?;")]
            /// let mut writer = ExportWriter::new(BufWriter::new(File::create(path)?))?;
            #[doc = concat!("let mut jobs = scan(&mut client, ScanOptions::new())", $crate::__await!($mode), "?;")]
            #[doc = concat!("while let Some(job) = jobs.next()", $crate::__await!($mode), " {")]
            ///     if let Some(job) = ExportedJob::new(job?)? {
            ///         writer.write(&job)?;
            ///     }
            /// }
            /// writer.finish()?;
            /// # Ok(())
            /// # }
            /// ```
            ///
            /// ```no_run
            #[doc = $crate::__use!("{Client, ScanOptions, scan}")]
            ///
            #[doc = $crate::__example!($mode)]
            #[doc = concat!("let mut client = Client::connect(\"localhost:11300\")", $crate::__await!($mode), "?;")]
            #[doc = concat!("let mut jobs = scan(&mut client, ScanOptions::new().tube(\"mails\")?)", $crate::__await!($mode), "?;")]
            #[doc = concat!("while let Some(job) = jobs.next()", $crate::__await!($mode), " {")]
            ///     let job = job?;
            ///     println!("{} is {} and {:?} old", job.id, job.state, job.stats.age);
            ///     println!("{:?} ids ahead", jobs.progress().ahead);
            /// }
            /// # Ok(())
            /// # }
            /// ```
            ///
            /// # Errors
            ///
            /// What a command fails with: `DRAINING` if the server takes no jobs, where the last id has to be given; and [`Error::Argument`] if the last
            /// id is more than 2^40 from the first, where it has to be, too.
            cancel("If the future is dropped, the tube in use may be another, and the probe may be left behind: delayed for 136 years, in a tube that is not watched.")
            fn scan[$s: $($bounds)*](
                client: &mut Client<$s>,
                options: $crate::policy::ScanOptions,
            ) -> Result<Scan<'_, $s>, Error> {
                $crate::scan(&mut client.driver, options)
            } then scan { Ok(Scan(scan?)) }

            /// Begins to put jobs of an export again, as they were. The tube in use is the same again once it is finished.
            ///
            /// Priority, ttr, what was left of the delay, buried state and tube survive. Ids are new, counts and ages begin anew, and a job
            /// that was reserved is ready. What has passed since the export does not shorten delays.
            ///
            /// ```no_run
            /// use std::{fs::File, io::BufReader};
            #[doc = $crate::__use!("{Client, ExportReader, import}")]
            ///
            #[doc = $crate::__fallible!($mode "path: &str")]
            #[doc = concat!("let mut client = Client::connect(\"localhost:11300\")", $crate::__await!($mode), "?;")]
            #[doc = concat!("let mut import = import(&mut client)", $crate::__await!($mode), "?;")]
            /// for job in ExportReader::new(BufReader::new(File::open(path)?)) {
            #[doc = concat!("     import.push(job?)", $crate::__await!($mode), "?;")]
            /// }
            #[doc = concat!("println!(\"{} jobs restored\", import.finish()", $crate::__await!($mode), "?);")]
            /// # Ok(())
            /// # }
            /// ```
            ///
            /// # Errors
            ///
            /// What `list-tube-used` fails with.
            cancel("If the future is dropped, nothing has been done.")
            fn import[$s: $($bounds)*](client: &mut Client<$s>) -> Result<Import<'_, $s>, Error> {
                $crate::import(&mut client.driver)
            } then import { Ok(Import(import?)) }
        }

        /// The jobs of a [`scan`], in the order of their ids. After an error there is nothing more.
        ///
        /// Commands are sent only while the next job is waited for. What is in flight when it is dropped is finished by the next call on
        /// the connection.
        ///
        /// ```no_run
        #[doc = $crate::__use!("{Client, ScanOptions, scan}")]
        ///
        #[doc = $crate::__example!($mode)]
        #[doc = concat!("let mut client = Client::connect(\"localhost:11300\")", $crate::__await!($mode), "?;")]
        #[doc = concat!("let mut jobs = scan(&mut client, ScanOptions::new())", $crate::__await!($mode), "?;")]
        #[doc = concat!("while let Some(job) = jobs.next()", $crate::__await!($mode), " {")]
        ///     match job {
        ///         Ok(job) => println!("{} in {}", job.id, job.tube),
        ///         Err(error) => eprintln!("{error}: go on from {:?}", jobs.progress().next),
        ///     }
        /// }
        /// # Ok(())
        /// # }
        /// ```
        #[derive(Debug)]
        pub struct Scan<'c, $s: $($bounds)* = $stream>($crate::Scan<'c, $transport<$s>>);

        impl<$s: $($bounds)*> Scan<'_, $s> {
            /// Returns how far it is: how many jobs were found and ids looked at, how many ids are ahead, and where another scan would go
            /// on.
            #[must_use]
            pub fn progress(&self) -> $crate::policy::Progress {
                self.0.progress()
            }
        }

        $crate::__stream! { $mode [$s: $($bounds)*] Scan<'_, $s> => Result<$crate::policy::FoundJob, Error>;
            /// Returns the next job; `None` at the end.
            ///
            /// # Errors
            ///
            /// What a command fails with, but for jobs that are gone meanwhile. It is the end; [`Progress::next`](crate::Progress::next) is
            /// where another scan may go on.
            "Safe: if the future is dropped, the next call goes on."
        }

        /// Jobs of an export that are put again, many at a time: [`Import::push`] each, and [`Import::finish`].
        ///
        /// A job that was buried is put with a delay of 136 years, reserved by its id and buried, so that no worker gets it in between; that
        /// takes a server from 1.12 on, and on an older one such jobs are not restored. If the connection breaks meanwhile, it may stay
        /// delayed.
        ///
        /// Each job is restored, or an error names it: then it was not, unless its [`Error::lost`] is `Unknown`, which it is only if the
        /// connection broke or a reply was late. So an import that broke off is resumed with the jobs that errors named and those that were
        /// not pushed; at most those whose fate is unknown, 256 of them, can be there twice.
        ///
        /// ```no_run
        #[doc = $crate::__use!("{Client, ExportedJob, import}")]
        ///
        #[doc = $crate::__fallible!($mode "jobs: Vec<ExportedJob>")]
        #[doc = concat!("let mut client = Client::connect(\"localhost:11300\")", $crate::__await!($mode), "?;")]
        #[doc = concat!("let mut import = import(&mut client)", $crate::__await!($mode), "?;")]
        /// for job in jobs {
        ///     // One that fails, this or one before it, does not keep the others from being restored.
        #[doc = concat!("    if let Err(failed) = import.push(job)", $crate::__await!($mode), " {")]
        ///         eprintln!("{failed}");
        ///     }
        /// }
        /// let restored = loop {
        #[doc = concat!("    match import.finish()", $crate::__await!($mode), " {")]
        ///         Ok(restored) => break restored,
        ///         Err(failed) => eprintln!("{failed}"),
        ///     }
        /// };
        /// println!("{restored} jobs restored");
        /// # Ok(())
        /// # }
        /// ```
        #[derive(Debug)]
        pub struct Import<'c, $s: $($bounds)* = $stream>($crate::Import<'c, $transport<$s>>);

        impl<$s: $($bounds)*> Import<'_, $s> {
            $crate::__methods! { $mode
                /// Takes a job, and waits until there is room for another: 256 are under way at once, and 16 MiB of bodies.
                ///
                /// # Errors
                ///
                /// A job, this one or one before it, that was not restored. This one is taken nevertheless, and the import goes on.
                cancel("The job is taken when the future is polled first: if it is dropped after that, the job is restored by the next call.")
                fn push(&mut self, job: $crate::policy::ExportedJob) -> Result<(), $crate::policy::ImportError> {
                    self.0.push(job)
                }

                /// Waits until all jobs are restored, and returns how many are.
                ///
                /// # Errors
                ///
                /// A job that was not restored. Call it again, until it returns the number: other jobs may have failed, too.
                cancel("Safe: the next call goes on.")
                fn finish(&mut self) -> Result<u64, $crate::policy::ImportError> {
                    self.0.finish()
                }

                /// Returns how many jobs are restored, and how many were pushed ([`Progress::looked_at`](crate::Progress::looked_at)).
                #[must_use]
                fn progress(&self) -> $crate::policy::Progress {
                    self.0.progress()
                }
            }
        }
    };
}
