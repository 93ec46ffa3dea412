//! What is printed for debugging.

use beanstalk_driver::{NextJob, Producer};
use beanstalk_proto::{Peek, client::Config};

use crate::{
    client::{Shared, client, config},
    executor::{Asleep, run},
    sessions,
    virtual_runtime::Virtual,
    wire::Wire,
};

#[test]
fn debug_output_names_the_type_and_what_it_is_about() {
    let (wire, runtime) = (Wire::new(), Virtual::default());
    let mut driver = wire.driver();
    let (shared, shared_driver) = Shared::over(Virtual::by(&wire), Config::default(), wire.clone());
    let mut send = Asleep::new(shared.send(Peek::new(1)));
    let of_shared_driver = format!("{shared_driver:?}");
    let _shared_driver = Asleep::new(shared_driver);
    let flushed = send.wake_up().unwrap().unwrap();
    let (mut session, server) = sessions::connected(&runtime);
    let of_sent = format!("{:?}", run(session.send(Peek::new(1))).unwrap());
    let of_session = format!("{session:?}");
    server.offer(7);
    let job = run(session.next_job(0)).unwrap().and_then(NextJob::job).unwrap();
    let printed = [
        (of_sent, "Sent", "Ticket"),
        (format!("{job:?}"), "JobHandle", "7"),
        (of_session, "Session", "queue"),
        (format!("{:?}", Producer::<Virtual>::new(["queue"]).unwrap()), "Producer", "queue"),
        (format!("{driver:?}"), "Driver", "Connection"),
        (format!("{:?}", driver.call_all([Peek::new(1)].into_iter())), "CallAll", ""),
        (format!("{:?}", driver.begin(Peek::new(1)).unwrap()), "Reply", "Ticket"),
        (format!("{:?}", client(&runtime, config())), "SharedClient", "queue"),
        (of_shared_driver, "SharedDriver", ""),
        (format!("{flushed:?}"), "Flushed", ""),
    ];
    for (text, name, about) in printed {
        assert!(text.starts_with(name) && text.contains(about), "{text}");
    }
}
