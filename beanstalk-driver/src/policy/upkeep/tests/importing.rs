//! Jobs that are exported, and put again.

use alloc::{vec, vec::Vec};

use super::*;

/// One job in each state.
fn exported() -> (Server, Vec<ExportedJob>) {
    let mut server = Server::using("mails");
    server.put(1024, 3600, b"hello");
    server.put_buried(0, b"abc");
    server.put(5, 0, b"\r\n\xff");
    let held = server.put(6, 0, b"");
    server.reserve(held);
    let mut scanning = Scanning::new(ScanOptions::new(), 4);
    server.run(&mut scanning);
    let jobs = core::iter::from_fn(|| scanning.take());
    let jobs = jobs.map(|job| ExportedJob::new(job.expect("a job")).expect("all of it").expect("a body")).collect();
    assert_eq!(scanning.progress().looked_at, 4);
    (server, jobs)
}

#[test]
fn an_export_is_written_as_its_format_is_documented() {
    let (_, jobs) = exported();
    let mut out = Vec::new();
    encode_export_header(&mut out);
    jobs.iter().for_each(|job| job.encode(&mut out));
    encode_export_end(jobs.len() as u64, &mut out);
    let text = b"beanstalk-export 1\njob 1 delayed 1024 3600 60 mails 5\nhello\njob 2 buried 0 0 60 mails 3\nabc\n\
        job 3 ready 5 0 60 mails 3\n\r\n\xff\njob 4 reserved 6 0 60 mails 0\n\nend 4\n";
    assert_eq!(out.escape_ascii().to_string(), text.escape_ascii().to_string());
}

#[test]
fn what_was_exported_is_put_as_it_was() {
    let (mut from, jobs) = exported();
    let mut to = Server::using("default");
    let mut importing = Importing::new();
    jobs.into_iter().for_each(|job| importing.push(job));
    to.run(&mut importing);
    assert_eq!(importing.progress(), Progress { done: 4, looked_at: 4, ..Progress::default() });
    assert!(importing.take_failed().is_none());
    let mut expected = from.jobs();
    expected[3].1 = JobState::Ready;
    assert_eq!(to.jobs(), expected);
}

#[test]
fn a_job_that_was_not_put_is_named_and_the_others_are_put() {
    let (_, jobs) = exported();
    let mut importing = Importing::new();
    jobs.into_iter().for_each(|job| importing.push(job));
    assert!(matches!(importing.next_command(Side::From), Some(Command::Use { .. })));
    importing.handle_reply(Side::From, Ok(Reply::Using(tube("mails"))));
    assert!(matches!(importing.next_command(Side::From), Some(Command::Put { .. })));
    importing.handle_reply(Side::From, Err(refused(CommandError::JobTooBig)));
    let mut to = Server::using("mails");
    to.run(&mut importing);
    let failed = importing.take_failed().expect("one was refused");
    assert_eq!((failed.id, failed.error.command_error()), (JobId(1), Some(CommandError::JobTooBig)));
    assert!(failed.to_string().starts_with("job 1 of the export: "), "{failed}");
    assert!(importing.take_failed().is_none());
    assert_eq!((importing.progress().done, to.jobs().len()), (3, 3));
}

#[test]
fn no_more_than_256_jobs_or_16_mib_are_under_way_but_for_one_job() {
    let (_, jobs) = exported();
    let job = |length: usize| ExportedJob { body: vec![0; length], ..jobs[2].clone() };
    for (length, fits, more) in [(1, 255, true), (16 << 20, 1, false), ((16 << 20) + 1, 0, true)] {
        let mut importing = Importing::new();
        for _ in 0..fits {
            importing.push(job(length));
            assert!(!importing.is_full(), "{length} bytes each");
        }
        importing.push(job(if more { length } else { 1 }));
        assert!(importing.is_full(), "{length} bytes each");
        let mut to = Server::using("t");
        while importing.is_full() {
            assert!(to.step(&mut importing, Side::From));
        }
        to.run(&mut importing);
        assert_eq!(importing.progress().done, fits + 1);
    }
}
