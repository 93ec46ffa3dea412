//! Bodies on their way in: arguments, files, standard input.

use std::{
    ffi::OsString,
    fs,
    io::{self, BufRead, Read},
    iter,
    path::PathBuf,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use clap::Args;

use crate::exit::{Exit, Failure, Outcome};

/// Where bodies come from, each of which is a job.
#[derive(Debug, Args)]
pub(crate) struct Bodies {
    /// Bodies; `-` is what standard input holds, as is no body at all
    #[arg(value_name = "BODY")]
    bodies: Vec<OsString>,
    /// The content of a file; repeat it for several jobs
    #[arg(short, long = "file", value_name = "FILE", conflicts_with = "bodies")]
    files: Vec<PathBuf>,
    /// Each line of the input is a job, without its line end
    #[arg(short, long)]
    lines: bool,
    /// Bodies are written in base64
    #[arg(long)]
    base64: bool,
}

type Iter<'a> = Box<dyn Iterator<Item = Outcome<Vec<u8>>> + 'a>;

impl Bodies {
    /// Whether some are read, and not given as arguments.
    pub(crate) fn are_read(&self) -> bool {
        !self.files.is_empty() || self.bodies.is_empty() || self.bodies.iter().any(|body| body == "-")
    }

    /// The bodies one by one: those of lines are read as they are needed. Of one that has more bytes than a server with this limit takes,
    /// the rest is not kept.
    pub(crate) fn iter(&self, limit: usize) -> Iter<'_> {
        let bodies: Iter<'_> = if !self.files.is_empty() {
            Box::new(self.files.iter().flat_map(move |path| {
                let name = path.display().to_string();
                match fs::File::open(path) {
                    Ok(file) => self.read(name, Box::new(io::BufReader::new(file)), limit),
                    Err(error) => once(Err(Failure::local(name, &error))),
                }
            }))
        } else if self.bodies.is_empty() {
            self.stdin(limit)
        } else {
            Box::new(self.bodies.iter().flat_map(move |body| match body.as_encoded_bytes() {
                b"-" => self.stdin(limit),
                body if self.lines => self.read("argument".into(), Box::new(body), limit),
                body => once(Ok(body.to_vec())),
            }))
        };
        if self.base64 { Box::new(bodies.map(|body| body.and_then(decode))) } else { bodies }
    }

    fn stdin(&self, limit: usize) -> Iter<'_> {
        self.read("standard input".into(), Box::new(io::stdin().lock()), limit)
    }

    fn read<'a>(&self, name: String, mut input: Box<dyn BufRead + 'a>, limit: usize) -> Iter<'a> {
        // Base64 is a third longer than what it stands for, and has line ends.
        let most = if self.base64 { limit.saturating_mul(2) } else { limit };
        let checked = move |body: io::Result<Vec<u8>>| match body {
            Ok(body) if body.len() > most => Err(too_long(&name, limit)),
            body => body.map_err(|error| Failure::local(&name, &error)),
        };
        if !self.lines {
            let mut body = Vec::new();
            return once(checked(input.take(room(most, 1)).read_to_end(&mut body).map(|_| body)));
        }
        let (mut ended, mut within_line) = (false, false);
        Box::new(iter::from_fn(move || {
            if ended {
                return None;
            }
            let line = next_line(&mut input, most, &mut within_line).transpose()?;
            ended = line.is_err();
            Some(checked(line))
        }))
    }
}

/// Reads a line without its end; one that is longer than this not to its end, which is passed over when the next is read.
fn next_line(input: &mut impl BufRead, most: usize, within_line: &mut bool) -> io::Result<Option<Vec<u8>>> {
    if *within_line {
        input.skip_until(b'\n')?;
    }
    let mut line = Vec::new();
    if input.take(room(most, 2)).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    *within_line = line.pop_if(|last| *last == b'\n').is_none();
    line.pop_if(|last| *last == b'\r');
    Ok(Some(line))
}

/// So many bytes, and a few that show that there are more.
fn room(most: usize, more: u64) -> u64 {
    u64::try_from(most).unwrap_or(u64::MAX).saturating_add(more)
}

fn too_long(name: &str, limit: usize) -> Failure {
    Failure::new(Exit::Refused, format!("{name}: a body has more than the {limit} bytes that the server takes"))
        .help("beanstalkd -z BYTES sets how long a body may be")
}

fn once<'a>(body: Outcome<Vec<u8>>) -> Iter<'a> {
    Box::new(std::iter::once(body))
}

/// Line ends are no part of base64; encoders put one at the end at least.
fn decode(mut text: Vec<u8>) -> Outcome<Vec<u8>> {
    text.retain(|byte| !byte.is_ascii_whitespace());
    BASE64_STANDARD.decode(text).map_err(|error| Failure::new(Exit::Usage, format!("the body is not base64: {error}")))
}
