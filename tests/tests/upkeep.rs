//! Looking after tubes where a server is short of memory or others work on the same tube, with every binding.

use beanstalk_proto::{Error, JobId, Priority};
use beanstalk_tests::{
    Backend, Options, Server,
    peer::{AsyncStd, Blocking, Peer, Tokio},
    script::Script,
};

/// A server that takes every job, but has no memory to queue it.
fn short_of_memory() -> Script {
    Script::play(|remote| {
        assert_eq!(remote.line()?, "use there");
        remote.say("USING there\r\n")?;
        assert_eq!(remote.line()?, "put 7 0 60 4");
        remote.skip(6)?;
        remote.say("BURIED 33\r\n")?;
        remote.wait_for_the_end()
    })
}

macro_rules! bindings {
    ($($name:ident: $krate:ident on $peer:ty $(, $await:ident)?;)*) => {
        $(mod $name {
            use super::*;
            use $krate::{Client, Queue, kick_buried, move_jobs};

            #[test]
            fn a_job_that_is_buried_where_it_should_go_stays_where_it_was() {
                <$peer>::block_on(async {
                    let (server, scarce) = (Server::start(Backend::Embedded, Options::default()), short_of_memory());
                    let mut from = Client::connect(server.address())$(.$await)?.unwrap();
                    let mut to = Client::connect(scarce.address())$(.$await)?.unwrap();
                    from.use_tube("here")$(.$await)?.unwrap();
                    let id = from.put(7, 0, 60, "dear")$(.$await)?.unwrap().inserted().unwrap();
                    let mut told = vec![];
                    let moved = move_jobs(&mut from, "here", &mut to, "there", &Queue::ALL, |n| told.push(n))$(.$await)?;
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
                    assert_eq!(kick_buried(&mut client, "t")$(.$await)?.unwrap(), 3);
                    assert_eq!(kick_buried(&mut client, "t")$(.$await)?.unwrap(), 0);
                    assert_eq!(client.list_tube_used()$(.$await)?.unwrap(), "mine");
                    let stats = client.stats_tube("t")$(.$await)?.unwrap();
                    assert_eq!((stats.current_jobs_ready, stats.current_jobs_delayed), (Some(3), Some(1)));
                    // The statistics themselves are a bound that leaves delayed jobs alone.
                    client.use_tube("t")$(.$await)?.unwrap();
                    assert_eq!(client.kick(stats.current_jobs_buried)$(.$await)?.unwrap(), 0);
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
