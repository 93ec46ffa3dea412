//! What values are in JSON, with the feature `serde`: programs read each other's.

use beanstalk_tests::work::counted;
use std::{fmt::Debug, num::NonZeroU32, time::Duration};

use beanstalk_driver::{
    Endpoint,
    policy::{Backoff, BuryReason, Event, JobEvent, Metrics, RetryPolicy, Verdict, WorkerEvent},
};
use beanstalk_proto::{
    Job, JobId, Lost, Priority, PutOutcome, ReleaseOutcome, Reserved, Seconds, TubeName,
    stats::{JobState, JobStats, ServerStats, TubeStats},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, from_value, json, to_value};

/// Both ways.
fn is<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T, expected: Value) {
    assert_eq!(to_value(&value).unwrap(), expected);
    assert_eq!(from_value::<T>(expected).unwrap(), value);
}

fn refused<T: DeserializeOwned + Debug>(json: Value) -> String {
    from_value::<T>(json).unwrap_err().to_string()
}

fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

#[test]
fn values_are_numbers_and_texts() {
    is(JobId(7), json!(7));
    is(Priority(0), json!(0));
    is(Seconds::from(30), json!(30));
    is(TubeName::new("emails").unwrap(), json!("emails"));
    is(endpoint("Queue.example,[::1]:1"), json!("queue.example:11300,[::1]:1"));
    is(JobState::Buried, json!("buried"));
    is(JobState::from("lent"), json!("lent"));
}

#[test]
fn what_is_invalid_is_refused_with_its_reason() {
    let error = refused::<TubeName>(json!("two words"));
    assert_eq!(error, TubeName::new("two words").unwrap_err().to_string());
    assert!(refused::<Endpoint>(json!("queue:http")).contains("is not a number from 1 to 65535"));
    assert!(refused::<Seconds>(json!(1_u64 << 32)).contains("4294967296"));
    assert!(refused::<JobStats>(json!({"pri": "high"})).contains("pri"));
    assert!(refused::<RetryPolicy>(json!({"first": -1.0})).contains("negative"));
}

#[test]
fn outcomes_are_words() {
    is(PutOutcome::Inserted(JobId(7)), json!({"inserted": 7}));
    is(PutOutcome::Buried(JobId(7)), json!({"buried": 7}));
    is(ReleaseOutcome::Released, json!("released"));
    is(Reserved::TimedOut, json!("timed_out"));
    is(Reserved::Job(Job { id: JobId(7), body: b"hi".to_vec() }), json!({"job": {"id": 7, "body": [104, 105]}}));
    is(Verdict::Done, json!("done"));
    is(Verdict::retry_after(30), json!({"retry_after": 30}));
    is(Lost::NotSent, json!("not_sent"));
}

#[test]
fn statistics_have_the_keys_of_the_protocol() {
    let body = b"---\nid: 7\ntube: \"emails\"\nstate: delayed\npri: 1024\nttr: 60\nflavour: sweet\n";
    let json = json!({"id": 7, "tube": "emails", "state": "delayed", "pri": 1024, "ttr": 60, "flavour": "sweet"});
    is(JobStats::decode(body).unwrap(), json);
    let body = b"---\nversion: \"1.10\"\nrusage-utime: 0.001234\ndraining: false\nid: 0123\n";
    let json = json!({"version": "1.10", "rusage-utime": 0.001234, "draining": false, "id": "0123"});
    is(ServerStats::decode(body).unwrap(), json);
    is(TubeStats::decode(b"---\nname: emails\n").unwrap(), json!({"name": "emails"}));
}

#[test]
fn policies_can_be_written_by_hand_and_times_are_seconds() {
    let retry: RetryPolicy = from_value(json!({"first": 0.5, "bury_after": 3})).unwrap();
    let (first, bury_after) = (Duration::from_millis(500), NonZeroU32::new(3));
    assert_eq!(retry, RetryPolicy::default().first(first).bury_after(bury_after));
    is(Backoff { first, max: Duration::from_secs(2) }, json!({"first": 0.5, "max": 2.0}));
    let metrics: Metrics = from_value(json!({"done": 2})).unwrap();
    assert_eq!(
        metrics,
        counted(|m| {
            m.done = 2;
        })
    );
    assert_eq!(to_value(metrics).unwrap()["done"], 2);
}

#[test]
fn events_name_what_happened() {
    let (server, id) = (endpoint("queue"), JobId(7));
    let event = JobEvent::Done { took: Duration::from_millis(250) };
    is(
        WorkerEvent::Job { server: server.clone(), id, event },
        json!({"kind": "job", "server": "queue:11300", "id": 7, "event": {"kind": "done", "took": 0.25}}),
    );
    let event = Event::Lost { reason: "it is gone".into() };
    is(
        WorkerEvent::Connection { server, event },
        json!({"kind": "connection", "server": "queue:11300", "event": {"kind": "lost", "reason": "it is gone"}}),
    );
    is(
        JobEvent::Buried { reason: BuryReason::Failed { attempt: 2 } },
        json!({"kind": "buried", "reason": {"failed": {"attempt": 2}}}),
    );
    is(
        Event::Retrying { attempt: 1, delay: Duration::from_secs(2) },
        json!({"kind": "retrying", "attempt": 1, "delay": 2.0}),
    );
}
