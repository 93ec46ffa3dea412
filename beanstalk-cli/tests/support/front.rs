//! What stands in front of a server that speaks neither TLS nor of tokens: it ends TLS, asks for a token, and passes on the rest.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use beanstalk_sync::rustls::{
    RootCertStore, ServerConfig, ServerConnection,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// An issuer of certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    /// As a file has it.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for this name and its key, as files have them.
    pub fn issue_pem(&self, name: &str) -> (String, String) {
        let (certificate, key) = self.issue(name);
        (certificate.pem(), key.serialize_pem())
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        (params.signed_by(&key, &self.0).expect("a certificate"), key)
    }

    /// A server with a certificate for this name; if `clients` is there, it wants certificates from there.
    pub fn server(&self, name: &str, clients: Option<&Self>) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("a version");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::clone(clients.0.der())).expect("a root");
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let (certificate, key) = self.issue(name);
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key).expect("a certificate and its key"))
    }
}

/// Starts to listen in front of a server until the process ends, and returns the port.
pub fn start(server: &str, tls: Option<Arc<ServerConfig>>, token: Option<&'static str>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = server.to_owned();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (server, tls) = (server.clone(), tls.clone());
            // Whoever is refused, or goes away, ends its own connection only.
            thread::spawn(move || serve(client?, &server, tls, token));
        }
    });
    port
}

fn serve(client: TcpStream, server: &str, tls: Option<Arc<ServerConfig>>, token: Option<&str>) -> io::Result<()> {
    let Some(tls) = tls else { return admit(client, server, token) };
    // TLS ends here; behind it stands a connection of its own, to what asks for the token.
    let inner = TcpListener::bind("127.0.0.1:0")?;
    let plain = TcpStream::connect(inner.local_addr()?)?;
    let (behind, _) = inner.accept()?;
    let (server, token) = (server.to_owned(), token.map(str::to_owned));
    thread::spawn(move || admit(behind, &server, token.as_deref()));
    let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
    let connection = Arc::new(Mutex::new(connection));
    let (down, mut from_server, to_client) = (Arc::clone(&connection), plain.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(n) = from_server.read(&mut buffer) {
            let mut connection = down.lock().unwrap_or_else(PoisonError::into_inner);
            match n {
                0 => connection.send_close_notify(),
                n => connection.writer().write_all(&buffer[..n])?,
            }
            flush(&mut connection, &to_client)?;
            if n == 0 {
                break;
            }
        }
        to_client.shutdown(Shutdown::Write)
    });
    let ended = decrypt(&connection, &client, &plain);
    plain.shutdown(Shutdown::Write)?;
    ended
}

/// From the client to the server.
fn decrypt(connection: &Mutex<ServerConnection>, mut client: &TcpStream, mut plain: &TcpStream) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let n = client.read(&mut buffer)?;
        let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut input = &buffer[..n];
        while !input.is_empty() {
            connection.read_tls(&mut input)?;
            let processed = connection.process_new_packets();
            flush(&mut connection, client)?;
            let Ok(state) = processed else {
                return client.shutdown(Shutdown::Write);
            };
            let mut text = vec![0; state.plaintext_bytes_to_read()];
            connection.reader().read_exact(&mut text)?;
            plain.write_all(&text)?;
            if state.peer_has_closed() {
                return Ok(());
            }
        }
        if n == 0 {
            return Ok(());
        }
    }
}

fn flush(connection: &mut ServerConnection, mut client: &TcpStream) -> io::Result<()> {
    while connection.wants_write() {
        connection.write_tls(&mut client)?;
    }
    Ok(())
}

/// Asks for the token, if one is set, and passes on the rest.
fn admit(client: TcpStream, server: &str, token: Option<&str>) -> io::Result<()> {
    let mut from_client = BufReader::new(client.try_clone()?);
    let mut to_client = client;
    if let Some(token) = token {
        let mut line = String::new();
        from_client.read_line(&mut line)?;
        if line != format!("auth {token}\r\n") {
            to_client.write_all(b"UNAUTHORIZED\r\n")?;
            return to_client.shutdown(Shutdown::Both);
        }
        to_client.write_all(b"AUTHENTICATED\r\n")?;
    }
    let mut to_server = TcpStream::connect(server)?;
    let mut from_server = to_server.try_clone()?;
    thread::spawn(move || {
        io::copy(&mut from_server, &mut to_client)?;
        to_client.shutdown(Shutdown::Write)
    });
    io::copy(&mut from_client, &mut to_server)?;
    to_server.shutdown(Shutdown::Write)
}
