//! Commands from arbitrary bytes: what a server reads, a client can say, and saying it reads as the same; a server connection
//! makes the same of its input however that is split.

use beanstalk_proto::{
    Command, Reply,
    server::{Config, Event},
};

use crate::{
    drive::{self, Served},
    naive,
    source::Cut,
};

pub fn run(data: &[u8]) {
    a_line(data);
    let config = Config { max_job_size: 300, ..Config::default() };
    let [mut whole, mut split] = Cut::two(data).map(|mut cut| serve(config, data, &mut cut));
    // Whether the peer's end is known before a `quit` is looked at depends on the split.
    if data.windows(4).any(|word| word == b"quit") {
        (whole.half_closed, split.half_closed) = (false, false);
    }
    assert_eq!(split, whole, "a split changes what is read");

    // What was read, said again.
    let mut said = Vec::new();
    let commands = commands(&whole);
    for command in &commands {
        said.extend(beanstalk_proto::encode(command.clone()).expect("what current servers read, clients can say"));
    }
    let again = serve(config, &said, &mut Cut::Whole);
    assert_eq!(self::commands(&again), commands);
    assert!(!again.events.iter().any(|event| matches!(event, Event::Refused(_))));
}

/// The first line by itself, without a connection.
fn a_line(data: &[u8]) {
    let line = naive::line(data).unwrap_or(data);
    let Ok(command) = Command::parse_line(line) else { return };
    let said = beanstalk_proto::encode(command.clone()).expect("what current servers read, clients can say");
    let line = naive::line(&said).expect("a command ends its line");
    assert_eq!(Command::parse_line(line), Ok(command));
}

fn serve(config: Config, input: &[u8], cut: &mut Cut) -> Served {
    drive::serve(config, input, cut, None, |_, _| Reply::NotFound)
}

fn commands(served: &Served) -> Vec<Command> {
    let command = |event: &Event| match event {
        Event::Command(command) => Some(command.clone()),
        _ => None,
    };
    served.events.iter().filter_map(command).collect()
}
