//! A socket without a client, for what no client can be made to send.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

/// A TCP connection that sends and receives bytes.
#[derive(Debug)]
pub struct Bare(TcpStream);

impl Bare {
    /// Connects to `host:port`. What does not come within twenty seconds fails the test.
    pub fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Self(stream))
    }

    /// What does not come within this time fails the test.
    pub fn within(&self, time: Duration) {
        self.0.set_read_timeout(Some(time)).unwrap();
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).unwrap();
    }

    /// Checks the next bytes that come.
    #[track_caller]
    pub fn hear(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let mut heard = vec![0; expected.len()];
        let mut len = 0;
        while len < heard.len() {
            match self.0.read(&mut heard[len..]) {
                Ok(0) => break,
                Ok(n) => len += n,
                Err(error) => panic!("after {:?}: {error}", heard[..len].escape_ascii().to_string()),
            }
        }
        assert_eq!(heard[..len].escape_ascii().to_string(), expected.escape_ascii().to_string());
    }

    /// Says one thing and hears another.
    #[track_caller]
    pub fn exchange(&mut self, said: impl AsRef<[u8]>, heard: impl AsRef<[u8]>) {
        self.send(said);
        self.hear(heard);
    }

    /// Reads a line, without its CRLF.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") {
            self.0.read_exact(&mut byte)?;
            line.extend_from_slice(&byte);
        }
        line.truncate(line.len() - 2);
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Reads the `OK <bytes>` reply to a statistics command.
    pub fn stats(&mut self, command: &str) -> io::Result<String> {
        self.0.write_all(format!("{command}\r\n").as_bytes())?;
        let line = self.line()?;
        let bytes = line.strip_prefix("OK ").and_then(|bytes| bytes.parse::<usize>().ok());
        let bytes = bytes.ok_or_else(|| io::Error::other(format!("{command} was answered by {line}")))?;
        let mut body = vec![0; bytes + 2];
        self.0.read_exact(&mut body)?;
        body.truncate(bytes);
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Closes the writing half.
    pub fn half_close(&mut self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }

    /// Checks that the peer closes, and sends nothing before.
    #[track_caller]
    pub fn hear_the_end(&mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.escape_ascii().to_string(), "");
    }
}
