//! A network that goes wrong, between real sockets: it splits, delays, stalls, truncates and resets what it carries.
//!
//! ```text
//!   client ──▶ Proxy ──▶ server      one thread for each direction of each connection; what goes wrong, and after how
//!          ◀──       ◀──             many bytes, comes from a seed
//! ```

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use crate::sim::Rng;

/// How long a stall lasts: longer than any timeout of the tests.
const STALL: Duration = Duration::from_secs(20);

/// What becomes of one direction of a connection.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Everything arrives, in pieces, sooner or later.
    Whole,
    /// After so many bytes it ends in order.
    Truncated(usize),
    /// After so many bytes the connection is reset.
    Reset(usize),
    /// After so many bytes nothing arrives for long.
    Stalled(usize),
}

/// A listener whose connections go on to a server, as well as may be.
#[derive(Debug)]
pub struct Proxy {
    address: String,
    target: Arc<Mutex<String>>,
    calm: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl Proxy {
    /// Starts one in front of a server. What goes wrong depends on the seed and on which connection it is.
    pub fn start(target: &str, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let proxy = Self {
            address: listener.local_addr()?.to_string(),
            target: Arc::new(Mutex::new(target.to_string())),
            calm: Arc::default(),
            over: Arc::default(),
        };
        let (target, calm, over) = (Arc::clone(&proxy.target), Arc::clone(&proxy.calm), Arc::clone(&proxy.over));
        let numbers = AtomicU64::new(0);
        thread::spawn(move || {
            for client in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                let rng = Rng::new(seed.wrapping_mul(1000).wrapping_add(number));
                let address = target.lock().map(|target| target.clone()).unwrap_or_default();
                let Ok(client) = client else { continue };
                // A server that is not there: the client is let go of at once.
                if let Ok(server) = TcpStream::connect(address) {
                    let _ = carry(client, server, rng, calm.load(Ordering::Relaxed));
                }
            }
        });
        Ok(proxy)
    }

    /// Where clients connect to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Lets connections made from now on alone.
    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    /// Sends connections made from now on to another server.
    pub fn redirect(&self, target: &str) {
        if let Ok(mut place) = self.target.lock() {
            *place = target.to_string();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(&self.address);
    }
}

fn carry(client: TcpStream, server: TcpStream, mut rng: Rng, calm: bool) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    for (from, to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        let fate = match rng.below(8) {
            _ if calm => Fate::Whole,
            0 => Fate::Truncated(rng.below(4000) as usize),
            1 => Fate::Reset(rng.below(4000) as usize),
            2 => Fate::Stalled(rng.below(4000) as usize),
            _ => Fate::Whole,
        };
        let rng = rng.fork();
        thread::spawn(move || {
            let ended = pump(&from, &to, rng, fate, calm);
            let how = if ended.is_ok_and(|reset| !reset) { Shutdown::Write } else { Shutdown::Both };
            let _ = to.shutdown(how);
            if how == Shutdown::Both {
                let _ = from.shutdown(how);
            }
        });
    }
    Ok(())
}

/// Carries one direction to its end. Says whether that is to be a reset.
fn pump(mut from: &TcpStream, mut to: &TcpStream, mut rng: Rng, fate: Fate, calm: bool) -> io::Result<bool> {
    let mut buffer = vec![0; 64 * 1024];
    let mut carried = 0;
    loop {
        let n = from.read(&mut buffer)?;
        let mut rest = &buffer[..n];
        if rest.is_empty() {
            return Ok(false);
        }
        while !rest.is_empty() {
            let most = if calm || rng.one_in(2) { rest.len() } else { rng.between(1, 200) as usize };
            let left = match fate {
                Fate::Truncated(bytes) | Fate::Reset(bytes) | Fate::Stalled(bytes) => bytes.saturating_sub(carried),
                Fate::Whole => usize::MAX,
            };
            let (piece, later) = rest.split_at(most.min(rest.len()).min(left.max(1)));
            if left == 0 {
                match fate {
                    Fate::Truncated(_) => return Ok(false),
                    Fate::Reset(_) => {
                        // What the peer has not read makes its closing a reset.
                        return Ok(true);
                    }
                    Fate::Stalled(_) | Fate::Whole => {
                        thread::sleep(STALL);
                        return Ok(true);
                    }
                }
            }
            if !calm && rng.one_in(6) {
                thread::sleep(Duration::from_millis(rng.between(1, 8)));
            }
            to.write_all(piece)?;
            carried += piece.len();
            rest = later;
        }
    }
}
