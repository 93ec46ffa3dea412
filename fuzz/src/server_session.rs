//! A server connection under any input: what it makes of it, and what it writes, depend on the bytes alone, not on how they come,
//! when it is answered, or how slowly its replies are read; what waits to be read is bounded.

use beanstalk_proto::{
    Command, Dialect, Job, JobId, MAX_LINE, Reply, TIMEOUT_FOREVER,
    server::{Config, Event},
};

use crate::{
    drive, r#gen, naive,
    source::{Cut, Dice, Source, pattern},
};

/// So much is said at most, which is more than a body of any limit that is tried, in so many steps.
const MOST_INPUT: usize = 80_000;
const MOST_STEPS: usize = 100;

/// Two of the ways to serve the input, which depend on it: a hundred inputs that differ a little go all ways, and none costs six runs.
pub fn run(data: &[u8]) {
    let mut dice = Dice::of(data);
    let first = dice.below(WAYS);
    serve(data, &[first, (first + 1 + dice.below(WAYS - 1)) % WAYS]);
}

/// All ways to serve the input.
pub fn run_all_ways(data: &[u8]) {
    serve(data, &[0, 1, 2, 3, 4, 5]);
}

/// Each way to cut the input, for a peer that reads and is answered at once, and for a slow one.
const WAYS: usize = 6;

fn serve(data: &[u8], ways: &[usize]) {
    let mut source = Source::new(data);
    let config = Config {
        max_job_size: source.pick(&[0, 1, 300, 8189, 8190, 8191, 65_535]),
        max_backlog: source.pick(&[0, 1, 20, 1000, 20_000, 100_000]),
        dialect: source.pick(&[Dialect::V1_13, Dialect::V1_12]),
    };
    let input = input(&mut source);
    let (expected, quit) = naive::session(&input, config.max_job_size, config.dialect);
    let mut output = Vec::new();
    let mut answered = 0;
    for event in &expected {
        match event {
            Event::PutAnnounced { .. } => continue,
            Event::Refused(refused) => refused.reply.encode(&mut output),
            event => answer(answered, event).encode(&mut output),
        }
        answered += 1;
    }

    let [whole, bytes, random] = Cut::all(data);
    for way in ways {
        let mut cut = match way % 3 {
            0 => whole.clone(),
            1 => bytes.clone(),
            _ => random.clone(),
        };
        let slow = (*way >= 3).then(|| Dice::of(data));
        let served = drive::serve(config, &input, &mut cut, slow, answer);
        assert_eq!(served.events, expected);
        assert!(served.half_closed || quit, "nobody is told of the end");
        assert!(served.output == output, "the replies are not those to these commands");
    }
}

/// What clients say: commands, well formed or nearly; bodies that do not end where they should; anything.
fn input(source: &mut Source<'_>) -> Vec<u8> {
    let mut input = Vec::new();
    for _ in 0..MOST_STEPS {
        if source.is_empty() || input.len() > MOST_INPUT {
            break;
        }
        match source.below(16) {
            0..8 => {
                let mut command = r#gen::any_command(source);
                if let Command::ReserveWithTimeout { timeout } = &mut command {
                    *timeout &= TIMEOUT_FOREVER >> 1;
                }
                // Rarely, as it ends everything.
                if command != Command::Quit || source.u8() == 7 {
                    input.extend(beanstalk_proto::encode(command).expect("it can be said"));
                }
            }
            8 => {
                let start = input.len();
                input.extend(beanstalk_proto::encode(r#gen::any_command(source)).unwrap_or_default());
                // A byte of it is another.
                let at = start + source.below(256).min((input.len() - start).saturating_sub(1));
                if let Some(byte) = input.get_mut(at) {
                    *byte = source.u8();
                }
            }
            9 => {
                let said = source.below(256);
                let body = source.body();
                input.extend_from_slice(format!("put 0 0 1 {}\r\n", (body.len() + said).saturating_sub(2)).as_bytes());
                input.extend_from_slice(&body);
                input.extend_from_slice(b"\r\n");
            }
            10 => {
                let len =
                    source.pick(&[MAX_LINE - 3, MAX_LINE - 2, MAX_LINE - 1, 2 * MAX_LINE - 2, 2 * MAX_LINE, 9000]);
                input.resize(input.len() + len, source.u8());
                input.extend_from_slice(b"\r\n");
            }
            _ => {
                input.extend_from_slice(source.bytes(255));
                if source.bool() {
                    input.extend_from_slice(b"\r\n");
                }
            }
        }
    }
    input
}

/// Some reply, with its number in it. Large ones are rare, but enough that a backlog of any limit is reached.
fn answer(n: usize, _event: &Event) -> Reply {
    let salt = (n % 251) as u8;
    match n % 16 {
        0 => Reply::Inserted(JobId(n as u64)),
        1 => Reply::Reserved(Job { id: JobId(n as u64), body: pattern(n * 397 % 4096, salt) }),
        2 => Reply::KickedCount(n as u64),
        3 => Reply::Found(Job { id: JobId(n as u64), body: pattern(4000 + n % 200, salt) }),
        4 | 8 | 12 => Reply::NotFound,
        5 | 7 | 11 | 13 => Reply::Ok(pattern(n * 613 % 97, salt)),
        _ => Reply::Watching(n as u64),
    }
}
