//! What a script consists of.

use std::fmt;

/// One thing that happens. Connections are numbered by the script and never used again; a step for one that is not
/// connected is skipped, so that any part of a script is a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A connection is opened.
    Connect(usize),
    /// Bytes are sent, in pieces: the next one when the server has read the last.
    Send {
        /// By this connection.
        conn: usize,
        /// In this order.
        pieces: Vec<Vec<u8>>,
    },
    /// A connection sends nothing more.
    HalfClose(usize),
    /// A connection is closed, whatever is still on the way.
    Vanish(usize),
    /// The server goes into drain mode.
    Drain,
}

/// What is done to a server, and how it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The longest body it takes; its own default if not said.
    pub max_job_size: Option<u32>,
    /// What is done to it, each once the last has had its effect.
    pub steps: Vec<Step>,
}

impl Step {
    /// A connection sends all at once.
    pub fn send(conn: usize, bytes: impl AsRef<[u8]>) -> Self {
        Self::Send { conn, pieces: vec![bytes.as_ref().to_vec()] }
    }
}

/// As much of a long text as a person wants to see.
pub(super) fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 300;
    match bytes.get(..MOST) {
        Some(first) => format!("{}… ({} bytes)", first.escape_ascii(), bytes.len()),
        None => bytes.escape_ascii().to_string(),
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(conn) => write!(f, "[{conn}] connects"),
            Self::Send { conn, pieces } => {
                write!(f, "[{conn}] sends")?;
                pieces.iter().try_for_each(|piece| write!(f, " \"{}\"", shown(piece)))
            }
            Self::HalfClose(conn) => write!(f, "[{conn}] half-closes"),
            Self::Vanish(conn) => write!(f, "[{conn}] vanishes"),
            Self::Drain => write!(f, "drain mode"),
        }
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.max_job_size {
            Some(size) => writeln!(f, "max-job-size {size}")?,
            None => writeln!(f, "max-job-size as it is")?,
        }
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}
