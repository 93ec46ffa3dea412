//! Looking after tubes where a server is short of memory or others work on the same tube, with every binding.

use std::{
    ops::ControlFlow,
    sync::mpsc::{self, Receiver},
};

use beanstalk_proto::{
    Error, JobId, Priority,
    stats::{JobState, ServerStats},
};
use beanstalk_tests::{
    Backend, Options, Server, adapter,
    peer::{AsyncStd, Blocking, Peer, Tokio},
    proxy::Proxy,
    script::Script,
    watchdog,
};

/// A server that takes every job, but has no memory to queue it.
fn short_of_memory() -> Script {
    Script::play(|remote| {
        assert_eq!(remote.line()?, "list-tube-used");
        remote.send("USING mine\r\n")?;
        assert_eq!(remote.line()?, "use there");
        remote.send("USING there\r\n")?;
        assert_eq!(remote.line()?, "put 7 0 60 4");
        remote.skip(6)?;
        remote.send("BURIED 33\r\n")?;
        assert_eq!(remote.line()?, "use mine");
        remote.send("USING mine\r\n")?;
        remote.wait_for_the_end()
    })
}

/// A server with one job that is buried, has these statistics, and cannot be deleted. It hands on each line that it is sent.
fn with_one_job(stats: &'static str) -> (Script, Receiver<String>) {
    let (tell, told) = mpsc::channel();
    let script = Script::play(move |remote| {
        loop {
            let line = remote.line()?;
            let reply = match line.as_str() {
                "list-tube-used" | "use t" => "USING t\r\n".to_string(),
                "peek-buried" | "peek 7" => "FOUND 7 1\r\nx\r\n".to_string(),
                "stats-job 7" => format!("OK {}\r\n{stats}\r\n", stats.len()),
                "reserve-job 7" => "RESERVED 7 1\r\nx\r\n".to_string(),
                "delete 7" => "OUT_OF_MEMORY\r\n".to_string(),
                "bury 7 3" => "BURIED\r\n".to_string(),
                _ => "NOT_FOUND\r\n".to_string(),
            };
            let _ = tell.send(line);
            remote.send(reply)?;
        }
    });
    (script, told)
}

/// A server that gives ids from the far end of what an id can be.
fn far_on() -> Script {
    Script::play(|remote| {
        loop {
            let line = remote.line()?;
            let reply = match line.split_once(' ').unwrap_or((&line, "")) {
                ("use", tube) => format!("USING {tube}\r\n"),
                ("list-tube-used", _) => "USING mine\r\n".to_string(),
                ("put", _) => {
                    remote.skip(2)?;
                    format!("INSERTED {}\r\n", u64::MAX)
                }
                ("delete", _) => "DELETED\r\n".to_string(),
                _ => "NOT_FOUND\r\n".to_string(),
            };
            remote.send(reply)?;
        }
    })
}

macro_rules! bindings {
    ($($name:ident: $krate:ident on $peer:ty $(, $await:ident)?;)*) => {
        $(mod $name {
            use super::*;
            use $krate::{Client, ExportedJob, JobFilter, Queue, ScanOptions, clear_tube, kick_buried, move_jobs, scan};

            #[test]
            fn a_job_that_is_buried_where_it_should_go_stays_where_it_was() {
                <$peer>::block_on(async {
                    let (server, scarce) = (Server::start(Backend::Embedded, Options::default()), short_of_memory());
                    let mut from = Client::connect(server.address())$(.$await)?.unwrap();
                    let mut to = Client::connect(scarce.address())$(.$await)?.unwrap();
                    from.use_tube("here")$(.$await)?.unwrap();
                    let id = from.put(7, 0, 60, "dear")$(.$await)?.unwrap().inserted().unwrap();
                    let mut told = vec![];
                    let jobs = JobFilter::all().on_progress(|so_far| {
                        told.push(so_far.done);
                        ControlFlow::Continue(())
                    });
                    let moved = move_jobs(&mut from, "here", &mut to, "there", jobs)$(.$await)?;
                    let error = moved.expect_err("the job was not moved");
                    assert!(matches!(&error, Error::Buried(buried) if buried.id == Some(JobId(33))), "{error:?}");
                    assert!(error.to_string().starts_with("job 33 was buried"), "{error}");
                    assert!(told.is_empty() && !error.is_fatal() && error.lost().is_none());
                    let job = from.peek_ready()$(.$await)?.unwrap();
                    assert_eq!((job.id, job.text()), (id, Ok("dear")));
                    assert_eq!(from.stats_job(id)$(.$await)?.unwrap().pri, Some(Priority(7)));
                });
            }

            #[test]
            fn a_tube_is_not_moved_to_itself_by_whichever_address() {
                let _bound = watchdog::bound();
                <$peer>::block_on(async {
                    for server in adapter::servers() {
                        let by_another = Proxy::start(server.address(), 0).unwrap();
                        by_another.calm_down();
                        let mut from = Client::connect(server.address())$(.$await)?.unwrap();
                        let mut to = Client::connect(by_another.address())$(.$await)?.unwrap();
                        from.use_tube("t")$(.$await)?.unwrap();
                        let id = from.put(7, 0, 60, "x")$(.$await)?.unwrap().inserted().unwrap();
                        let error = move_jobs(&mut from, "t", &mut to, "t", JobFilter::all())$(.$await)?.expect_err("it is refused");
                        let why = "to_tube: the jobs of tube t would be moved to where they are, without end";
                        assert_eq!(error.to_string(), why);
                        assert_eq!(from.stats_job(id)$(.$await)?.unwrap().reserves, Some(0));
                        let elsewhere = Server::start(Backend::Embedded, Options::default());
                        let mut to = Client::connect(elsewhere.address())$(.$await)?.unwrap();
                        assert_eq!(move_jobs(&mut from, "t", &mut to, "t", JobFilter::all())$(.$await)?.unwrap(), 1);
                    }
                });
            }

            #[test]
            fn a_job_is_neither_moved_nor_exported_without_what_it_has_to_keep() {
                let _bound = watchdog::bound();
                <$peer>::block_on(async {
                    for (missing, stats) in [
                        ("pri", "---\nid: 7\ntube: t\nstate: buried\nttr: 5\n"),
                        ("ttr", "---\nid: 7\ntube: t\nstate: buried\npri: 3\n"),
                    ] {
                        let (script, _) = with_one_job(stats);
                        let server = Server::start(Backend::Embedded, Options::default());
                        let mut from = Client::connect(script.address())$(.$await)?.unwrap();
                        let mut to = Client::connect(server.address())$(.$await)?.unwrap();
                        let error = move_jobs(&mut from, "t", &mut to, "u", JobFilter::all())$(.$await)?.unwrap_err();
                        assert_eq!(error.to_string(), format!("stats-job 7: there is no {missing}"));
                        assert_eq!(to.stats()$(.$await)?.unwrap().cmd_put, Some(0));
                        let mut jobs = scan(&mut from, ScanOptions::new().range(&(JobId(7)..=JobId(7))))$(.$await)?.unwrap();
                        let job = jobs.next()$(.$await)?.unwrap().unwrap();
                        let error = ExportedJob::new(job).unwrap_err();
                        assert_eq!(error.to_string(), format!("stats-job 7: there is no {missing}"));
                    }
                });
            }

            #[test]
            fn a_job_that_cannot_be_deleted_where_it_was_is_given_back_as_it_was() {
                let _bound = watchdog::bound();
                <$peer>::block_on(async {
                    let (script, told) = with_one_job("---\nid: 7\ntube: t\nstate: buried\npri: 3\nttr: 5\n");
                    let server = Server::start(Backend::Embedded, Options::default());
                    let mut from = Client::connect(script.address())$(.$await)?.unwrap();
                    let mut to = Client::connect(server.address())$(.$await)?.unwrap();
                    let error = move_jobs(&mut from, "t", &mut to, "u", JobFilter::all())$(.$await)?.unwrap_err();
                    assert!(error.to_string().starts_with("delete 7: OUT_OF_MEMORY"), "{error}");
                    assert!(told.try_iter().any(|line| line == "bury 7 3"), "it is buried again");
                    assert!(to.stats()$(.$await)?.unwrap().current_jobs_buried > Some(0), "and there, too");
                });
            }

            #[test]
            fn ids_that_have_come_further_than_can_be_looked_at_are_an_error_and_not_a_scan_without_end() {
                let _bound = watchdog::bound();
                <$peer>::block_on(async {
                    let server = far_on();
                    let mut client = Client::connect(server.address())$(.$await)?.unwrap();
                    let too_far = "range: the server's ids have come to 18446744073709551614, and every one from";
                    let error = scan(&mut client, ScanOptions::new())$(.$await)?.map(drop).expect_err("a scan");
                    assert!(error.to_string().starts_with(too_far) && !error.is_fatal(), "{error}");
                    let some = JobFilter::all().matching(|_| true);
                    let error = clear_tube(&mut client, "t", some)$(.$await)?.expect_err("a scan");
                    assert!(error.to_string().starts_with(too_far) && !error.is_fatal(), "{error}");
                    // Where it begins near the end, there is one.
                    let last = ScanOptions::new().from(JobId(u64::MAX - 2));
                    let mut jobs = scan(&mut client, last)$(.$await)?.unwrap();
                    assert_eq!(jobs.progress().ahead, Some(2));
                    assert!(jobs.next()$(.$await)?.is_none());
                });
            }

            #[test]
            fn a_scan_of_the_last_ids_there_are_knows_how_many_are_ahead() {
                <$peer>::block_on(async {
                    let server = Server::start(Backend::Embedded, Options::default());
                    let mut client = Client::connect(server.address())$(.$await)?.unwrap();
                    let last = ScanOptions::new().from(JobId(u64::MAX - 2)).to(JobId(u64::MAX));
                    let mut jobs = scan(&mut client, last)$(.$await)?.unwrap();
                    assert_eq!(jobs.progress().ahead, Some(3));
                    assert!(jobs.next()$(.$await)?.is_none());
                    assert_eq!(jobs.progress().ahead, Some(0));
                });
            }

            #[test]
            fn what_is_buried_is_kicked_and_nothing_that_is_delayed() {
                <$peer>::block_on(async {
                    let server = Server::start(Backend::Embedded, Options::default());
                    let mut client = Client::connect(server.address())$(.$await)?.unwrap();
                    client.use_tube("t")$(.$await)?.unwrap();
                    client.put(0, 3600, 60, "delayed")$(.$await)?.unwrap().inserted().unwrap();
                    for _ in 0..3 {
                        let id = client.put(0, 0, 60, "x")$(.$await)?.unwrap().inserted().unwrap();
                        client.reserve_job(id)$(.$await)?.unwrap();
                        client.bury(id, 0)$(.$await)?.unwrap();
                    }
                    client.use_tube("mine")$(.$await)?.unwrap();
                    assert_eq!(kick_buried(&mut client, "t", JobFilter::all())$(.$await)?.unwrap(), 3);
                    assert_eq!(kick_buried(&mut client, "t", JobFilter::all())$(.$await)?.unwrap(), 0);
                    assert_eq!(client.list_tube_used()$(.$await)?.unwrap(), "mine");
                    let stats = client.stats_tube("t")$(.$await)?.unwrap();
                    assert_eq!((stats.current_jobs_ready, stats.current_jobs_delayed), (Some(3), Some(1)));
                    // The statistics themselves are a bound that leaves delayed jobs alone.
                    client.use_tube("t")$(.$await)?.unwrap();
                    assert_eq!(client.kick(stats.current_jobs_buried)$(.$await)?.unwrap(), 0);
                });
            }

            #[test]
            fn a_scan_finds_every_job_in_every_state_and_touches_none() {
                let _bound = watchdog::bound();
                <$peer>::block_on(async {
                    for server in adapter::servers() {
                        let mut client = Client::connect(server.address())$(.$await)?.unwrap();
                        let mut other = Client::connect(server.address())$(.$await)?.unwrap();
                        let states = [JobState::Ready, JobState::Delayed, JobState::Reserved, JobState::Buried];
                        for n in 0..40_u32 {
                            client.use_tube(if n % 8 < 4 { "t" } else { "u" })$(.$await)?.unwrap();
                            let delay = if n % 4 == 1 { 3600 } else { 0 };
                            let id = client.put(n, delay, 60, format!("\r\n{n}"))$(.$await)?.unwrap().inserted().unwrap();
                            if n % 4 >= 2 {
                                other.reserve_job(id)$(.$await)?.unwrap();
                            }
                            if n % 4 == 3 {
                                other.bury(id, n)$(.$await)?.unwrap();
                            }
                        }
                        client.use_tube("mine")$(.$await)?.unwrap();
                        let before = client.stats()$(.$await)?.unwrap();
                        let mut jobs = scan(&mut client, ScanOptions::new())$(.$await)?.unwrap();
                        assert_eq!(jobs.progress().ahead, Some(40));
                        for n in 0..40_u32 {
                            let job = jobs.next()$(.$await)?.unwrap().unwrap();
                            assert_eq!(job.tube, if n % 8 < 4 { "t" } else { "u" });
                            assert_eq!(job.state, states[n as usize % 4]);
                            assert_eq!(job.stats.pri, Some(Priority(n)));
                            assert_eq!(job.body, Some(format!("\r\n{n}").into_bytes()));
                            assert_eq!(jobs.progress().next, Some(JobId(job.id.0 + 1)));
                        }
                        assert!(jobs.next()$(.$await)?.is_none());
                        assert_eq!((jobs.progress().done, jobs.progress().ahead), (40, Some(0)));
                        drop(jobs);
                        // From where another has left off, of one tube, of some queues, without bodies.
                        let some = ScanOptions::new().tube("u").unwrap().queues(&[Queue::Buried]).bodies(false).from(JobId(9));
                        let mut jobs = scan(&mut client, some)$(.$await)?.unwrap();
                        let mut ids = vec![];
                        while let Some(job) = jobs.next()$(.$await)? {
                            let job = job.unwrap();
                            assert_eq!(job.body, None);
                            ids.push(job.id.0);
                        }
                        drop(jobs);
                        assert_eq!(ids, [16, 24, 32, 40]);
                        assert_eq!(client.list_tube_used()$(.$await)?.unwrap(), "mine");
                        let after = client.stats()$(.$await)?.unwrap();
                        let counts = |stats: &ServerStats| {
                            [stats.current_jobs_ready, stats.current_jobs_delayed, stats.current_jobs_reserved, stats.current_jobs_buried]
                        };
                        assert_eq!(counts(&before), counts(&after));
                    }
                });
            }

            #[test]
            fn jobs_are_picked_by_what_they_are_and_hold() {
                let _bound = watchdog::bound();
                <$peer>::block_on(async {
                    for server in adapter::servers() {
                        let mut client = Client::connect(server.address())$(.$await)?.unwrap();
                        client.use_tube("t")$(.$await)?.unwrap();
                        for n in 0..20_u32 {
                            client.put(n, 0, 60, format!("{}", n % 5))$(.$await)?.unwrap().inserted().unwrap();
                        }
                        let urgent = JobFilter::all().matching(|job| job.stats.pri < Some(Priority(5)));
                        assert_eq!(clear_tube(&mut client, "t", urgent)$(.$await)?.unwrap(), 5);
                        let twos = JobFilter::all().matching_with_body(|job| job.body.as_deref() == Some(b"2"));
                        assert_eq!(clear_tube(&mut client, "t", twos)$(.$await)?.unwrap(), 3);
                        let early = JobFilter::all().range(JobId(1)..=JobId(10));
                        assert_eq!(clear_tube(&mut client, "t", early)$(.$await)?.unwrap(), 4);
                        assert_eq!(clear_tube(&mut client, "other", &Queue::ALL)$(.$await)?.unwrap(), 0);
                        assert_eq!(client.stats_tube("t")$(.$await)?.unwrap().current_jobs_ready, Some(8));
                    }
                });
            }
        })*
    };
}

bindings! {
    blocking: beanstalk_sync on Blocking;
    tokio: beanstalk_tokio on Tokio, await;
    async_std: beanstalk_async_std on AsyncStd, await;
}
