use super::*;
use alloc::{string::ToString, vec::Vec};

fn lost() -> Event {
    Event::Lost { reason: "it is gone".into() }
}

fn retrying(attempt: u32) -> Event {
    Event::Retrying { attempt, delay: Duration::ZERO }
}

#[test]
fn times_are_printed_as_people_read_them() {
    let long = Duration::from_nanos(1_239_999_999);
    assert_eq!(JobEvent::TimedOut { after: long }.to_string(), "timed out: its handler ran for 1.23s");
    assert_eq!(JobEvent::Done { took: long }.to_string(), "done in 1.23s");
}

#[test]
fn what_all_slots_of_a_server_see_is_news_once() {
    let (mut server, mut slots) = (Presence::default(), [SlotPresence::default(); 2]);
    server.add_slots(2);
    let story = [
        // A server that is not there yet.
        (0, lost(), true),
        (0, retrying(1), true),
        (1, lost(), false),
        (1, retrying(1), false),
        (1, lost(), true),
        (1, retrying(2), true),
        (0, Event::Connected, true),
        (0, Event::Restored, true),
        (1, Event::Connected, false),
        (1, Event::Restored, false),
        // It is killed, and the second slot finds out late.
        (0, lost(), true),
        (0, retrying(1), true),
        (0, Event::Connected, true),
        (1, lost(), false),
        (1, retrying(1), false),
        (1, Event::Connected, false),
        (0, Event::Restored, true),
        // One more time.
        (1, lost(), true),
        (0, lost(), false),
        (0, Event::Ended, false),
        (1, Event::Ended, true),
    ];
    let are_news: Vec<bool> = story.iter().map(|(slot, event, _)| server.is_news(&mut slots[*slot], event)).collect();
    assert_eq!(are_news, story.iter().map(|(.., is_news)| *is_news).collect::<Vec<_>>());
}

#[test]
fn that_a_server_refuses_is_news_once_and_again_for_slots_that_join_later() {
    let (mut server, mut slot) = (Presence::default(), SlotPresence::default());
    let refused = Event::Refused { reason: "the greeting was refused".into() };
    let mut are_news = |joined| {
        server.add_slots(joined);
        [(); 2].map(|()| server.is_news(&mut slot, &refused))
    };
    assert_eq!([2, 0, 1].map(&mut are_news), [[true, false], [false, false], [true, false]]);
}

#[test]
fn an_event_of_a_job_names_server_and_job_and_whether_it_is_the_last() {
    let server: Endpoint = "queue:11300".parse().expect("an endpoint");
    let event = |event| WorkerEvent::Job { server: server.clone(), id: JobId(7), event };
    for (reason, text) in [
        (BuryReason::Handler, "the handler asked for it"),
        (BuryReason::Failed { attempt: 3 }, "attempt 3 failed, and it was the last"),
        (BuryReason::OutOfMemory, "the server had no memory to release it"),
        (BuryReason::TooBig, "its body is over the limit"),
        (BuryReason::Malformed, "its body is malformed"),
    ] {
        let buried = JobEvent::Buried { reason };
        assert!(buried.is_end());
        assert!(event(buried).to_string().ends_with(&alloc::format!("queue:11300, job 7: buried: {text}")));
    }
    assert!(!JobEvent::Reserved.is_end() && !JobEvent::Failed { reason: "no".into() }.is_end());
    let ended = WorkerEvent::SlotEnded { server: server.clone(), slot: 2 }.to_string();
    assert!(ended.contains("queue:11300, slot 2: ended without having been stopped"), "{ended}");
}
