//! A peer that sends what a test scripts.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use nix::{
    libc::linger,
    sys::socket::{setsockopt, sockopt},
};

/// The listening side of one scripted connection. The script runs in a thread of its own, which ends with the connection.
#[derive(Debug)]
pub struct Script {
    address: String,
}

impl Script {
    /// Listens, and plays the script for the first connection.
    pub fn play(script: impl FnOnce(&mut Remote) -> io::Result<()> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            let (stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            // A script never outlives its test for long.
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            stream.set_write_timeout(Some(Duration::from_secs(30)))?;
            script(&mut Remote { stream })
        });
        Self { address }
    }

    /// Answers the first line that comes with these bytes, then waits until the client closes.
    pub fn answer(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::play(move |remote| {
            remote.line()?;
            remote.send(bytes)?;
            remote.wait_for_the_end()
        })
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// The peer's end of the connection.
#[derive(Debug)]
pub struct Remote {
    stream: TcpStream,
}

impl Remote {
    /// Reads a command line, without its CRLF.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") {
            self.stream.read_exact(&mut byte)?;
            line.extend_from_slice(&byte);
        }
        line.truncate(line.len() - 2);
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Sends bytes, as one write where the system lets it.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Reads and drops so many bytes.
    pub fn skip(&mut self, bytes: usize) -> io::Result<()> {
        self.stream.read_exact(&mut vec![0; bytes])
    }

    /// Makes the end of the script a reset of the connection.
    pub fn end_with_a_reset(&mut self) -> io::Result<()> {
        Ok(setsockopt(&self.stream, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 })?)
    }

    /// Reads and drops everything until the client closes.
    pub fn wait_for_the_end(&mut self) -> io::Result<()> {
        io::copy(&mut self.stream, &mut io::sink()).map(|_| ())
    }
}
