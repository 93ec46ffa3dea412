//! Every command that can be made is exactly one command on the wire, or is refused and leaves nothing behind. What an
//! application writes in its own words, through a raw line or an encoder, is exactly one line.

use beanstalk_proto::{
    ArgumentError, Body, Command, DecodeError, Encoder, Expect, Instant, Raw, Reply, ReplySet, Request, Seconds,
    TubeArg, client,
    server::{Config, Event},
};

use crate::{
    drive, r#gen, naive,
    source::{Cut, Source},
};

/// What a reserve's timeout may be at most.
const MAX_TIMEOUT: u32 = i32::MAX.unsigned_abs();

pub fn run(data: &[u8]) {
    let mut source = Source::new(data);
    let mut connection = client::Connection::new(client::Config::default());
    let (mut stream, mut commands, mut quit) = (Vec::new(), Vec::new(), false);
    while !source.is_empty() && !quit && commands.len() < 100 {
        match source.below(8) {
            0 => raw(&mut source),
            1 => own_words(&mut source),
            _ => {
                let command = r#gen::any_command(&mut source);
                let start = stream.len();
                match beanstalk_proto::encode(command.clone()) {
                    Ok(said) => {
                        assert!(sayable(&command), "{command:?}");
                        stream.extend(said);
                    }
                    Err(error) => {
                        assert!(!sayable(&command), "{command:?}: {error}");
                        continue;
                    }
                }
                quit = command == Command::Quit;
                // Behind one that waits without end, what follows would be refused; that both write the same is all that counts here.
                if command == Command::Reserve {
                    connection = client::Connection::new(client::Config::default());
                }
                let _ = connection.send(Instant::ZERO, command.clone()).expect("there is room");
                assert_eq!(drive::sent(&mut connection), stream[start..], "a connection says {command:?} otherwise");
                if command == Command::Reserve {
                    connection = client::Connection::new(client::Config::default());
                }
                commands.push(command);
            }
        }
    }
    // Behind all of it, to see that nothing is left over.
    if !quit {
        stream.extend_from_slice(b"list-tube-used\r\n");
        commands.push(Command::ListTubeUsed);
    }
    let config = Config { max_job_size: u32::MAX, ..Config::default() };
    let mut expected = Vec::new();
    for command in commands {
        if let Command::Put { .. } = command {
            expected.push(Event::PutAnnounced { too_big: false });
        }
        if command != Command::Quit {
            expected.push(Event::Command(command));
        }
    }
    for mut cut in Cut::two(data) {
        let served = drive::serve(config, &stream, &mut cut, None, |_, _| Reply::NotFound);
        assert_eq!(served.events, expected);
    }
}

fn sayable(command: &Command) -> bool {
    !matches!(command, Command::ReserveWithTimeout { timeout } if *timeout > MAX_TIMEOUT)
}

fn raw(source: &mut Source<'_>) {
    let line = String::from_utf8_lossy(source.bytes(255));
    let body = source.bool().then(|| source.body());
    let mut request = Raw::new(&*line);
    if let Some(body) = &body {
        request = request.body(body);
    }
    let length = body.as_ref().map(|body| format!(" {}", body.len()));
    one_line(request, body.as_deref(), |said| {
        assert_eq!(said, [line.as_bytes(), length.unwrap_or_default().as_bytes()].concat());
    });
}

fn own_words(source: &mut Source<'_>) {
    let mut pieces = Vec::new();
    for _ in 0..source.below(6) {
        pieces.push(match source.below(5) {
            0 | 1 => Piece::Word(String::from_utf8_lossy(source.bytes(255)).into_owned()),
            2 => Piece::Number(source.u64()),
            3 => Piece::Seconds(source.u32(), source.u32()),
            _ => Piece::Tube(String::from_utf8_lossy(source.bytes(255)).into_owned()),
        });
    }
    let body = source.bool().then(|| source.body());
    let more = source.below(4) == 3;
    let words = pieces.len() + usize::from(body.is_some());
    one_line(OwnWords { pieces, body: body.clone(), more }, body.as_deref(), |said| {
        assert!(!more || body.is_none(), "something follows a body");
        let said: Vec<&[u8]> = said.split(|&byte| byte == b' ').collect();
        assert_eq!(said.len(), words + usize::from(more), "a word became two, or none");
        assert!(said.iter().all(|word| !word.is_empty()));
    });
}

/// Sends it and checks that it is a line and its body, and nothing else; or was refused without a trace.
fn one_line(request: impl Request, body: Option<&[u8]>, check: impl FnOnce(&[u8])) {
    let mut connection = client::Connection::new(client::Config::default());
    let Ok(_ticket) = connection.send(Instant::ZERO, request) else {
        assert_eq!((connection.queued(), connection.in_flight()), (0, 0), "a refused request leaves something behind");
        return;
    };
    let said = drive::sent(&mut connection);
    let line = naive::line(&said).expect("a request ends its line");
    assert!(!line.is_empty() && line.len() + 2 <= beanstalk_proto::MAX_LINE);
    assert!(!line.iter().any(|byte| b"\r\n\0".contains(byte)), "{}", line.escape_ascii());
    let rest = body.map_or(Vec::new(), |body| [body, b"\r\n"].concat());
    assert_eq!(said[line.len() + 2..], rest, "not the body that was given");
    check(line);
}

/// A command of an application's own, that writes whatever it is given.
struct OwnWords {
    pieces: Vec<Piece>,
    body: Option<Vec<u8>>,
    /// Writes a word after everything else.
    more: bool,
}

enum Piece {
    Word(String),
    Number(u64),
    Seconds(u32, u32),
    Tube(String),
}

impl Request for OwnWords {
    type Reply = ();

    fn expect(&self) -> Expect {
        Expect::new("own words", ReplySet::EMPTY)
    }

    fn encode(self, encoder: &mut Encoder<'_>) -> Result<(), ArgumentError> {
        for piece in &self.pieces {
            match piece {
                Piece::Word(word) => encoder.word(word)?,
                Piece::Number(number) => encoder.number(*number)?,
                Piece::Seconds(seconds, limit) => encoder.seconds(Seconds::from(*seconds), *limit)?,
                Piece::Tube(name) => encoder.tube(&TubeArg::from(name))?,
            };
        }
        if let Some(body) = self.body {
            encoder.body(Body::Owned(body))?;
        }
        if self.more {
            encoder.word("more")?;
        }
        Ok(())
    }

    fn decode(_reply: Reply) -> Result<(), DecodeError> {
        Ok(())
    }
}
