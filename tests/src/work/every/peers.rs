//! Peers made up for the purpose, which serve any number of connections.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// A server that answers each command line by a function of it; with nothing, where that gives nothing.
pub(super) struct Answering {
    pub(super) address: String,
    /// Connections so far.
    pub(super) connections: Arc<AtomicU64>,
}

impl Answering {
    pub(super) fn start(answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("an address").to_string();
        let connections = Arc::new(AtomicU64::new(0));
        let (count, answer) = (Arc::clone(&connections), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::Relaxed);
                let answer = Arc::clone(&answer);
                thread::spawn(move || serve(stream?, &*answer));
            }
        });
        Self { address, connections }
    }
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(&str) -> Option<String>) -> io::Result<()> {
    for line in BufReader::new(stream.try_clone()?).lines() {
        if let Some(reply) = answer(&line?) {
            stream.write_all(reply.as_bytes())?;
        }
    }
    Ok(())
}

/// What a server with one watched tube answers to what is no reserve.
pub(super) fn obliging(line: &str) -> Option<String> {
    let word = line.split(' ').next();
    matches!(word, Some("watch" | "ignore")).then(|| "WATCHING 1\r\n".to_string())
}
