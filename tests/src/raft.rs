//! beanstalkd-rs, another server of the protocol, as one node or as a Raft cluster of three on the loopback.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    slice, thread,
    time::Duration,
};

use crate::{
    port,
    process::{Process, State, becomes_ready},
    temp::TempDir,
};

/// The beanstalkd-rs to run: the one that `BEANSTALKD_RS` names, else the first in `PATH`.
pub fn installed() -> Option<PathBuf> {
    if let Some(named) = env::var_os("BEANSTALKD_RS").filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|directory| directory.join("beanstalkd-rs")).find(|file| file.is_file())
}

/// A node, killed on drop.
#[derive(Debug)]
pub struct Node {
    address: String,
    http: String,
    config: PathBuf,
    process: Option<Process>,
}

impl Node {
    /// Starts one by itself, with this in its configuration behind the address of its listener.
    pub fn alone(directory: &Path, listener: &str) -> Self {
        port::until_started(|| {
            let mut node = Self::configure(directory, "alone", listener, "");
            node.start(&[]);
            are_ready(slice::from_mut(&mut node)).then_some(node)
        })
    }

    fn configure(directory: &Path, name: &str, listener: &str, rest: &str) -> Self {
        let (address, http) = (local(), local());
        let config = directory.join(format!("{name}.toml"));
        let text = format!("[[listener]]\naddr = \"{address}\"\n{listener}\n[http]\naddr = \"{http}\"\n{rest}");
        fs::write(&config, text).expect("a configuration");
        Self { address, http, config, process: None }
    }

    /// Where it listens for clients.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Kills it: it finishes nothing.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it, again if it was killed.
    pub fn start(&mut self, flags: &[&str]) {
        let mut command = Command::new(installed().expect("a beanstalkd-rs"));
        command.arg("--config").arg(&self.config).args(flags);
        let printed = fs::File::create(self.printed()).expect("a file for what it prints");
        self.process = Some(Process::start(&mut command, printed));
    }

    fn printed(&self) -> PathBuf {
        self.config.with_extension("printed")
    }

    fn drain(&self) {
        self.process.as_ref().expect("it runs").drain();
    }

    fn state(&mut self) -> State {
        let (http, process) = (&self.http, self.process.as_mut().expect("it runs"));
        process.state(|| get(http, "/readyz").is_some_and(|reply| reply.starts_with("HTTP/1.1 200")))
    }

    /// Which node it takes for the leader, if it runs and takes one for that.
    fn leader(&self) -> Option<usize> {
        let metrics = get(&self.http, "/metrics")?;
        let line = metrics.lines().find(|line| line.starts_with("beanstalkd_cluster_leader_id"))?;
        line.rsplit(' ').next()?.parse::<usize>().ok()?.checked_sub(1)
    }
}

/// Waits until they are ready; `false`, said with what they printed, if one has ended.
fn are_ready(nodes: &mut [Node]) -> bool {
    let ready = becomes_ready(|| nodes.iter_mut().map(Node::state).min().expect("a node"));
    for node in nodes.iter().filter(|_| !ready) {
        let printed = fs::read_to_string(node.printed()).unwrap_or_default();
        eprintln!("beanstalkd-rs at {} was started in vain; it printed:\n{printed}", node.address);
    }
    ready
}

fn get(http: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(http).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut reply = Vec::new();
    let _ended = stream.read_to_end(&mut reply);
    Some(String::from_utf8_lossy(&reply).into_owned())
}

/// Three nodes that are one queue.
#[derive(Debug)]
pub struct Cluster {
    pub nodes: Vec<Node>,
    _directory: TempDir,
}

impl Cluster {
    /// Starts one.
    #[allow(clippy::new_without_default, reason = "it is started, not defaulted")]
    pub fn new() -> Self {
        Self::with_flags(&[])
    }

    /// Starts one, with these flags of each node.
    pub fn with_flags(flags: &[&str]) -> Self {
        port::until_started(|| {
            let mut cluster = Self::configure();
            cluster.nodes.iter_mut().for_each(|node| node.start(&[&["--cluster-init"], flags].concat()));
            are_ready(&mut cluster.nodes).then_some(cluster)
        })
    }

    fn configure() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let peers: Vec<_> = (0..3).map(|_| local()).collect();
        let mut of_peers = String::new();
        for (id, peer) in (1..).zip(&peers) {
            write!(of_peers, "[[cluster.peer]]\nid = {id}\naddr = \"{peer}\"\n").expect("a text");
        }
        let nodes = (1..)
            .zip(&peers)
            .map(|(id, listen)| {
                let data = directory.path().join(id.to_string());
                let rest = format!(
                    "[cluster]\nnode_id = {id}\nlisten = \"{listen}\"\ndata_dir = \"{}\"\ninsecure_plaintext = true\n{of_peers}",
                    data.display()
                );
                Node::configure(directory.path(), &format!("node-{id}"), "", &rest)
            })
            .collect();
        Self { nodes, _directory: directory }
    }

    /// All nodes, as an endpoint.
    pub fn endpoint(&self) -> String {
        self.nodes.iter().map(Node::address).collect::<Vec<_>>().join(",")
    }

    /// Kills all nodes.
    pub fn kill(&mut self) {
        self.nodes.iter_mut().for_each(Node::kill);
    }

    /// Starts all nodes again that were killed, and waits until everybody is ready.
    pub fn restart(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.start(&[]));
        self.wait_until_ready();
    }

    /// Has every node take no more jobs.
    pub fn drain(&self) {
        self.nodes.iter().for_each(Node::drain);
    }

    /// Kills the leader and starts it again, and waits until there is one, and everybody is ready.
    pub fn kill_the_leader(&mut self, down: Duration) {
        let leader = self.nodes.iter().find_map(Node::leader).unwrap_or(0);
        self.nodes[leader].kill();
        thread::sleep(down);
        self.nodes[leader].start(&[]);
        self.wait_until_ready();
    }

    fn wait_until_ready(&mut self) {
        assert!(are_ready(&mut self.nodes), "a node is not ready again");
    }
}

fn local() -> String {
    format!("127.0.0.1:{}", port::unused("127.0.0.1"))
}
