//! Bodies on their way in: arguments, files, standard input.

use std::{
    ffi::OsString,
    fs,
    io::{self, BufRead, Read},
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
    /// The bodies one by one: those of lines are read as they are needed.
    pub(crate) fn iter(&self) -> Iter<'_> {
        let bodies: Iter<'_> = if !self.files.is_empty() {
            Box::new(self.files.iter().flat_map(|path| {
                let name = path.display().to_string();
                match fs::File::open(path) {
                    Ok(file) => self.read(name, Box::new(io::BufReader::new(file))),
                    Err(error) => once(Err(Failure::local(name, &error))),
                }
            }))
        } else if self.bodies.is_empty() {
            self.stdin()
        } else {
            Box::new(self.bodies.iter().flat_map(|body| match body.as_encoded_bytes() {
                b"-" => self.stdin(),
                body if self.lines => self.read("argument".into(), Box::new(body)),
                body => once(Ok(body.to_vec())),
            }))
        };
        if self.base64 { Box::new(bodies.map(|body| body.and_then(decode))) } else { bodies }
    }

    fn stdin(&self) -> Iter<'_> {
        self.read("standard input".into(), Box::new(io::stdin().lock()))
    }

    fn read<'a>(&self, name: String, mut input: Box<dyn BufRead + 'a>) -> Iter<'a> {
        if self.lines {
            return Box::new(input.split(b'\n').map(move |line| match line {
                Ok(mut line) => {
                    if line.last() == Some(&b'\r') {
                        line.pop();
                    }
                    Ok(line)
                }
                Err(error) => Err(Failure::local(&name, &error)),
            }));
        }
        let mut body = Vec::new();
        let read = input.read_to_end(&mut body);
        once(read.map(|_| body).map_err(|error| Failure::local(name, &error)))
    }
}

fn once<'a>(body: Outcome<Vec<u8>>) -> Iter<'a> {
    Box::new(std::iter::once(body))
}

/// Line ends are no part of base64; encoders put one at the end at least.
fn decode(mut text: Vec<u8>) -> Outcome<Vec<u8>> {
    text.retain(|byte| !byte.is_ascii_whitespace());
    BASE64_STANDARD.decode(text).map_err(|error| Failure::new(Exit::Usage, format!("the body is not base64: {error}")))
}
