//! What servers write is read, and written again byte for byte; what makes no sense is distinguished from what is absent.

#![allow(clippy::expect_used, reason = "a test asserts what it counts on")]

mod golden;
mod properties;
mod sample;

use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::time::Duration;

pub(in crate::stats) use sample::{Sample, SampleValue, Source};

use super::{Extra, JobState, JobStats, ServerStats, StatsError, TubeStats, decode_names, encode_names};
use crate::types::{Dialect, Excerpt, JobId, Priority, TubeName, TubeNameError, TubeNameRule};

const SECOND: Duration = Duration::from_secs(1);

fn text(encode: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    encode(&mut out);
    String::from_utf8(out).expect("what is encoded is UTF-8")
}

fn job(lines: &str) -> Result<JobStats, StatsError> {
    JobStats::decode(format!("---\n{lines}").as_bytes())
}

fn server(lines: &str) -> Result<ServerStats, StatsError> {
    ServerStats::decode(format!("---\n{lines}").as_bytes())
}

/// The keys of a body, in order.
fn keys(body: &str) -> Vec<&str> {
    body.lines().skip(1).filter_map(|line| line.split_once(": ")).map(|(key, _)| key).collect()
}

#[test]
fn the_fields_are_the_servers_keys_in_its_order() {
    for (body, fields) in [
        (golden::STATS_1_12, ServerStats::KEYS),
        (golden::STATS_1_13, ServerStats::KEYS),
        (golden::STATS_TUBE_1_12, TubeStats::KEYS),
        (golden::STATS_TUBE_1_13, TubeStats::KEYS),
        (golden::STATS_JOB_1_12, JobStats::KEYS),
        (golden::STATS_JOB_1_13, JobStats::KEYS),
    ] {
        assert_eq!(keys(body), fields);
    }
}

#[test]
fn what_a_server_writes_is_written_again_byte_for_byte() {
    for (body, dialect) in [(golden::STATS_1_12, Dialect::V1_12), (golden::STATS_1_13, Dialect::V1_13)] {
        let stats = ServerStats::decode(body.as_bytes()).expect("a real body");
        assert_eq!(text(|out| stats.encode(dialect, out)), body);
    }
    for (body, dialect) in [(golden::STATS_TUBE_1_12, Dialect::V1_12), (golden::STATS_TUBE_1_13, Dialect::V1_13)] {
        let stats = TubeStats::decode(body.as_bytes()).expect("a real body");
        assert_eq!(text(|out| stats.encode(dialect, out)), body);
    }
    for (body, dialect) in [(golden::STATS_JOB_1_12, Dialect::V1_12), (golden::STATS_JOB_1_13, Dialect::V1_13)] {
        let stats = JobStats::decode(body.as_bytes()).expect("a real body");
        assert_eq!(text(|out| stats.encode(dialect, out)), body);
    }
    let names = decode_names(golden::LIST_TUBES.as_bytes()).expect("a real body");
    assert_eq!(text(|out| encode_names(&names, out)), golden::LIST_TUBES);
}

#[test]
fn server_stats_are_typed() {
    let stats = ServerStats::decode(golden::STATS_1_12.as_bytes()).expect("a real body");
    assert_eq!(stats.cmd_put, Some(2));
    assert_eq!(stats.cmd_reserve_with_timeout, Some(2));
    assert_eq!(stats.max_job_size, Some(65535));
    assert_eq!(stats.version.as_deref(), Some("1.12"));
    assert_eq!(stats.rusage_utime, Some(Duration::from_micros(2264)));
    assert_eq!(stats.rusage_stime, Some(Duration::ZERO));
    assert_eq!(stats.uptime, Some(3 * SECOND));
    assert_eq!(stats.draining, Some(false));
    assert_eq!(stats.id.as_deref(), Some("6bd42699540d91d0"));
    assert_eq!(stats.hostname.as_deref(), Some("vm"));
    assert_eq!(stats.os.as_deref(), Some("#1 SMP PREEMPT_DYNAMIC @0"));
    assert_eq!(stats.platform.as_deref(), Some("x86_64"));
    assert!(stats.extra.is_empty());
}

#[test]
fn tube_stats_are_typed() {
    let stats = TubeStats::decode(golden::STATS_TUBE_1_13.as_bytes()).expect("a real body");
    assert_eq!(stats.name, Some(TubeName::new("emails.outgoing").expect("a name")));
    assert_eq!(stats.current_jobs_reserved, Some(1));
    assert_eq!(stats.total_jobs, Some(2));
    assert_eq!(stats.pause, Some(5 * SECOND));
    assert_eq!(stats.pause_time_left, Some(3 * SECOND));
}

#[test]
fn job_stats_are_typed() {
    let stats = JobStats::decode(golden::STATS_JOB_1_13.as_bytes()).expect("a real body");
    let expected = JobStats {
        id: Some(JobId(2)),
        tube: Some(TubeName::new("emails.outgoing").expect("a name")),
        state: Some(JobState::Delayed),
        pri: Some(Priority(1024)),
        age: Some(SECOND),
        delay: Some(30 * SECOND),
        ttr: Some(60 * SECOND),
        time_left: Some(28 * SECOND),
        file: Some(0),
        reserves: Some(0),
        timeouts: Some(0),
        releases: Some(0),
        buries: Some(0),
        kicks: Some(0),
        extra: Extra::default(),
    };
    assert_eq!(stats, expected);
}

#[test]
fn an_older_server_lacks_keys_and_quotes() {
    let stats = ServerStats::decode(golden::STATS_1_10.as_bytes()).expect("an older body");
    // As a float this would be 1.1.
    assert_eq!(stats.version.as_deref(), Some("1.10"));
    assert_eq!((stats.draining, &stats.os, &stats.platform), (None, &None, &None));
    assert_eq!(stats.hostname.as_deref(), Some("vm"));
    let newer = ServerStats::decode(golden::STATS_1_12.as_bytes()).expect("a real body");
    let told_by_both =
        ServerStats { version: stats.version.clone(), draining: None, os: None, platform: None, ..newer };
    assert_eq!(stats, told_by_both);
}

#[test]
fn keys_without_a_value_are_not_written() {
    let stats = JobStats { pri: Some(Priority(7)), ..JobStats::default() };
    assert_eq!(text(|out| stats.encode(Dialect::V1_13, out)), "---\npri: 7\n");
    assert_eq!(text(|out| TubeStats::default().encode(Dialect::V1_12, out)), "---\n");
    assert_eq!(TubeStats::decode(b"---\n"), Ok(TubeStats::default()));
}

#[test]
fn both_quoting_styles_are_read() {
    for body in ["tube: a.b\nstate: ready\nid: 3\n", "tube: \"a.b\"\nstate: \"ready\"\nid: \"3\"\n"] {
        let stats = job(body).expect("both styles");
        assert_eq!(stats.tube.as_deref(), Some("a.b"));
        assert_eq!(stats.state, Some(JobState::Ready));
        assert_eq!(stats.id, Some(JobId(3)));
    }
}

#[test]
fn one_quote_is_part_of_the_text() {
    for os in ["\"", "\"x", "x\"", "a\"b"] {
        assert_eq!(server(&format!("os: {os}\n")).expect("text").os.as_deref(), Some(os));
    }
    assert_eq!(server("os: \"\"\n").expect("text").os.as_deref(), Some(""));
    assert_eq!(server("os: \"a\"b\"\n").expect("text").os.as_deref(), Some("a\"b"));
}

#[test]
fn a_value_may_hold_what_yaml_would_stumble_over() {
    for line in ["os: Linux: #1 SMP: -x\n", "os: \"Linux: #1 SMP: -x\"\n"] {
        assert_eq!(server(line).expect("text").os.as_deref(), Some("Linux: #1 SMP: -x"));
    }
}

#[test]
fn an_id_that_looks_like_a_number_stays_text() {
    for id in ["0000000000000000", "1234567890123456", "12345678901234e5"] {
        assert_eq!(server(&format!("id: {id}\n")).expect("text").id.as_deref(), Some(id));
    }
}

#[test]
fn an_empty_value_is_empty_text_and_no_number() {
    for line in ["os: \n", "os:\n", "os: ", "os:"] {
        assert_eq!(server(line).expect("text").os.as_deref(), Some(""));
    }
    for line in ["pid: \n", "pid:\n", "pid: \"\"\n"] {
        assert!(matches!(server(line), Err(StatsError::Value { key: "pid", .. })), "{line:?}");
    }
}

#[test]
fn a_malformed_value_is_an_error_that_names_its_key() {
    for (key, values) in [
        ("pid", &["", "-1", "+1", "01", "1 ", " 1", "1.0", "x", "18446744073709551616", "99999999999999999999"][..]),
        ("uptime", &["-1", "1s", "1.5"]),
        ("rusage-utime", &["", ".", "1.", ".5", "-1.000000", "1.-00001", "1.0000000000", "1.5x", "1.0.0", "1.٣"]),
        ("draining", &["", "True", "1", "yes"]),
    ] {
        for value in values {
            let error = server(&format!("{key}: {value}\n")).expect_err(value);
            assert!(error.to_string().starts_with(&format!("{key} is ")), "{error}");
            assert!(matches!(&error, StatsError::Value { key: named, value: shown, .. }
                if *named == key && *shown == Excerpt::new(value.as_bytes())));
        }
    }
    for (key, values) in [
        ("id", &["-1", "x"][..]),
        ("tube", &["", "a b", "-a", "\"a\"b\""]),
        ("pri", &["4294967296", "-1"]),
        ("delay", &["-1"]),
        ("ttr", &["-1"]),
        ("time-left", &["-", "--1", "-x", "- 1"]),
    ] {
        for value in values {
            let error = job(&format!("{key}: {value}\n")).expect_err(value);
            assert!(matches!(error, StatsError::Value { key: named, .. } if named == key), "{value:?}");
        }
    }
}

#[test]
fn a_time_that_is_past_is_no_time_left() {
    let stats = job("age: -3\ntime-left: -1\n").expect("a clock that was set back");
    assert_eq!((stats.age, stats.time_left), (Some(Duration::ZERO), Some(Duration::ZERO)));
    let stats = TubeStats::decode(b"---\npause-time-left: -9223372036854775808\n").expect("past");
    assert_eq!(stats.pause_time_left, Some(Duration::ZERO));
}

#[test]
fn a_fraction_is_read_to_the_nanosecond_and_written_to_the_microsecond() {
    for (written, nanos) in [("0.5", 500_000_000), ("0.000001", 1000), ("0.000000001", 1), ("0", 0)] {
        let stats = server(&format!("rusage-stime: {written}\n")).expect("a fraction");
        assert_eq!(stats.rusage_stime, Some(Duration::from_nanos(nanos)), "{written}");
    }
    let stats = ServerStats { rusage_utime: Some(Duration::new(12, 34_567_999)), ..ServerStats::default() };
    assert_eq!(text(|out| stats.encode(Dialect::V1_13, out)), "---\nrusage-utime: 12.034567\n");
}

#[test]
fn a_state_not_known_keeps_its_word() {
    for word in ["ready", "delayed", "reserved", "buried", "invalid", "asleep", "READY"] {
        let stats = job(&format!("state: {word}\n")).expect("a word");
        assert_eq!(stats.state.as_ref().map(JobState::as_str), Some(word));
        assert_eq!(matches!(stats.state, Some(JobState::Unknown(_))), ["asleep", "READY"].contains(&word));
    }
}

#[test]
fn keys_not_known_are_kept_in_order_and_written_last() {
    let stats = job("zeta: \"1\"\nid: 4\nalpha: a: b\nzeta: 2\nempty:\n").expect("more keys than we know");
    assert_eq!(stats.id, Some(JobId(4)));
    let extra: Vec<_> = stats.extra.iter().collect();
    assert_eq!(extra, vec![("zeta", "1"), ("alpha", "a: b"), ("zeta", "2"), ("empty", "")]);
    assert_eq!(stats.extra.get("zeta"), Some("1"));
    assert_eq!(stats.extra.get("beta"), None);
    let written = text(|out| stats.encode(Dialect::V1_13, out));
    assert_eq!(written, "---\nid: 4\nzeta: \"1\"\nalpha: a: b\nzeta: 2\nempty: \n");
}

#[test]
fn an_extra_key_that_has_a_field_is_not_written_twice() {
    let mut stats = JobStats { id: Some(JobId(4)), ..JobStats::default() };
    stats.extra.push("id", "5").expect("a line");
    assert_eq!(text(|out| stats.encode(Dialect::V1_13, out)), "---\nid: 4\n");
}

#[test]
fn nothing_can_be_injected_through_text_or_extra_keys() {
    let mut stats = ServerStats { hostname: Some("a\npid: 1".into()), ..ServerStats::default() };
    for (key, value) in [("", "x"), ("a: b", "x"), ("a\nb", "x"), ("a", "x\npid: 1")] {
        assert!(stats.extra.push(key, value).is_err(), "{key:?} {value:?}");
    }
    assert_eq!(text(|out| stats.encode(Dialect::V1_12, out)), "---\nhostname: a pid: 1\n");
}

#[test]
fn keys_are_read_in_any_order() {
    let in_order = "id: 1\ntube: \"t\"\nstate: ready\npri: 5\n";
    let mut lines: Vec<_> = in_order.split_inclusive('\n').collect();
    for turn in 0..lines.len() {
        lines.rotate_left(turn);
        assert_eq!(job(&lines.concat()), job(in_order), "{lines:?}");
        for (key, value) in [("id", "1"), ("tube", "t"), ("state", "ready"), ("pri", "5")] {
            assert_eq!(super::value_of(format!("---\n{}", lines.concat()).as_bytes(), key), Some(value));
        }
    }
    for (body, key) in [("---\nids: 1\n", "id"), ("---\nid:1\n", "id"), ("id: 1\n", "id"), ("---\n", "id"), ("", "id")]
    {
        assert_eq!(super::value_of(body.as_bytes(), key), None, "{body:?}");
    }
}

#[test]
fn a_key_that_comes_twice_is_an_error() {
    let error = job("id: 4\nttr: 1\nid: 4\n").expect_err("twice");
    assert_eq!(error, StatsError::Repeated { key: "id", value: Excerpt::new(b"4") });
    assert_eq!(error.to_string(), "id comes a second time, as \"4\"");
}

#[test]
fn text_that_is_not_utf_8_is_an_error() {
    let error = ServerStats::decode(b"---\nhostname: a\xff\n").expect_err("not UTF-8");
    assert_eq!(error.to_string(), r#"hostname is "a\xff", not text in UTF-8"#);
    let error = ServerStats::decode(b"---\nnickname: a\xff\n").expect_err("not UTF-8");
    assert_eq!(error, StatsError::Line { line: Excerpt::new(b"nickname: a\xff") });
    let error = ServerStats::decode(b"---\n\xff: a\n").expect_err("not UTF-8");
    assert_eq!(error, StatsError::Line { line: Excerpt::new(b"\xff: a") });
}

#[test]
fn a_body_that_is_no_list_of_keys_is_an_error() {
    for body in ["", "--", "---", "id: 4\n", "OK\n---\n", "---\r\nid: 4\r\n"] {
        let error = JobStats::decode(body.as_bytes()).expect_err(body);
        assert_eq!(error, StatsError::Start { start: Excerpt::new(body.as_bytes()) });
    }
    for line in ["", "id", "id 4", "id:4", ": 4", ":", "- default"] {
        let error = job(&format!("{line}\n")).expect_err(line);
        assert_eq!(error, StatsError::Line { line: Excerpt::new(line.as_bytes()) });
    }
}

#[test]
fn a_name_list_holds_tube_names_only() {
    let names = decode_names(b"---\n- default\n- a.b\n").expect("names");
    assert_eq!(names, ["default", "a.b"]);
    assert_eq!(decode_names(b"---\n"), Ok(vec![]));
    assert!(matches!(decode_names(b"- default\n"), Err(StatsError::Start { .. })));
    for line in ["default", "-default", "", "name: default"] {
        let error = decode_names(format!("---\n{line}\n").as_bytes()).expect_err(line);
        assert_eq!(error, StatsError::Line { line: Excerpt::new(line.as_bytes()) });
    }
    for (name, rule) in [
        ("", TubeNameRule::Empty),
        ("-a", TubeNameRule::LeadingHyphen),
        ("a\r", TubeNameRule::BadCharacter { found: '\r', at: 1 }),
        ("\"a\"", TubeNameRule::BadCharacter { found: '"', at: 0 }),
    ] {
        let refused = decode_names(format!("---\n- {name}\n").as_bytes());
        assert_eq!(refused, Err(StatsError::Name(TubeNameError { name: name.into(), rule })));
    }
}
