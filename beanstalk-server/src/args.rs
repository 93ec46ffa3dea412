//! beanstalkd's command line, as far as it applies to a server that keeps nothing on disk.

use std::ffi::OsString;

use beanstalk_server::{engine::Settings, proto::Dialect};
use lexopt::{Arg, Parser, ValueExt};

use crate::output::warn;

/// What beanstalkd exits with for a command line it does not understand.
pub(crate) const USAGE_ERROR: u8 = 5;

pub(crate) const USAGE: &str = "\
Use: beanstalk-server [OPTIONS]

An in-memory server that behaves like beanstalkd, for tests and development.
It keeps nothing on disk: when it ends, its jobs are gone.

Options:
 -l ADDR   listen on an address (default is 0.0.0.0), or on unix:PATH
 -p PORT   listen on a port (default is 11300); 0 takes a free one
 -z BYTES  set the maximum job size in bytes (default is 65535);
           max allowed is 1073741824 bytes
 -V        print connections; twice: commands and replies too
 -v        show version information
 -h        show this help
 --speak RELEASE
           speak as beanstalkd 1.12 or 1.13 (default is 1.13)

Environment:
 LISTEN_FDS and LISTEN_PID, as systemd sets them: the first socket that was
           handed over is served, and -l and -p are ignored

Signals:
 SIGUSR1         take no new jobs (drain mode)
 SIGTERM SIGINT  end
";

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    Run(Options),
    Print(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    host: Option<String>,
    port: Option<u16>,
    pub(crate) max_job_size: u32,
    pub(crate) dialect: Dialect,
    pub(crate) verbosity: u8,
}

impl Options {
    /// As the library takes it.
    pub(crate) fn address(&self) -> String {
        let (host, port) = (self.host.as_deref().unwrap_or("0.0.0.0"), self.port.unwrap_or(11300));
        match host {
            unix if unix.starts_with("unix:") => unix.to_owned(),
            bare_v6 if bare_v6.contains(':') && !bare_v6.starts_with('[') => format!("[{bare_v6}]:{port}"),
            _ => format!("{host}:{port}"),
        }
    }
}

#[cfg(unix)]
impl Options {
    /// The options with the address to listen on, for whom they do not count.
    pub(crate) fn place(&self) -> impl Iterator<Item = String> {
        let host = self.host.as_ref().map(|host| format!("-l {host}"));
        let port = self.port.map(|port| format!("-p {port}"));
        host.into_iter().chain(port)
    }
}

pub(crate) fn parse(mut parser: Parser) -> Result<Parsed, lexopt::Error> {
    let mut options = Options {
        host: None,
        port: None,
        max_job_size: Settings::default().max_job_size,
        dialect: Dialect::default(),
        verbosity: 0,
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('l') => options.host = Some(parser.value()?.string()?),
            Arg::Short('p') => options.port = Some(parser.value()?.parse()?),
            Arg::Short('z') => {
                let text = parser.value()?.string()?;
                let bytes = size(&text).ok_or_else(|| format!("invalid size: {text}"))?;
                options.max_job_size = match u32::try_from(bytes) {
                    Ok(bytes) if bytes <= Settings::MAX_JOB_SIZE => bytes,
                    _ => {
                        warn(format_args!("maximum job size was set to {}", Settings::MAX_JOB_SIZE));
                        Settings::MAX_JOB_SIZE
                    }
                };
            }
            Arg::Short('V') => options.verbosity = options.verbosity.saturating_add(1),
            Arg::Short('v') => {
                let version = env!("CARGO_PKG_VERSION");
                return Ok(Parsed::Print(format!("beanstalk-server {version} (speaks as beanstalkd 1.13 or 1.12)\n")));
            }
            Arg::Short('h') | Arg::Long("help") => return Ok(Parsed::Print(USAGE.into())),
            Arg::Long("speak") => options.dialect = dialect(&parser.value()?)?,
            Arg::Short(flag) => match refusal(flag) {
                Some(why) => return Err(why.into()),
                None => return Err(arg.unexpected()),
            },
            _ => return Err(arg.unexpected()),
        }
    }
    Ok(Parsed::Run(options))
}

/// Reads a size as beanstalkd does, by `sscanf` with `%zu`: white space and a sign may come first, what is below zero
/// counts down from 2^64, and what does not fit is the largest there is.
fn size(text: &str) -> Option<u64> {
    let number = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (negative, digits) = match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(match digits.parse::<u64>() {
        Ok(size) if negative => size.wrapping_neg(),
        Ok(size) => size,
        Err(_) => u64::MAX,
    })
}

fn dialect(release: &OsString) -> Result<Dialect, lexopt::Error> {
    match release.to_str() {
        Some("1.12") => Ok(Dialect::V1_12),
        Some("1.13") => Ok(Dialect::V1_13),
        _ => Err(format!("--speak takes 1.12 or 1.13, not {release:?}").into()),
    }
}

/// Why a flag of beanstalkd is not taken. To ignore it would be to promise what is not kept.
fn refusal(flag: char) -> Option<String> {
    let why = match flag {
        'b' => "keeps a binlog, and this server keeps nothing on disk: run beanstalkd to keep jobs",
        'f' | 'F' | 's' | 'c' | 'n' => "is about the binlog, and this server keeps nothing on disk",
        'u' => "changes the user, which this server does not do: start it as the user it should run as",
        _ => return None,
    };
    Some(format!("-{flag} {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(args: &[&str]) -> Options {
        match parse(Parser::from_args(args)) {
            Ok(Parsed::Run(options)) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_are_written_as_for_beanstalkd() {
        let options = options(&["-l", "127.0.0.1", "-p11301", "-VV", "-z", "10", "--speak", "1.12"]);
        assert_eq!(options.address(), "127.0.0.1:11301");
        assert_eq!((options.verbosity, options.max_job_size, options.dialect), (2, 10, Dialect::V1_12));
    }

    #[test]
    fn an_address_may_be_a_host_a_v6_address_or_a_path() {
        assert_eq!(options(&[]).address(), "0.0.0.0:11300");
        assert_eq!(options(&["-l", "localhost"]).address(), "localhost:11300");
        assert_eq!(options(&["-l", "::1", "-p", "1"]).address(), "[::1]:1");
        assert_eq!(options(&["-l", "unix:/tmp/x"]).address(), "unix:/tmp/x");
    }

    #[test]
    fn a_job_size_over_the_maximum_becomes_the_maximum() {
        for size in ["99999999999", "-1", "18446744073709551616"] {
            assert_eq!(options(&["-z", size]).max_job_size, 1 << 30, "{size}");
        }
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_with_a_reason() {
        for flag in ["-b", "-f", "-F", "-n", "-c", "-s", "-u"] {
            let error = parse(Parser::from_args([flag, "x"])).unwrap_err().to_string();
            assert!(error.starts_with(flag), "{error}");
            assert!(error.contains("this server"), "{error}");
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for bad in
            [&["-x"][..], &["-p"], &["-p", "x"], &["-p", "65536"], &["-z", "- 1"], &["word"], &["--speak", "1.10"]]
        {
            assert!(parse(Parser::from_args(bad)).is_err(), "{bad:?}");
        }
    }
}
