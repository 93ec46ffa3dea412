//! What can be given as an argument, on every kind of client: what must compile does so here, and what does not compile is an error that names
//! what to write instead.

use std::{borrow::Cow, sync::Arc, time::Duration};

use beanstalk_driver::policy::Verdict;
use beanstalk_proto::{
    ArgumentError, Bound, Priority, Seconds, TubeName,
    stats::{ServerStats, TubeStats},
};
use beanstalk_tests::compiler::compile_errors;

/// Literals need no suffix, up to the largest number that the command can say; statistics can be given as they are.
macro_rules! compiles {
    ($name:ident($client:ty, $producer:ty) $($await:tt)*) => {
        #[allow(dead_code, reason = "that it compiles is all")]
        async fn $name(client: &mut $client, producer: &mut $producer, stats: ServerStats) -> Result<(), beanstalk_proto::Error> {
            client.put(4294967295, 4294967295, 4294967295, "text")$($await)*?.inserted()?;
            client.put(Priority(0), Duration::from_millis(1), Seconds::try_from(60_u64)?, b"bytes")$($await)*?.inserted()?;
            client.put(0, 0, 60, [1_u8, 2])$($await)*?.inserted()?;
            client.put(0, 0, 60, Box::<[u8]>::from([1, 2]))$($await)*?.inserted()?;
            client.put(0, 0, 60, Arc::<[u8]>::from([1, 2]))$($await)*?.inserted()?;
            client.put(0, 0, 60, Cow::Borrowed("text"))$($await)*?.inserted()?;
            let _job = client.reserve_with_timeout(2147483647)$($await)*?.job();
            client.delete(18446744073709551615)$($await)*?;
            client.release(1, 4294967295, 4294967295)$($await)*?.released()?;
            client.kick(4294967295)$($await)*?;
            client.kick(stats.current_jobs_buried)$($await)*?;
            client.kick(Bound::up_to(stats.current_jobs_buried.unwrap_or(0)))$($await)*?;
            client.use_tube(String::from("tube"))$($await)*?;
            client.watch(TubeName::default())$($await)*?;
            producer.put(4294967295, 4294967295, 4294967295, vec![0])$($await)*?.1.inserted()?;
            producer.put_keyed("key", 0, Duration::ZERO, Seconds::try_from(60_u64)?, "x")$($await)*?.1.inserted()?;
            Ok(())
        }
    };
}

compiles!(blocking(beanstalk_sync::Client, beanstalk_sync::Producer));
compiles!(blocking_session(beanstalk_sync::Session, beanstalk_sync::Producer));
compiles!(tokio(beanstalk_tokio::Client, beanstalk_tokio::Producer).await);
compiles!(tokio_session(beanstalk_tokio::Session, beanstalk_tokio::Producer).await);
compiles!(async_std(beanstalk_async_std::Client, beanstalk_async_std::Producer).await);
compiles!(async_std_session(beanstalk_async_std::Session, beanstalk_async_std::Producer).await);

#[test]
fn a_wider_number_is_converted_or_refused_with_its_limit() {
    let _bound = beanstalk_watchdog::bound();
    let limit = u64::from(u32::MAX);
    assert_eq!(Priority::try_from(limit), Ok(Priority::LEAST_URGENT));
    assert_eq!(Seconds::try_from(limit).map(Seconds::get), Ok(limit));
    assert_eq!(Bound::try_from(limit), Ok(Bound(u32::MAX)));
    let messages = [
        Priority::try_from(limit + 1).map(drop),
        Seconds::try_from(limit + 1).map(drop),
        Bound::try_from(limit + 1).map(drop),
    ]
    .map(|refused| refused.map_err(|error: ArgumentError| error.to_string()));
    assert_eq!(
        messages,
        ["a priority", "a number of seconds", "a bound"]
            .map(|what| Err(format!("4294967296 is too large for {what}: the limit is 4294967295")))
    );
    assert_eq!([0, limit, limit + 1, u64::MAX].map(|jobs| Bound::up_to(jobs).0), [0, u32::MAX, u32::MAX, u32::MAX]);
}

#[test]
fn statistics_are_a_bound_and_none_where_they_are_missing() {
    let _bound = beanstalk_watchdog::bound();
    let stats = TubeStats { current_jobs_buried: Some(5_000_000_000), ..TubeStats::default() };
    assert_eq!(Bound::from(stats.current_jobs_buried), Bound(u32::MAX));
    assert_eq!(Bound::from(TubeStats::default().current_jobs_buried), Bound(0));
}

#[test]
fn a_verdict_takes_seconds_or_a_duration() {
    let _bound = beanstalk_watchdog::bound();
    let verdicts = [Verdict::retry_after(30), Verdict::retry_after(Duration::from_millis(29_001))];
    assert_eq!(verdicts, [Verdict::RetryAfter(30.into()); 2]);
}

/// Every method that a row of the command table or an adapter gives a client, with one wrong argument: what stands behind it is the
/// argument's type, and what the method takes.
const WRONG: &[(&str, &str, &str)] = &[
    ("client.put(0_u64, 0, 60, \"x\")", "u64", "Priority"),
    ("client.put(0, 0_u64, 60, \"x\")", "u64", "Seconds"),
    ("client.put(0, 0, 60_u64, \"x\")", "u64", "Seconds"),
    ("client.put(0, 0, 60, 5_u8)", "u8", "Body<'_>"),
    ("client.kick(5_u64)", "u64", "Bound"),
    ("client.kick(5_usize)", "usize", "Bound"),
    ("client.reserve_with_timeout(5_i32)", "i32", "Seconds"),
    ("client.delete(5_u32)", "u32", "JobId"),
    ("client.use_tube(5)", "{integer}", "TubeArg<'_>"),
    ("client.pause_tube(\"t\", 5_u64)", "u64", "Seconds"),
    ("producer.put(0, 0, 60_u64, \"x\")", "u64", "Seconds"),
    ("producer.put_keyed(\"k\", 0, 60_u64, 60, \"x\")", "u64", "Seconds"),
    ("session.release(5, 0_u64, 0)", "u64", "Priority"),
    ("session.next_job(5_u64)", "u64", "Seconds"),
    ("Put::of(\"x\").ttr(5_u64)", "u64", "Seconds"),
    ("Verdict::retry_after(5_u64)", "u64", "Seconds"),
];

/// Of a connection that tasks share.
const WRONG_SHARED: &[(&str, &str, &str)] = &[
    ("shared.put_in(\"t\", 0, 0, 60_u64, \"x\")", "u64", "Seconds"),
    ("shared.kick_in(\"t\", 5_u64)", "u64", "Bound"),
    ("shared.delete(5_u32)", "u32", "JobId"),
];

#[test]
fn a_wrong_argument_is_one_error_that_names_what_to_write() {
    let _bound = beanstalk_watchdog::bound();
    for (krate, shared) in [("beanstalk_sync", false), ("beanstalk_tokio", true), ("beanstalk_async_std", true)] {
        let wrong: Vec<_> = WRONG.iter().chain(WRONG_SHARED.iter().filter(|_| shared)).collect();
        let mut source = format!("use {krate}::*;\n");
        source += "fn test(mut client: Client, producer: Producer, mut session: Session";
        source += if shared { ", shared: SharedClient) {\n" } else { ") {\n" };
        let before = source.lines().count();
        for (call, ..) in &wrong {
            source += &format!("{{ let _ = {call}; }}\n");
        }
        source += "}\n";
        let said = compile_errors(krate, &source);
        let errors: Vec<&str> = said.split("\nerror").filter(|error| error.contains("--> ")).collect();
        assert_eq!(errors.len(), wrong.len(), "{krate}: one error for each wrong argument, not\n{said}");
        for (n, ((call, given, wanted), error)) in wrong.iter().zip(errors).enumerate() {
            let line = format!("--> {krate}.rs:{}:", before + n + 1);
            assert!(error.contains(&line), "{krate}: {call}: {line:?} is missing in\n{error}");
            // A type whose name is not unique comes with its path.
            let error = error.replace(&format!("{krate}::"), "");
            let said = |what: &str| assert!(error.contains(what), "{krate}: {call}: {what:?} is missing in\n{error}");
            said(&format!("`{given}` cannot be given where a command takes `{wanted}`"));
            said("`Priority::try_from(n)?`, `Seconds::try_from(n)?`, `Bound::up_to(n)` or `JobId(n.into())`");
        }
    }
}

/// Calls whose outcome may be that a job was buried, or that one is held.
const UNSEEN: &[(&str, &str)] = &[
    ("client.put(0, 0, 60, \"x\")", "PutOutcome"),
    ("client.release(1, 0, 0)", "ReleaseOutcome"),
    ("client.reserve()", "Reserved"),
    ("client.reserve_with_timeout(0)", "Reserved"),
    ("session.put(0, 0, 60, \"x\")", "PutOutcome"),
    ("producer.put(0, 0, 60, \"x\")", "PutOutcome"),
    ("producer.put_keyed(\"k\", 0, 0, 60, \"x\")", "PutOutcome"),
];

#[test]
fn an_outcome_that_nobody_looks_at_is_noticed() {
    let _bound = beanstalk_watchdog::bound();
    for (krate, wait) in [("beanstalk_sync", ""), ("beanstalk_tokio", ".await"), ("beanstalk_async_std", ".await")] {
        let mut source = format!("#![deny(unused_must_use)]\nuse {krate}::*;\n");
        source +=
            "async fn test(mut client: Client, producer: Producer, mut session: Session) -> Result<(), Error> {\n";
        let before = source.lines().count();
        for (call, _) in UNSEEN {
            source += &format!("{call}{wait}?;\n");
        }
        source += "Ok(())\n}\n";
        let said = compile_errors(krate, &source);
        for (n, (call, outcome)) in UNSEEN.iter().enumerate() {
            let place = format!("--> {krate}.rs:{}:", before + n + 1);
            let error = said.split("\nerror").find(|error| error.contains(&place)).unwrap_or("");
            assert!(
                error.contains(outcome) && error.contains("must be used"),
                "{krate}: {call} may be ignored:\n{said}"
            );
            let why = if *outcome == "Reserved" { "a job that came is reserved" } else { "buried for lack of memory" };
            assert!(error.contains(why), "{krate}: {call} does not say why: {error}");
        }
    }
}
