//! The path between clients and a server, which can go dead and come back.
//!
//! ```text
//!   client ──▶ Path ──▶ server      held: nothing arrives in either direction, and connections are accepted by nobody but the kernel;
//!          ◀──      ◀──                   what is on its way arrives when the path is released, as retransmitted packets do
//!                                   cut: the server is gone from under the connections there are, and the clients get no word of it
//! ```

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// A listener whose connections go on to a server, as long as nobody holds or cuts them.
#[derive(Debug)]
pub struct Path {
    address: String,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    released: Condvar,
    over: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    is_held: bool,
    /// Connections with lower numbers are cut.
    cut_below: usize,
    /// The server's ends, by number.
    servers: Vec<TcpStream>,
    pumps: Vec<JoinHandle<()>>,
}

impl Path {
    /// Starts one to a server.
    pub fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("an address").to_string();
        let (shared, server) = (Arc::new(Shared::default()), server.to_string());
        let accepting = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for client in listener.incoming() {
                    if shared.over.load(Ordering::SeqCst) {
                        return;
                    }
                    // A server that is not there: the client is let go of at once.
                    let _gone = client.and_then(|client| carry(&shared, client, TcpStream::connect(&server)?));
                }
            })
        };
        Self { address, shared, accepting: Some(accepting) }
    }

    /// Where clients connect to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Lets nothing arrive any more.
    pub fn hold(&self) {
        self.shared.lock().is_held = true;
    }

    /// Lets everything arrive again, and what was on its way as well.
    pub fn release(&self) {
        self.shared.lock().is_held = false;
        self.shared.released.notify_all();
    }

    /// Takes the server from under the connections there are. What their clients send is lost, and they get no sign of it.
    pub fn cut(&self) {
        let mut state = self.shared.lock();
        state.cut_below = state.servers.len();
        for server in &state.servers {
            let _gone = server.shutdown(Shutdown::Both);
        }
    }

    /// Waits until every connection has ended and what was sent has arrived.
    pub fn end(mut self) {
        self.stop();
        let pumps = std::mem::take(&mut self.shared.lock().pumps);
        pumps.into_iter().for_each(|pump| pump.join().expect("it only carries bytes"));
    }

    fn stop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.release();
        if let Some(accepting) = self.accepting.take() {
            // Wakes the thread that accepts.
            let _ended = TcpStream::connect(&self.address);
            let _panicked = accepting.join();
        }
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the path is not held, and returns whether this connection is cut.
    fn pass(&self, number: usize) -> bool {
        let held = self.released.wait_while(self.lock(), |state| state.is_held);
        number < held.unwrap_or_else(PoisonError::into_inner).cut_below
    }
}

fn carry(shared: &Arc<Shared>, client: TcpStream, server: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ends = [(client.try_clone()?, server.try_clone()?), (server.try_clone()?, client)];
    let mut state = shared.lock();
    let number = state.servers.len();
    state.servers.push(server);
    for (from, to) in ends {
        let shared = Arc::clone(shared);
        state.pumps.push(thread::spawn(move || pump(&shared, number, from, to)));
    }
    Ok(())
}

/// Carries one direction to its end.
fn pump(shared: &Shared, number: usize, mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = from.read(&mut buffer).unwrap_or(0);
        let is_cut = shared.pass(number);
        match (n, is_cut) {
            // A client gets no end from a server that is cut off.
            (0, true) => return,
            (0, false) => {
                let _gone = to.shutdown(Shutdown::Write);
                return;
            }
            (_, true) => {}
            (n, false) => {
                if to.write_all(&buffer[..n]).is_err() {
                    let _gone = from.shutdown(Shutdown::Both);
                }
            }
        }
    }
}
