//! Jobs that are found, deleted and kicked.

use alloc::{format, vec::Vec};
use core::ops::ControlFlow;

use super::*;

/// Everything in the tube "t" that matches.
fn each<'f>(filter: JobFilter<'f>, deed: Deed) -> Each<'f> {
    Each::new(Finder::walk(tube("t"), filter, false, u64::MAX), deed)
}

/// Jobs in each state, of the tube "t" and one other: 40 ready, three delayed and two buried ones are to be found.
fn server() -> Server {
    let mut server = Server::using("other");
    for _ in 0..2 {
        server.put(9, 0, b"stays");
    }
    server.put_buried(9, b"stays");
    server.call(Command::Use { tube: tube("t") }).expect("the tube is in use");
    for at in 0..40 {
        server.put(at, 0, b"ready");
    }
    for at in 1..4 {
        server.put(7, at, b"delayed");
    }
    for _ in 0..2 {
        server.put_buried(7, b"buried");
    }
    let held = server.put(7, 0, b"held");
    server.reserve(held);
    server
}

fn bodies(server: &mut Server) -> Vec<Vec<u8>> {
    server.jobs().into_iter().map(|(.., body)| body).collect()
}

#[test]
fn the_jobs_of_each_queue_are_deleted_or_kicked_and_no_others() {
    for (queues, deleted) in
        [(&[Queue::Ready][..], 40), (&[Queue::Delayed], 3), (&[Queue::Buried], 2), (&Queue::ALL, 45)]
    {
        let mut server = server();
        let before = server.jobs().len();
        let mut machine = each(queues.into(), Deed::Delete);
        server.run(&mut machine);
        let Progress { done, looked_at, ahead, next } = machine.progress();
        assert_eq!((done, ahead, next), (deleted, None, None), "{queues:?}");
        assert_eq!(looked_at, server.count(|command| matches!(command, Command::StatsJob { .. })) as u64);
        assert_eq!(machine.finish().ok(), Some(deleted));
        let left = server.jobs();
        assert_eq!(left.len() as u64, before as u64 - deleted);
        let of_queue = |state: &JobState| Queue::of(state).is_some_and(|queue| queues.contains(&queue));
        assert!(left.iter().all(|(tube, state, ..)| tube == "other" || !of_queue(state)), "{left:?}");
    }
    let mut server = server();
    let mut machine = each(JobFilter::all().only_buried(), Deed::Kick);
    server.run(&mut machine);
    assert_eq!((machine.progress().done, machine.finish().ok()), (2, Some(2)));
    assert!(server.jobs().iter().all(|(tube, state, ..)| tube == "other" || *state != JobState::Buried));
    assert_eq!(server.jobs().iter().filter(|(_, state, ..)| *state == JobState::Delayed).count(), 3);
}

#[test]
fn what_another_client_took_first_is_not_counted() {
    let mut server = server();
    let mut machine = each((&[Queue::Buried]).into(), Deed::Delete);
    let mut peeked = (0..10).map(|_| {
        let command = machine.next_command(Side::From)?;
        let result = server.call(command);
        let found = matches!(result, Ok(Reply::Found(_)));
        machine.handle_reply(Side::From, result);
        Some(found)
    });
    assert!(peeked.any(|found| found == Some(true)), "a buried job is peeked");
    let Some(Command::Delete { id }) = machine.next_command(Side::From) else { panic!("one was found") };
    server.call(Command::KickJob { id }).expect("it is kicked");
    server.call(Command::Delete { id }).expect("it is deleted");
    let gone = server.call(Command::Delete { id });
    machine.handle_reply(Side::From, gone);
    server.run(&mut machine);
    assert_eq!(machine.finish().ok(), Some(1), "the other one");
}

#[test]
fn what_was_stopped_or_has_failed_begins_nothing_more() {
    let mut server = server();
    let mut machine = each(JobFilter::all(), Deed::Delete);
    while machine.progress().done < 5 {
        assert!(server.step(&mut machine, Side::From));
    }
    machine.stop();
    assert!(machine.next_command(Side::From).is_none());
    server.run(&mut machine);
    let (done, left) = (machine.finish().expect("it was stopped in order"), bodies(&mut server).len());
    assert!((5..45).contains(&done) && left as u64 == 49 - done, "{done} deleted, {left} left");

    let mut machine = each(JobFilter::all(), Deed::Delete);
    server.send(&mut machine, Side::From, 1);
    machine.handle_reply(Side::From, server.replies.pop_front().expect("a job was peeked"));
    server.send(&mut machine, Side::From, 4);
    machine.handle_reply(Side::From, Err(refused(CommandError::OutOfMemory)));
    assert!(machine.next_command(Side::From).is_none());
    // It is the first reason that counts.
    machine.handle_reply(Side::From, Err(refused(CommandError::InternalError)));
    let error = machine.finish().expect_err("it has failed");
    assert_eq!(error.command_error(), Some(CommandError::OutOfMemory));
}

#[test]
fn a_job_is_known_by_its_tube_and_state_whatever_else_the_server_has_sent_of_it() {
    let stats = || Ok(Reply::Ok(b"---\nid: 7\ntube: t\nstate: ready\npri: high\n".to_vec()));
    let range = || Range { next: 7, end: 7 };
    let mut finder = Finder::range(Some(tube("t")), (&[Queue::Ready]).into(), false, range());
    assert_eq!(finder.next_command(), Some(Command::StatsJob { id: JobId(7) }));
    finder.handle_reply(stats()).expect("what is not needed is not read");
    assert_eq!(finder.take().map(|job| (job.id, job.state)), Some((JobId(7), JobState::Ready)));
    // A function that picks may look at all of it.
    let mut finder = Finder::range(Some(tube("t")), JobFilter::all().matching(|_| true), false, range());
    assert!(finder.next_command().is_some());
    let error = finder.handle_reply(stats()).expect_err("the priority is no number");
    assert!(format!("{error}").starts_with("stats-job 7: "), "{error}");
}

#[test]
fn a_body_over_the_limit_keeps_no_job_from_being_found() {
    let mut finder = Finder::walk(tube("t"), (&[Queue::Ready]).into(), false, 1);
    assert_eq!(finder.next_command(), Some(Command::PeekReady));
    let too_big = Error::ReplyTooBig { command: "peek-ready", id: Some(JobId(7)), bytes: 9, limit: 8 };
    finder.handle_reply(Err(too_big)).expect("its id is known");
    assert_eq!(finder.take().map(|job| job.id), Some(JobId(7)));
}

#[test]
fn a_filter_reads_bodies_if_its_last_function_looks_at_them_and_reports_progress() {
    let picks = |_: &FoundJob| true;
    assert!(JobFilter::all().matching(picks).matching_with_body(picks).bodies);
    assert!(!JobFilter::all().matching_with_body(picks).matching(picks).bodies);
    let stops = JobFilter::all().on_progress(|_| ControlFlow::Break(()));
    assert!(stops.reports.is_some_and(|mut reports| reports(Progress::default()).is_break()));
    assert_eq!(JobFilter::all().only_buried().queues, [Queue::Buried]);
}

#[test]
fn every_id_is_looked_at_for_what_a_function_picks_or_a_range_holds() {
    let picks = |_: &FoundJob| true;
    assert!(!JobFilter::all().needs_range());
    assert!(JobFilter::all().matching(picks).needs_range());
    assert!(JobFilter::all().matching_with_body(picks).needs_range());
    assert!(JobFilter::all().range(JobId(1)..=JobId(2)).needs_range());
}

#[test]
fn a_scan_finds_what_its_options_name_and_shows_how_far_it_is() {
    let mut server = server();
    let options = ScanOptions::new().tube("t").expect("a tube").queues(&[Queue::Buried, Queue::Delayed]);
    let mut scanning = Scanning::new(options.clone(), 49);
    server.send(&mut scanning, Side::From, 3);
    assert_eq!(scanning.progress(), Progress { done: 0, looked_at: 0, ahead: Some(49), next: Some(JobId(1)) });
    scanning.handle_reply(Side::From, server.replies.pop_front().expect("an answer"));
    assert_eq!(scanning.progress(), Progress { done: 0, looked_at: 1, ahead: Some(48), next: Some(JobId(2)) });
    server.run(&mut scanning);
    let found: Vec<_> = core::iter::from_fn(|| scanning.take()).map(|job| job.expect("a job").state).collect();
    let (delayed, buried) = (JobState::Delayed, JobState::Buried);
    assert_eq!(found, [delayed.clone(), delayed.clone(), delayed, buried.clone(), buried]);
    assert_eq!(scanning.progress(), Progress { done: 5, looked_at: 49, ahead: Some(0), next: Some(JobId(50)) });

    let named = [options.clone().range(&(JobId(0)..=JobId(9))), options.clone().from(JobId(7)).to(JobId(8)), options];
    assert_eq!(named.map(|options| (options.first(), options.last())), [(1, Some(9)), (7, Some(8)), (1, None)]);
}

#[test]
fn nothing_is_ahead_behind_the_last_id_there_can_be() {
    let mut server = server();
    let mut scanning = Scanning::new(ScanOptions::new().from(JobId(u64::MAX - 1)), u64::MAX);
    assert_eq!(scanning.progress().ahead, Some(2));
    server.run(&mut scanning);
    assert_eq!(scanning.progress(), Progress { done: 0, looked_at: 2, ahead: Some(0), next: Some(JobId(0)) });
}

#[test]
fn what_is_looked_for_is_shown_without_the_functions() {
    let filter = JobFilter::new(&[Queue::Buried]).range(JobId(5)..=JobId(9)).matching(|_| true);
    assert_eq!(format!("{filter:?}"), "JobFilter { queues: [Buried], range: Some(5..=9), .. }");
    let finder = Finder::range(Some(tube("t")), filter, false, Range { next: 5, end: 9 });
    let shown = format!("{finder:?}");
    assert!(shown.contains("TubeName(\"t\")") && shown.contains("next: 5, end: 9"), "{shown}");
}
