//! The real parsers against the naive ones: replies, command lines in both dialects, and whole sessions.

use beanstalk_proto::{Command, Dialect, Reply, server::Config};

use crate::{
    drive,
    naive::{self, Start},
    source::{Cut, Source},
};

pub fn run(data: &[u8]) {
    let mut source = Source::new(data);
    match source.below(3) {
        0 => replies(source.rest()),
        1 => line(source.rest()),
        _ => {
            let dialect = source.pick(&[Dialect::V1_13, Dialect::V1_12]);
            let max_job_size = source.u32();
            session(source.rest(), max_job_size, dialect);
        }
    }
}

fn replies(mut input: &[u8]) {
    loop {
        let naive = naive::reply(input);
        let real = match Reply::parse(input) {
            Ok(Some((Reply::Other(other), len))) => {
                assert_eq!(other.line(), &input[..len - 2]);
                Start::Item(None, len)
            }
            Ok(Some((reply, len))) => Start::Item(Some(reply), len),
            Ok(None) => Start::Incomplete,
            Err(_) => Start::Wrong,
        };
        assert_eq!(real, naive, "{}", input.escape_ascii());
        match naive {
            Start::Item(_, len) => input = &input[len..],
            _ => break,
        }
    }
}

fn line(line: &[u8]) {
    let naive = naive::command(line, Dialect::V1_13);
    match (Command::parse_line(line), naive) {
        (Ok(real), Ok(naive)) => {
            assert_eq!(real, naive.command, "{}", line.escape_ascii());
            assert!(!naive.trailing || real == Command::Quit, "{}", line.escape_ascii());
        }
        (Err(_), Ok(naive)) => assert!(naive.trailing, "{} is refused", line.escape_ascii()),
        (Err(real), Err(naive)) => assert_eq!(real, naive, "{}", line.escape_ascii()),
        (Ok(real), Err(_)) => panic!("{} is read as {real:?}", line.escape_ascii()),
    }
}

fn session(input: &[u8], max_job_size: u32, dialect: Dialect) {
    let config = Config { max_job_size, dialect, ..Config::default() };
    let (expected, _quit) = naive::session(input, max_job_size, dialect);
    for mut cut in Cut::two(input) {
        let served = drive::serve(config, input, &mut cut, None, |_, _| Reply::NotFound);
        assert_eq!(served.events, expected);
    }
}
