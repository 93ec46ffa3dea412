//! The servers that scenarios run against.

mod installed;
mod real;

use std::{fmt, path::Path};

use beanstalk_server::{EmbeddedServer, proto::Dialect};

use crate::{process::Process, raft::Cluster, temp::TempDir};
pub use installed::installed;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A beanstalkd that is installed.
    Real,
    /// The embedded server, as it speaks unless told otherwise.
    Embedded,
    /// The embedded server speaking as beanstalkd 1.12.
    Embedded112,
    /// Three nodes of beanstalkd-rs that are one queue, where they are [installed](crate::raft::installed).
    Cluster,
}

impl Backend {
    /// Those that every suite runs against.
    pub const ALL: &'static [Self] = &[Self::Real, Self::Embedded, Self::Embedded112];

    /// How tests call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Real => "beanstalkd",
            Self::Embedded => "embedded",
            Self::Embedded112 => "embedded-1.12",
            Self::Cluster => "cluster",
        }
    }
}

/// Where a server listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// A free port on 127.0.0.1.
    #[default]
    V4,
    /// A free port on ::1.
    V6,
    /// A Unix socket in a directory of its own.
    Unix,
}

/// How a server is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Where it listens.
    pub place: Place,
    /// The longest body it takes; its own default if not said.
    pub max_job_size: Option<u32>,
}

/// A running server, stopped on drop.
pub struct Server {
    address: String,
    running: Running,
    /// Where its Unix socket is; removed after the server has stopped.
    _directory: Option<TempDir>,
}

enum Running {
    Real(Process),
    Embedded(EmbeddedServer),
    Cluster(Cluster),
}

impl Server {
    /// Starts one that nobody else uses.
    pub fn start(backend: Backend, options: Options) -> Self {
        let directory = (options.place == Place::Unix).then(|| TempDir::new().expect("a temporary directory"));
        let socket = directory.as_ref().map(|directory| directory.path().join("socket"));
        let (address, running) = match backend {
            Backend::Real => {
                let (address, process) = real::start(options, socket.as_deref());
                (address, Running::Real(process))
            }
            Backend::Embedded => embedded(Dialect::V1_13, options, socket.as_deref()),
            Backend::Embedded112 => embedded(Dialect::V1_12, options, socket.as_deref()),
            Backend::Cluster => {
                assert_eq!(options.place, Place::V4, "a cluster listens there only");
                let size = options.max_job_size.map(|size| size.to_string());
                let cluster = Cluster::with_flags(&size.iter().flat_map(|size| ["-z", size]).collect::<Vec<_>>());
                (cluster.endpoint(), Running::Cluster(cluster))
            }
        };
        Self { address, running, _directory: directory }
    }

    /// Where it listens, as clients take it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Makes it take no more jobs.
    pub fn drain(&self) {
        match &self.running {
            Running::Real(process) => process.drain(),
            Running::Embedded(server) => server.set_draining(true),
            Running::Cluster(cluster) => cluster.drain(),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.address).finish()
    }
}

fn embedded(dialect: Dialect, options: Options, socket: Option<&Path>) -> (String, Running) {
    let place = match (options.place, socket) {
        (Place::V4, _) => "127.0.0.1:0".to_string(),
        (Place::V6, _) => "[::1]:0".to_string(),
        (Place::Unix, socket) => format!("unix:{}", socket.expect("a path").display()),
    };
    let mut builder = EmbeddedServer::builder().listen(place).dialect(dialect);
    if let Some(size) = options.max_job_size {
        builder = builder.max_job_size(size);
    }
    let server = builder.start().expect("the embedded server to start");
    (server.addr().to_string(), Running::Embedded(server))
}
