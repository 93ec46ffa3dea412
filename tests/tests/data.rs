//! What values are in JSON, with the feature `serde`: programs read each other's.

use std::{any::type_name, collections::BTreeSet, fmt::Debug, fs, num::NonZeroU32, path::Path, time::Duration};

use beanstalk_driver::{
    Endpoint, JobDetails, Node,
    policy::{
        Backoff, BuryReason, Event, ExportedJob, FoundJob, JobEvent, Metrics, Placed, Progress, Queue, RetryPolicy,
        ServerId, SessionConfig, SharedConfig, Verdict, WorkerEvent,
    },
};
use beanstalk_proto::{
    Bound, Job, JobId, Lost, Priority, PutOutcome, ReleaseOutcome, Reserved, Seconds, TubeName,
    stats::{JobState, JobStats, ServerStats, TubeStats},
};
use beanstalk_tests::work::counted;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, from_value, json, to_value};

/// The types that were tried.
#[derive(Default)]
struct Table(BTreeSet<&'static str>);

impl Table {
    /// A value, and what it is in JSON, both ways.
    fn is<T: Serialize + DeserializeOwned + PartialEq + Debug>(&mut self, value: T, expected: Value) {
        assert_eq!(to_value(&value).unwrap(), expected);
        assert_eq!(self.read::<T>(expected), value);
    }

    /// What is read of this, and written in the same way again.
    fn read<T: Serialize + DeserializeOwned>(&mut self, json: Value) -> T {
        self.0.extend(type_name::<T>().rsplit("::").next());
        let value = from_value::<T>(json.clone()).unwrap();
        assert_eq!(to_value(&value).unwrap(), json);
        value
    }
}

/// The types below this directory that can be written.
fn types_with_serde(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            types_with_serde(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let mut derives = false;
        for line in text.lines() {
            derives |= line.contains("derive(serde::Serialize");
            let words: Vec<_> = line.split(|letter: char| !letter.is_alphanumeric()).collect();
            match words[..] {
                ["pub", "struct" | "enum", name, ..] if std::mem::take(&mut derives) => {
                    found.extend([name.to_string()]);
                }
                ["impl", "Serialize", "for", name, ..] => found.extend([name.to_string()]),
                _ => {}
            }
        }
    }
}

fn refused<T: DeserializeOwned + Debug>(json: Value) -> String {
    from_value::<T>(json).unwrap_err().to_string()
}

fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

#[test]
fn every_value_is_the_same_again() {
    let table = &mut Table::default();
    numbers_and_texts(table);
    outcomes(table);
    statistics_have_the_keys_of_the_protocol(table);
    policies(table);
    upkeep(table);
    events(table);
    let mut found = BTreeSet::from(["JobStats", "ServerStats", "TubeStats"].map(str::to_string));
    for source in ["beanstalk-proto/src", "beanstalk-driver/src"] {
        types_with_serde(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(source), &mut found);
    }
    // Which reads and writes the values of statistics.
    found.remove("Scalar");
    let tried: BTreeSet<_> = table.0.iter().map(ToString::to_string).collect();
    assert_eq!(tried, found, "what was tried, and what can be written");
}

fn numbers_and_texts(table: &mut Table) {
    table.is(JobId(7), json!(7));
    table.is(Priority(0), json!(0));
    table.is(Bound(5), json!(5));
    table.is(Seconds::from(30), json!(30));
    table.is(TubeName::new("emails").unwrap(), json!("emails"));
    table.is(endpoint("Queue.example,[::1]:1"), json!("queue.example:11300,[::1]:1"));
    let nodes = endpoint("Queue.example,[::1]:1,unix:/run/queue.sock");
    for (node, text) in nodes.nodes().iter().zip(["queue.example:11300", "[::1]:1", "unix:/run/queue.sock"]) {
        table.is::<Node>(node.clone(), json!(text));
    }
    table.is(JobState::Buried, json!("buried"));
    table.is(JobState::from("lent"), json!("lent"));
    table.read::<ServerId>(json!(3));
    table.read::<Placed>(json!({"server": 3, "id": 7}));
}

fn outcomes(table: &mut Table) {
    table.is(PutOutcome::Inserted(JobId(7)), json!({"inserted": 7}));
    table.is(PutOutcome::Buried(JobId(7)), json!({"buried": 7}));
    table.is(ReleaseOutcome::Released, json!("released"));
    table.is(ReleaseOutcome::Buried, json!("buried"));
    table.is(Reserved::TimedOut, json!("timed_out"));
    table.is(Reserved::DeadlineSoon, json!("deadline_soon"));
    let job = || Job { id: JobId(7), body: b"hi".to_vec() };
    table.is(job(), json!({"id": 7, "body": [104, 105]}));
    table.is(Reserved::Job(job()), json!({"job": {"id": 7, "body": [104, 105]}}));
    for (verdict, word) in [(Verdict::Done, "done"), (Verdict::Failed, "failed"), (Verdict::Bury, "bury")] {
        table.is(verdict, json!(word));
    }
    table.is(Verdict::retry_after(30), json!({"retry_after": 30}));
    table.is(Lost::NotSent, json!("not_sent"));
    table.is(Lost::Unknown, json!("unknown"));
}

fn statistics_have_the_keys_of_the_protocol(table: &mut Table) {
    let body = b"---\nid: 7\ntube: \"emails\"\nstate: delayed\npri: 1024\nttr: 60\nflavour: sweet\n";
    let json = json!({"id": 7, "tube": "emails", "state": "delayed", "pri": 1024, "ttr": 60, "flavour": "sweet"});
    let stats = JobStats::decode(body).unwrap();
    table.is(stats.extra.clone(), json!({"flavour": "sweet"}));
    table.is(stats, json);
    let body = b"---\nversion: \"1.10\"\nrusage-utime: 0.001234\ndraining: false\nid: 0123\n";
    let json = json!({"version": "1.10", "rusage-utime": 0.001234, "draining": false, "id": "0123"});
    table.is(ServerStats::decode(body).unwrap(), json);
    table.is(TubeStats::decode(b"---\nname: emails\n").unwrap(), json!({"name": "emails"}));
    let details = json!({"attempt": 2, "priority": 7, "age": 1.5, "ttr": 60.0, "tube": "emails"});
    table.read::<JobDetails>(details);
}

fn policies(table: &mut Table) {
    let backoff = || Backoff { first: Duration::from_millis(500), max: Duration::from_secs(2) };
    table.is(backoff(), json!({"first": 0.5, "max": 2.0}));
    let retry = RetryPolicy::default().bury_after(NonZeroU32::new(3));
    let json = to_value(retry).unwrap();
    assert_eq!((&json["bury_after"], &json["first"]), (&json!(3), &json!(1.0)));
    table.is(retry, json);
    let (backoff, ever) = (json!({"first": 0.5, "max": 2.0}), (backoff(), Duration::from_millis(1500)));
    let session = SessionConfig::default().reconnect(ever.0).patience(ever.1);
    table.is(session, json!({"reconnect": backoff, "patience": 1.5}));
    table.is(session.reconnect(None).patience(None), json!({"reconnect": null, "patience": null}));
    table.is(
        SharedConfig::default().reconnect(ever.0).patience(None).waiting(5, 1000).repeat_puts(true),
        json!({"reconnect": backoff, "patience": null, "waiting": 5, "waiting_bytes": 1000, "repeat_puts": true}),
    );
    let metrics = counted(|m| (m.reserved, m.done, m.too_big) = (9, 2, 1));
    let json = to_value(metrics).unwrap();
    assert_eq!((&json["reserved"], &json["done"], &json["too_big"]), (&json!(9), &json!(2), &json!(1)));
    table.is(metrics, json);
}

fn upkeep(table: &mut Table) {
    for (queue, word) in [(Queue::Ready, "ready"), (Queue::Delayed, "delayed"), (Queue::Buried, "buried")] {
        table.is(queue, json!(word));
    }
    let stats = json!({"id": 7, "tube": "emails", "state": "ready", "pri": 9});
    table.read::<FoundJob>(json!({"id": 7, "tube": "emails", "state": "ready", "stats": stats, "body": [104, 105]}));
    table.read::<Progress>(json!({"done": 3, "looked_at": 9, "ahead": 1, "next": null}));
    let exported = json!({
        "id": 7, "tube": "emails", "state": "delayed", "priority": 9, "delay": 30.0, "ttr": 60.0, "body": [104, 105]
    });
    let exported = table.read::<ExportedJob>(exported);
    let mut out = Vec::new();
    exported.encode(&mut out);
    assert_eq!(out, b"job 7 delayed 9 30 60 emails 2\nhi\n");
}

fn events(table: &mut Table) {
    let (server, id) = (endpoint("queue"), JobId(7));
    let seconds = Duration::from_secs_f64;
    for (event, json) in [
        (JobEvent::Reserved, json!({"kind": "reserved"})),
        (JobEvent::Failed { reason: "why".into() }, json!({"kind": "failed", "reason": "why"})),
        (JobEvent::Panicked { reason: "why".into() }, json!({"kind": "panicked", "reason": "why"})),
        (JobEvent::TimedOut { after: seconds(1.5) }, json!({"kind": "timed_out", "after": 1.5})),
        (JobEvent::Malformed { reason: "why".into() }, json!({"kind": "malformed", "reason": "why"})),
        (JobEvent::TooBig { bytes: 9, limit: 8 }, json!({"kind": "too_big", "bytes": 9, "limit": 8})),
        (JobEvent::Done { took: seconds(0.25) }, json!({"kind": "done", "took": 0.25})),
        (JobEvent::Retried { attempt: 1, delay: 5.into() }, json!({"kind": "retried", "attempt": 1, "delay": 5})),
        (
            JobEvent::Moved { tube: TubeName::new("dead").unwrap(), id: JobId(8) },
            json!({"kind": "moved", "tube": "dead", "id": 8}),
        ),
        (JobEvent::Lost, json!({"kind": "lost"})),
        (JobEvent::Returned, json!({"kind": "returned"})),
    ] {
        table.is(event.clone(), json.clone());
        table.is(
            WorkerEvent::Job { server: server.clone(), id, event },
            json!({"kind": "job", "server": "queue:11300", "id": 7, "event": json}),
        );
    }
    for (reason, json) in [
        (BuryReason::Handler, json!("handler")),
        (BuryReason::Failed { attempt: 2 }, json!({"failed": {"attempt": 2}})),
        (BuryReason::OutOfMemory, json!("out_of_memory")),
        (BuryReason::TooBig, json!("too_big")),
        (BuryReason::Malformed, json!("malformed")),
    ] {
        table.is(reason, json.clone());
        table.is(JobEvent::Buried { reason }, json!({"kind": "buried", "reason": json}));
    }
    for (event, json) in [
        (Event::Connected, json!({"kind": "connected"})),
        (Event::Restored, json!({"kind": "restored"})),
        (Event::Lost { reason: "it is gone".into() }, json!({"kind": "lost", "reason": "it is gone"})),
        (Event::Refused { reason: "no".into() }, json!({"kind": "refused", "reason": "no"})),
        (Event::Retrying { attempt: 1, delay: seconds(2.0) }, json!({"kind": "retrying", "attempt": 1, "delay": 2.0})),
        (Event::Ended, json!({"kind": "ended"})),
    ] {
        table.is(event.clone(), json.clone());
        table.is(
            WorkerEvent::Connection { server: server.clone(), event },
            json!({"kind": "connection", "server": "queue:11300", "event": json}),
        );
    }
    table.is(
        WorkerEvent::SlotEnded { server, slot: 2 },
        json!({"kind": "slot_ended", "server": "queue:11300", "slot": 2}),
    );
}

#[test]
fn what_is_invalid_is_refused_with_its_reason() {
    let error = refused::<TubeName>(json!("two words"));
    assert_eq!(error, TubeName::new("two words").unwrap_err().to_string());
    assert!(refused::<Endpoint>(json!("queue:http")).contains("is not a number from 1 to 65535"));
    assert!(refused::<Seconds>(json!(1_u64 << 32)).contains("4294967296"));
    assert!(refused::<JobStats>(json!({"pri": "high"})).contains("pri"));
    assert!(refused::<RetryPolicy>(json!({"first": -1.0})).contains("negative"));
    assert!(refused::<SessionConfig>(json!({"patience": -1.0})).contains("negative"));
    for text in ["a,b", "beanstalks://a"] {
        assert!(refused::<Node>(json!(text)).contains("is not one node without a scheme"), "{text}");
    }
}

#[test]
fn configurations_can_be_written_by_hand_and_times_are_seconds() {
    let retry: RetryPolicy = from_value(json!({"first": 0.5, "bury_after": 3})).unwrap();
    let (first, bury_after) = (Duration::from_millis(500), NonZeroU32::new(3));
    assert_eq!(retry, RetryPolicy::default().first(first).bury_after(bury_after));
    let session: SessionConfig = from_value(json!({"patience": 0.5})).unwrap();
    assert_eq!(session, SessionConfig::default().patience(first));
    let shared: SharedConfig = from_value(json!({"reconnect": {"max": 5}, "waiting": 7})).unwrap();
    let backoff = Backoff { max: Duration::from_secs(5), ..Backoff::default() };
    assert_eq!((shared.reconnect, shared.waiting), (Some(backoff), 7));
    let metrics: Metrics = from_value(json!({"done": 2})).unwrap();
    assert_eq!(metrics, counted(|m| m.done = 2));
}
