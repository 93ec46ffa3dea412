//! Statistics from arbitrary bytes: what is decoded can be encoded, and reads as the same; numbers are what the lines say; names
//! are names.

use beanstalk_proto::{
    Dialect, TubeName,
    stats::{self, JobState, JobStats, ServerStats, TubeStats},
};

pub fn run(data: &[u8]) {
    let (&first, body) = data.split_first().unwrap_or((&0, &[]));
    // What every body starts with, so that the fuzzer need not find it each time.
    let body = if first & 4 == 4 { body.to_vec() } else { [b"---\n", body].concat() };
    match first & 3 {
        0 => server(&body),
        1 => tube(&body),
        2 => job(&body),
        _ => names(&body),
    }
}

macro_rules! same_again {
    ($type:ty, $stats:expr, $texts:expr) => {
        for dialect in [Dialect::V1_13, Dialect::V1_12] {
            let mut encoded = Vec::new();
            $stats.encode(dialect, &mut encoded);
            let again = <$type>::decode(&encoded).expect("it was encoded here");
            // A text with quotes of its own loses them where a release writes it bare, or another would take them for its own.
            if !$texts.iter().flatten().any(|text| quoted(text)) {
                assert_eq!(again, $stats, "{}", encoded.escape_ascii());
            }
            let mut twice = Vec::new();
            again.encode(dialect, &mut twice);
            if again == $stats {
                assert_eq!(twice, encoded);
            } else {
                assert!(twice.len() < encoded.len());
            }
        }
    };
}

fn server(body: &[u8]) {
    let Ok(stats) = ServerStats::decode(body) else { return };
    one_line_each(body, ServerStats::KEYS);
    for (key, value) in [
        ("current-jobs-ready", stats.current_jobs_ready),
        ("cmd-put", stats.cmd_put),
        ("pid", stats.pid),
        ("total-jobs", stats.total_jobs),
        ("uptime", stats.uptime.map(|uptime| uptime.as_secs())),
        ("max-job-size", stats.max_job_size),
    ] {
        assert_eq!(value, number(body, key), "{key} in {}", body.escape_ascii());
    }
    let mut stats = stats;
    // Written with six digits, read with up to nine.
    for time in [&mut stats.rusage_utime, &mut stats.rusage_stime].into_iter().flatten() {
        *time -= std::time::Duration::from_nanos(u64::from(time.subsec_nanos() % 1000));
    }
    same_again!(
        ServerStats,
        stats,
        [
            stats.version.as_deref(),
            stats.id.as_deref(),
            stats.hostname.as_deref(),
            stats.os.as_deref(),
            stats.platform.as_deref()
        ]
    );
}

fn tube(body: &[u8]) {
    let Ok(stats) = TubeStats::decode(body) else { return };
    one_line_each(body, TubeStats::KEYS);
    assert_eq!(stats.current_using, number(body, "current-using"));
    assert_eq!(stats.cmd_delete, number(body, "cmd-delete"));
    assert_eq!(stats.name.as_ref().map(TubeName::as_str), value(body, "name"));
    same_again!(TubeStats, stats, [None::<&str>]);
}

fn job(body: &[u8]) {
    let Ok(stats) = JobStats::decode(body) else { return };
    one_line_each(body, JobStats::KEYS);
    assert_eq!(stats.id.map(u64::from), number(body, "id"));
    assert_eq!(stats.pri.map(|pri| u64::from(pri.0)), number(body, "pri"));
    assert_eq!(stats.kicks, number(body, "kicks"));
    assert_eq!(stats.state.as_ref().map(JobState::as_str), value(body, "state"));
    same_again!(JobStats, stats, [stats.state.as_ref().map(JobState::as_str)]);
}

fn names(body: &[u8]) {
    let Ok(names) = stats::decode_names(body) else { return };
    let mut encoded = Vec::new();
    stats::encode_names(&names, &mut encoded);
    assert_eq!(encoded.trim_ascii_end(), body.trim_ascii_end());
    assert_eq!(stats::decode_names(&encoded), Ok(names));
}

fn lines(body: &[u8]) -> impl Iterator<Item = &str> {
    let text = std::str::from_utf8(body).expect("only text is decoded");
    text.strip_prefix("---\n").expect("every body starts so").split('\n')
}

/// A key that has a field comes once at most.
fn one_line_each(body: &[u8], keys: &[&str]) {
    let mut seen: Vec<&str> = Vec::new();
    for key in lines(body).filter_map(|line| Some(line.split_once(": ")?.0)).filter(|key| keys.contains(key)) {
        assert!(!seen.contains(&key), "which {key} is it?");
        seen.push(key);
    }
}

fn value<'a>(body: &'a [u8], key: &str) -> Option<&'a str> {
    let value = lines(body).find_map(|line| match line.strip_prefix(key)? {
        // An empty value may have lost its space.
        ":" => Some(""),
        rest => rest.strip_prefix(": "),
    })?;
    Some(if quoted(value) { &value[1..value.len() - 1] } else { value })
}

fn number(body: &[u8], key: &str) -> Option<u64> {
    Some(value(body, key)?.parse().expect("what is no number is refused"))
}

fn quoted(text: &str) -> bool {
    text.len() >= 2 && text.starts_with('"') && text.ends_with('"')
}
