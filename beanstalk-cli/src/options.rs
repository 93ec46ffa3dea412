//! The options that count for every verb, and how arguments are read.

use std::{path::PathBuf, time::Duration};

use beanstalk_sync::{Endpoint, TubeName, TubeNameError};
use clap::Args;

use crate::output::{Colour, Form};

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options for every verb")]
pub(crate) struct Options {
    /// The endpoint of a queue; repeat it for several servers. `localhost:11300` if there is none.
    ///
    /// host, host:port, [v6]:port, unix:/path, beanstalk://host:port, or several of these with commas: equal nodes of one queue,
    /// tried in this order. Without this option, those in the variable BEANSTALK_URL, separated by spaces.
    #[arg(short = 's', long = "server", value_name = "ENDPOINT", global = true)]
    pub(crate) servers: Vec<Endpoint>,

    /// How to print
    #[arg(short, long, value_enum, value_name = "FORM", global = true, default_value = "table")]
    pub(crate) output: Form,

    /// Print bodies as they are, byte for byte, and nothing else of a job
    #[arg(long, global = true)]
    pub(crate) raw: bool,

    /// Refuse every verb that would change something
    #[arg(long, global = true)]
    pub(crate) read_only: bool,

    /// Only print what would be done
    #[arg(short = 'n', long, global = true)]
    pub(crate) dry_run: bool,

    /// Do not ask before jobs are destroyed or moved
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,

    /// How long connecting may take, and then each reply: seconds, or as in 500ms, 2m
    #[arg(long, global = true, value_name = "TIME", default_value = "5s", value_parser = parse_timeout)]
    pub(crate) timeout: Duration,

    /// Trust servers at beanstalks:// endpoints whose certificates come from one in this PEM file, in place of those that the system trusts
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// The certificate to show to servers that ask for one, a PEM file
    #[arg(long, global = true, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,

    /// Its key, a PEM file
    #[arg(long, global = true, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// A file with the token, for servers that require one; without it, the variable BEANSTALK_TOKEN
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", global = true, default_value = "auto")]
    pub(crate) color: Colour,
}

/// A tube's name, of an argument.
pub(crate) fn parse_tube(name: &str) -> Result<TubeName, TubeNameError> {
    TubeName::new(name)
}

/// Whole seconds as the protocol has them: `90`, `90s`, `5m`, `2h`, `1d`.
pub(crate) fn parse_seconds(text: &str) -> Result<u32, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text.strip_prefix(digits).unwrap_or_default() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        other => return Err(format!("{other:?} is not a unit of time; the units are s, m, h and d")),
    };
    let number: u64 = digits.parse().map_err(|_| "a time is a whole number and a unit, as in 90s or 5m".to_owned())?;
    let seconds = number.checked_mul(unit).and_then(|seconds| u32::try_from(seconds).ok());
    seconds.ok_or_else(|| format!("the protocol's longest time is {} seconds", u32::MAX))
}

/// A timeout: as seconds, and `500ms`.
pub(crate) fn parse_timeout(text: &str) -> Result<Duration, String> {
    let duration = match text.strip_suffix("ms").map(str::parse) {
        Some(Ok(ms)) => Duration::from_millis(ms),
        _ => Duration::from_secs(parse_seconds(text)?.into()),
    };
    if duration.is_zero() { Err("the time must be longer than zero".into()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        assert_eq!(parse_seconds("90"), Ok(90));
        assert_eq!(parse_seconds("5m"), Ok(300));
        assert_eq!(parse_seconds("2h"), Ok(7200));
        assert_eq!(parse_seconds("1d"), Ok(86_400));
        for bad in ["", "s", "-1", "1.5", "1w", "49711d", "4294967296", "1 s"] {
            assert!(parse_seconds(bad).is_err(), "{bad:?}");
        }
        assert_eq!(parse_timeout("500ms"), Ok(Duration::from_millis(500)));
        assert!(parse_timeout("0").is_err() && parse_timeout("0ms").is_err() && parse_timeout("xms").is_err());
    }
}
