//! Jobs that are moved from one server to another.

use alloc::vec;

use super::*;

fn moving(filter: JobFilter<'_>) -> Moving<'_> {
    Moving::new(Finder::walk(tube("from"), filter, true, u64::MAX), tube("to"))
}

/// Moves until neither server has anything to do.
fn run(machine: &mut Moving<'_>, from: &mut Server, to: &mut Server) {
    while from.step(machine, Side::From) | to.step(machine, Side::To) {}
}

fn servers() -> (Server, Server) {
    let mut from = Server::using("from");
    from.put(1, 0, b"ready");
    from.put(2, 30, b"delayed");
    from.put_buried(3, b"buried");
    (from, Server::using("to"))
}

/// Two servers, the first with so many ready jobs.
fn full(jobs: usize) -> (Server, Server) {
    let mut from = Server::using("from");
    for _ in 0..jobs {
        from.put(1, 0, b"x");
    }
    (from, Server::using("to"))
}

#[test]
fn jobs_are_moved_as_they_are() {
    let (mut from, mut to) = servers();
    let mut expected = from.jobs();
    let mut machine = moving(JobFilter::all());
    run(&mut machine, &mut from, &mut to);
    assert_eq!(machine.progress().done, 3);
    assert_eq!(machine.finish().ok(), Some(3));
    assert_eq!(from.jobs(), []);
    expected.iter_mut().for_each(|(tube, ..)| *tube = "to".into());
    let mut moved = to.jobs();
    moved.sort_by_key(|(.., priority, _, _, _)| *priority);
    assert_eq!(moved, expected);
}

#[test]
fn what_is_stopped_finishes_what_is_under_way() {
    let (mut from, mut to) = full(200);
    let mut machine = moving(JobFilter::all());
    while from.count(|command| matches!(command, Command::ReserveJob { .. })) == 0 {
        assert!(from.step(&mut machine, Side::From));
    }
    machine.stop();
    run(&mut machine, &mut from, &mut to);
    let moved = machine.finish().expect("it was stopped in order");
    assert!((1..=64).contains(&moved), "{moved} moved, and no more than were reserved");
    assert_eq!((from.jobs().len() as u64, to.jobs().len() as u64), (200 - moved, moved));
    assert!(from.jobs().iter().all(|(_, state, ..)| *state != JobState::Reserved));
}

#[test]
fn jobs_that_cannot_be_put_are_given_back_as_they_were_and_no_more_are_taken() {
    for (mut from, mut to) in [servers(), full(200)] {
        let before = from.jobs();
        to.engine.set_draining(true);
        let mut machine = moving(JobFilter::all());
        run(&mut machine, &mut from, &mut to);
        let error = machine.finish().expect_err("nothing could be put");
        assert_eq!(error.command_error(), Some(CommandError::Draining));
        assert_eq!((from.jobs(), to.jobs()), (before, vec![]));
        assert!(from.count(|command| matches!(command, Command::ReserveJob { .. })) <= 64);
    }
}

#[test]
fn a_job_whose_body_is_over_the_limit_is_given_back_and_named() {
    let (mut from, mut to) = servers();
    let before = from.jobs();
    let mut machine = moving((&[Queue::Buried]).into());
    let too_big = || Error::ReplyTooBig { command: "reserve-job", id: Some(JobId(3)), bytes: 6, limit: 5 };
    loop {
        from.send(&mut machine, Side::From, 1);
        let Some(result) = from.replies.pop_front() else { break };
        let reserved = matches!(result, Ok(Reply::Reserved(_)));
        machine.handle_reply(Side::From, if reserved { Err(too_big()) } else { result });
    }
    assert!(!to.step(&mut machine, Side::To), "there is nothing to put");
    assert!(matches!(machine.finish(), Err(Error::ReplyTooBig { id: Some(JobId(3)), .. })));
    assert_eq!(from.jobs(), before);
}

#[test]
fn at_most_64_jobs_are_held_at_once() {
    let (mut from, mut to) = full(200);
    let mut machine = moving(JobFilter::all());
    // The other server does not answer.
    from.run(&mut machine);
    let held = from.jobs().iter().filter(|(_, state, ..)| *state == JobState::Reserved).count();
    assert_eq!(held, 64);
    run(&mut machine, &mut from, &mut to);
    assert_eq!((machine.finish().ok(), to.jobs().len()), (Some(200), 200));
}

#[test]
fn what_comes_of_a_reserve_waits_while_16_mib_of_bodies_are_to_be_put() {
    for (lengths, full) in [(&[16 << 20][..], false), (&[(16 << 20) - 1, 2], true)] {
        let (mut from, mut to) = (Server::using("from"), Server::using("to"));
        for length in lengths {
            from.put(1, 0, &vec![0; *length]);
        }
        let mut machine = moving((&[Queue::Ready]).into());
        assert!(machine.takes(Side::From) && machine.takes(Side::To));
        from.run(&mut machine);
        assert_eq!(machine.takes(Side::From), !full, "{lengths:?}");
        assert!(machine.takes(Side::To));
        while !machine.takes(Side::From) {
            assert!(to.step(&mut machine, Side::To));
        }
        run(&mut machine, &mut from, &mut to);
        assert_eq!(machine.finish().ok(), Some(lengths.len() as u64));
    }
    // One job alone may be longer, once it is put.
    let (mut from, mut to) = (Server::using("from"), Server::using("to"));
    from.put(1, 0, &vec![0; (16 << 20) + 1]);
    let mut machine = moving((&[Queue::Ready]).into());
    from.run(&mut machine);
    assert!(!machine.takes(Side::From));
    to.send(&mut machine, Side::To, 2);
    assert!(!machine.takes(Side::From), "it is under way");
    run(&mut machine, &mut from, &mut to);
    assert!(machine.takes(Side::From));
    assert_eq!(machine.finish().ok(), Some(1));
}
