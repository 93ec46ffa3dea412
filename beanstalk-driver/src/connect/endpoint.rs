//! Where a queue is: what a user writes, and the one text that it is printed as.
//!
//! ```text
//!   endpoint  =  node *("," node)                 equal nodes of one queue
//!   node      =  [scheme "://"] [host] [":" port] ["/"]  |  "unix:" path
//!   scheme    =  "beanstalk" | "beanstalks"       plaintext, TLS
//!   host      =  name | IPv4 | "[" IPv6 "]"
//! ```

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::{fmt, net::Ipv6Addr, str::FromStr};

use beanstalk_proto::{ArgumentError, Error};

/// The port that beanstalkd listens on unless started with another.
pub const DEFAULT_PORT: u16 = 11300;
const DEFAULT_HOST: &str = "localhost";

/// Where one queue answers: a server, or several equal nodes of one, parsed and not yet resolved.
///
/// | text | meaning |
/// |---|---|
/// | `queue.example:11301`, `10.0.0.7:11301`, `[::1]:11301` | a host and a port |
/// | `queue.example`, `[::1]` | port 11300 |
/// | `:11301`, the empty text | on `localhost` |
/// | `unix:/run/queue.sock` | a Unix socket |
/// | `beanstalk://queue.example:11301` | the same as without the scheme |
/// | `beanstalks://queue.example:11301` | TLS |
/// | `a,b:11301,unix:/run/c` | equal nodes, tried in this order |
///
/// A scheme before the first node counts for all of them: the nodes of an endpoint use TLS all or none, so that an attacker who blocks
/// some of them cannot bring a client to speak plaintext.
///
/// [`Display`](fmt::Display) prints one canonical text, which parses to the same endpoint: host names in lower case, every port
/// written, a scheme only for TLS.
///
/// ```
/// use beanstalk_driver::Endpoint;
///
/// let endpoint: Endpoint = "beanstalk://Queue.example,[::0:1]:11301".parse()?;
/// assert_eq!(endpoint.to_string(), "queue.example:11300,[::1]:11301");
/// assert_eq!(endpoint.nodes().len(), 2);
///
/// let error = "queue.example:http".parse::<Endpoint>().unwrap_err();
/// let problem = r#"the port "http" is not a number from 1 to 65535"#;
/// let text = format!(r#""queue.example:http" is not an endpoint: {problem}"#);
/// assert_eq!(error.to_string(), text);
/// # Ok::<(), beanstalk_driver::EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    tls: bool,
    /// At least one.
    nodes: Vec<Node>,
}

/// One server of an [`Endpoint`].
///
/// ```
/// use beanstalk_driver::{Endpoint, Node};
///
/// let endpoint: Endpoint = "queue.example,unix:/run/queue.sock".parse()?;
/// for node in endpoint.nodes() {
///     match node {
///         Node::Tcp { host, port } => assert_eq!((&**host, *port), ("queue.example", 11300)),
///         Node::Unix(path) => assert_eq!(path, "/run/queue.sock"),
///         node => println!("{node}"),
///     }
/// }
/// # Ok::<(), beanstalk_driver::EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Node {
    /// A host and a port.
    Tcp {
        /// A host name or IP address, an IPv6 address without its brackets.
        host: String,
        /// The port, never 0.
        port: u16,
    },
    /// The path of a Unix socket.
    Unix(String),
}

/// A text that is no [`Endpoint`], and what is wrong with it.
///
/// ```
/// use beanstalk_driver::Endpoint;
///
/// let error = "redis://queue".parse::<Endpoint>().unwrap_err();
/// assert_eq!(error.text(), "redis://queue");
/// assert_eq!(error.problem(), r#"the scheme "redis" is neither beanstalk nor beanstalks"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an endpoint: {problem}")]
pub struct EndpointError {
    text: Box<str>,
    problem: Box<str>,
}

impl Endpoint {
    /// Returns the nodes, in the order in which they are tried; there is at least one.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns whether connections use TLS.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.tls
    }
}

impl EndpointError {
    /// Returns the text, as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns what is wrong with it.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl Default for Endpoint {
    /// `localhost:11300`.
    fn default() -> Self {
        Self { tls: false, nodes: [Node::Tcp { host: DEFAULT_HOST.into(), port: DEFAULT_PORT }].into() }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        parse(text).map_err(|problem| EndpointError { text: text.into(), problem: problem.into() })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tls {
            f.write_str("beanstalks://")?;
        }
        for (n, node) in self.nodes.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            node.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

/// The error is what is wrong with it, as that of the functions below.
fn parse(text: &str) -> Result<Endpoint, String> {
    if text.is_empty() {
        return Ok(Endpoint::default());
    }
    let mut tls = None;
    let mut nodes = Vec::new();
    for (n, item) in (1..).zip(text.split(',')) {
        if item.is_empty() {
            return Err(format!("node {n} of the list is empty"));
        }
        let (scheme, rest) = scheme(item)?;
        let all = *tls.get_or_insert(scheme.unwrap_or(false));
        if scheme.is_some_and(|scheme| scheme != all) {
            return Err("either all of its nodes use TLS (beanstalks://) or none does".into());
        }
        let path = rest.strip_prefix("unix:").filter(|_| scheme.is_none());
        nodes.push(match path {
            Some(_) if all => return Err(format!("a Unix socket has no TLS: {item:?}")),
            Some(path) => unix(path)?,
            None => tcp(rest.strip_suffix('/').filter(|_| scheme.is_some()).unwrap_or(rest))?,
        });
    }
    Ok(Endpoint { tls: tls.unwrap_or(false), nodes })
}

/// Whether a scheme asks for TLS, and what follows it.
fn scheme(item: &str) -> Result<(Option<bool>, &str), String> {
    match item.split_once("://") {
        None => Ok((None, item)),
        Some(_) if item.starts_with("unix:") => Ok((None, item)),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("beanstalk") => Ok((Some(false), rest)),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("beanstalks") => Ok((Some(true), rest)),
        Some((scheme, _)) => Err(format!("the scheme {scheme:?} is neither beanstalk nor beanstalks")),
    }
}

fn unix(path: &str) -> Result<Node, String> {
    if path.trim_matches('/').is_empty() {
        return Err("the path of the Unix socket is missing".into());
    }
    if path.contains('\0') {
        return Err("a path cannot contain a zero byte".into());
    }
    // As in `unix:///run/queue.sock`.
    let absolute = path.strip_prefix('/').map(|rest| format!("/{}", rest.trim_start_matches('/')));
    Ok(Node::Unix(absolute.unwrap_or_else(|| path.into())))
}

fn tcp(text: &str) -> Result<Node, String> {
    if text.contains('@') {
        return Err("a user or a password is not supported".into());
    }
    if text.starts_with(['/', '.']) && text.contains('/') {
        return Err(format!("a Unix socket is written unix:{text}"));
    }
    if let Some(at) = text.find(['/', '?', '#']) {
        return Err(format!("nothing can follow the port, and {:?} does", text.split_at(at).1));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (v6, rest) = rest.split_once(']').ok_or("the ']' is missing")?;
            let port = match rest.strip_prefix(':') {
                None if !rest.is_empty() => return Err(format!("only a port can follow the ']', and {rest:?} does")),
                port => port,
            };
            (ipv6(v6)?, port)
        }
        None => match text.split_once(':') {
            // Where it ends and where the port begins is ambiguous.
            Some((_, port)) if port.contains(':') => {
                return Err("an IPv6 address is written in brackets, as in [::1]:11300".into());
            }
            Some((host, port)) => (name(host)?, Some(port)),
            None if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Err(format!("a number alone is not a host; a port is written :{text}"));
            }
            None => (name(text)?, None),
        },
    };
    Ok(Node::Tcp { host, port: port.map_or(Ok(DEFAULT_PORT), number)? })
}

fn number(port: &str) -> Result<u16, String> {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(port) if digits && port > 0 => Ok(port),
        _ => Err(format!("the port {port:?} is not a number from 1 to 65535")),
    }
}

fn name(host: &str) -> Result<String, String> {
    if host.is_empty() {
        return Ok(DEFAULT_HOST.into());
    }
    if host.eq_ignore_ascii_case("unix") {
        return Err("a host cannot be called unix, which stands for Unix sockets".into());
    }
    match host.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '.' | '_')) {
        Some(c) => Err(format!("a host name cannot contain {c:?}")),
        None => Ok(host.to_ascii_lowercase()),
    }
}

/// An address, perhaps with the name of the interface that it is reached by.
fn ipv6(text: &str) -> Result<String, String> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let bad = || format!("{text:?} is not an IPv6 address");
    let address: Ipv6Addr = address.parse().map_err(|_| bad())?;
    match zone {
        None => Ok(format!("{address}")),
        Some(zone) if !zone.is_empty() && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) => {
            Ok(format!("{address}%{zone}"))
        }
        Some(_) => Err(bad()),
    }
}

impl From<EndpointError> for ArgumentError {
    fn from(error: EndpointError) -> Self {
        Self::Endpoint { text: error.text().into(), problem: error.problem().into() }
    }
}

impl From<EndpointError> for Error {
    fn from(error: EndpointError) -> Self {
        Self::Argument(error.into())
    }
}

#[cfg(test)]
mod tests;
