//! Several requests on their way at once.

use beanstalk_proto::{
    ArgumentError, Command, CommandError, DecodeError, Delete, Encoder, Error, Expect, JobId, Kind, ListTubeUsed,
    Priority, Put, Raw, Reply, Request, Reserve, ReserveWithTimeout, Reserved, Stats, StatsJob, TubeName, Use, Watch,
};

use crate::{peer::Peer, session::Stage};

pub async fn replies_can_be_taken_in_any_order<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let first = client.send(Put::of("first")).await.unwrap();
    let tube = client.send(Use::new("t")).await.unwrap();
    let missing = client.send(StatsJob::new(99)).await.unwrap();
    let watched = client.send(Watch::new("t")).await.unwrap();
    let second = client.send(Put::of("second")).await.unwrap();
    assert_eq!(client.reply(second).await.unwrap().id(), JobId(2));
    assert_eq!(client.reply(watched).await.unwrap(), 2);
    client.reply(tube).await.unwrap();
    assert_eq!(client.reply(first).await.unwrap().id(), JobId(1));
    assert_eq!(client.reply(missing).await.unwrap_err().command_error(), Some(CommandError::NotFound));
    assert_eq!(client.list_tube_used().await.unwrap(), "t");
}

pub async fn two_requests_together_get_a_result_each<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    for body in ["one", "two"] {
        client.call(Put::of(body)).await.unwrap().inserted().unwrap();
    }
    let first = client.reserve().await.unwrap().job().unwrap();
    let (deleted, next) = client.call_both(Delete::new(first.id), Reserve::new()).await.unwrap();
    deleted.unwrap();
    let second = next.unwrap().job().unwrap();
    assert_eq!((second.id, second.text().unwrap()), (JobId(2), "two"));
    // A refusal of the one says nothing of the other.
    let (deleted, next) = client.call_both(Delete::new(first.id), ReserveWithTimeout::new(0)).await.unwrap();
    assert_eq!(deleted.unwrap_err().command_error(), Some(CommandError::NotFound));
    assert_eq!(next.unwrap(), Reserved::TimedOut);
    let (deleted, refused) = client.call_both(Delete::new(second.id), Use::new("no good")).await.unwrap();
    deleted.unwrap();
    assert!(matches!(refused.unwrap_err(), Error::Argument(_)));
    // What keeps the first from being sent keeps both.
    let error = client.call_both(Use::new("no good"), Put::of("three")).await.unwrap_err();
    assert!(matches!(error, Error::Argument(_)), "{error}");
    assert_eq!(client.call(Stats::new()).await.unwrap().total_jobs, Some(2));
}

pub async fn a_request_is_with_the_server_once_send_returns<P: Peer>(stage: &Stage) {
    let mut producer = stage.connect::<P>().await;
    let mut worker = stage.connect::<P>().await;
    let ticket = producer.send(Put::of("x")).await.unwrap();
    // Nobody drives the producer's connection any more, and its job arrives nevertheless.
    let job = worker.reserve().await.unwrap().job().unwrap();
    assert_eq!(producer.reply(ticket).await.unwrap().id(), job.id);
}

pub async fn mixed_commands_get_a_result_each_and_a_refusal_disturbs_none<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let tube: TubeName = "mixed".parse().unwrap();
    let put = |bytes| Command::Put { priority: Priority(0), delay: 0, ttr: 60, body: vec![b'x'; bytes] };
    let commands = vec![
        Command::Use { tube: tube.clone() },
        put(3),
        put(65536),
        Command::Delete { id: JobId(77) },
        Command::Ignore { tube: TubeName::default() },
        Command::Watch { tube: tube.clone() },
        Command::ReserveWithTimeout { timeout: 0 },
        Command::Delete { id: JobId(1) },
        Command::ListTubeUsed,
    ];
    let job = beanstalk_proto::Job { id: JobId(1), body: b"xxx".to_vec() };
    let wanted = [
        Ok(Reply::Using(tube.clone())),
        Ok(Reply::Inserted(JobId(1))),
        Err(CommandError::JobTooBig),
        Err(CommandError::NotFound),
        Err(CommandError::NotIgnored),
        Ok(Reply::Watching(2)),
        Ok(Reply::Reserved(job)),
        Ok(Reply::Deleted),
        Ok(Reply::Using(tube)),
    ];
    let results = client.call_all(commands).await;
    assert_eq!(results.len(), wanted.len());
    for (at, (result, wanted)) in results.into_iter().zip(wanted).enumerate() {
        let result = result.map_err(|error| error.command_error().unwrap_or_else(|| panic!("{at}: {error}")));
        assert_eq!(result, wanted, "result {at}");
    }
}

pub async fn many_more_requests_than_the_window_get_their_results_in_order<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let puts: Vec<_> = (0..5000).map(|number: u32| Put::of(number.to_string())).collect();
    let results = client.call_all(puts).await;
    assert_eq!(results.len(), 5000);
    for (result, id) in results.into_iter().zip(1..) {
        assert_eq!(result.unwrap().id(), JobId(id));
    }
    assert_eq!(client.peek(5000).await.unwrap().text().unwrap(), "4999");
}

pub async fn results_that_nobody_takes_leave_the_connection_in_sync<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    for take in [0, 1, 7] {
        let puts = vec![Put::of("x"); 100];
        assert_eq!(client.call_some(puts, take).await.len(), take);
        assert_eq!(client.list_tube_used().await.unwrap(), "default");
        assert_eq!(client.watch("t").await.unwrap(), 2);
    }
}

pub async fn bodies_that_cross_in_a_deep_pipeline_all_arrive<P: Peer>(stage: &Stage) {
    const PAIRS: u64 = 400;
    const BYTES: usize = 60 * 1024;
    let mut client = stage.connect::<P>().await;
    let mut commands = Vec::new();
    for id in 1..=PAIRS {
        let body = vec![u8::try_from(id % 256).unwrap(); BYTES];
        commands.push(Command::Put { priority: Priority(0), delay: 0, ttr: 60, body });
        commands.push(Command::Peek { id: JobId(id) });
    }
    let mut results = client.call_all(commands).await.into_iter();
    for id in 1..=PAIRS {
        assert_eq!(results.next().unwrap().unwrap(), Reply::Inserted(JobId(id)));
        let Reply::Found(job) = results.next().unwrap().unwrap() else { panic!("no job {id}") };
        assert_eq!(job.id, JobId(id));
        assert!(job.body.len() == BYTES && job.body.iter().all(|&byte| u64::from(byte) == id % 256));
    }
    assert!(results.next().is_none());
}

/// A command as an application defines one.
struct UsedTube;

impl Request for UsedTube {
    type Reply = String;

    fn expect(&self) -> Expect {
        Expect::of(Kind::ListTubeUsed)
    }

    fn encode(self, encoder: &mut Encoder<'_>) -> Result<(), ArgumentError> {
        encoder.word("list-tube-used")?;
        Ok(())
    }

    fn decode(reply: Reply) -> Result<String, DecodeError> {
        match reply {
            Reply::Using(tube) => Ok(tube.to_string()),
            refusal => Err(refusal.into()),
        }
    }
}

pub async fn a_raw_command_and_one_of_our_own_work_like_the_built_in_ones<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let reply = client.call(Raw::new("put 5 0 60").body("raw\r\n")).await.unwrap();
    assert_eq!(reply, Reply::Inserted(JobId(1)));
    let Reply::Reserved(job) = client.call(Raw::new("reserve-with-timeout 0")).await.unwrap() else { panic!("no job") };
    assert_eq!(job.body, b"raw\r\n");
    assert_eq!(client.call(Raw::new("delete 1")).await.unwrap(), Reply::Deleted);
    assert_eq!(client.call(UsedTube).await.unwrap(), "default");
    let tube = client.send(ListTubeUsed::new()).await.unwrap();
    let ours = client.send(UsedTube).await.unwrap();
    assert_eq!(client.reply(ours).await.unwrap(), "default");
    assert_eq!(client.reply(tube).await.unwrap(), "default");
    // A raw reserve is one like any other: what it brings is ours.
    let ticket = client.send(Reserve::new()).await.unwrap();
    let mut other = stage.connect::<P>().await;
    other.put(0, 0, 60, "x").await.unwrap().inserted().unwrap();
    assert!(matches!(client.reply(ticket).await.unwrap(), Reserved::Job(_)));
}
