//! What stands in front of a server that speaks neither TLS nor of tokens: it ends TLS, asks for a token, and passes on the rest.

use std::{
    io,
    net::TcpListener,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll},
};

use beanstalk_driver::{TlsOptions, rustls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    runtime::Runtime,
};
use tokio_rustls::TlsAcceptor;

/// An issuer of certificates.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its issuer's behind it, and its key.
pub type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Authority {
    /// Makes one up.
    #[allow(clippy::new_without_default, reason = "it is made, not defaulted")]
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    /// Who it is, to be trusted.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A certificate for this name.
    pub fn issue(&self, name: &str) -> Identity {
        self.issue_until(name, 4000)
    }

    /// A certificate for this name that is valid until this year.
    pub fn issue_until(&self, name: &str, year: i32) -> Identity {
        let mut params = CertificateParams::new([name.to_string()]).expect("a name");
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }

    /// Who it is, as a file has it.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for this name and its key, as files have them.
    pub fn issue_pem(&self, name: &str) -> (String, String) {
        let params = CertificateParams::new([name.to_string()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        (params.signed_by(&key, &self.0).expect("a certificate").pem(), key.serialize_pem())
    }

    /// What a client trusts that trusts this alone.
    pub fn trusted(&self) -> TlsOptions {
        TlsOptions::new().roots([self.certificate()])
    }

    /// A server with this identity; if it has a client's authority, that wants certificates from there.
    pub fn server(identity: Identity, clients: Option<&Self>) -> Arc<ServerConfig> {
        let (chain, key) = identity;
        let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("a version");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.certificate()).expect("a root");
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        Arc::new(builder.with_single_cert(chain, key).expect("a server's configuration"))
    }
}

/// What a front does with each connection.
#[derive(Clone, Default)]
pub struct Manners {
    /// TLS, if there is any.
    pub tls: Option<Arc<ServerConfig>>,
    /// What has to come first: `auth` with this.
    pub token: Option<&'static str>,
    /// One byte goes in each write.
    pub in_bytes: bool,
    /// After so many bytes of replies the connection is cut off.
    pub cut_after: Option<u64>,
}

/// A listener in front of a server.
#[derive(Debug)]
pub struct Front {
    address: String,
    accepted: Arc<AtomicUsize>,
    ends: mpsc::Receiver<io::Result<()>>,
    runtime: Option<Runtime>,
}

impl Front {
    /// Starts one, in front of a server at this address.
    pub fn start(server: &str, manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let address = listener.local_addr().expect("an address").to_string();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let accepted = Arc::new(AtomicUsize::new(0));
        let (ended, ends) = mpsc::channel();
        let (count, server) = (Arc::clone(&accepted), server.to_string());
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let (manners, server, ended) = (manners.clone(), server.clone(), ended.clone());
                tokio::spawn(async move {
                    let _ = ended.send(serve(client, &server, manners).await);
                });
            }
        });
        Self { address, accepted, ends, runtime: Some(runtime) }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The port.
    pub fn port(&self) -> &str {
        self.address.rsplit(':').next().unwrap_or_default()
    }

    /// How many connections came.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Waits for the end of a connection: an error if it was not ended in order.
    pub fn end(&self) -> io::Result<()> {
        self.ends.recv().expect("a connection")
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

async fn serve(client: TcpStream, server: &str, manners: Manners) -> io::Result<()> {
    client.set_nodelay(true)?;
    let client = Pieces { stream: client, in_bytes: manners.in_bytes };
    let mut client: Box<dyn Duplex> = match manners.tls {
        Some(tls) => Box::new(TlsAcceptor::from(tls).accept(client).await?),
        None => Box::new(client),
    };
    if let Some(token) = manners.token {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(client.read_u8().await?);
        }
        if line != format!("auth {token}\r\n").as_bytes() {
            client.write_all(b"UNAUTHORIZED\r\n").await?;
            return client.shutdown().await;
        }
        client.write_all(b"AUTHENTICATED\r\n").await?;
        client.flush().await?;
    }
    let server = TcpStream::connect(server).await?;
    let (from_server, mut to_server) = server.into_split();
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let cut = manners.cut_after.is_some();
    let mut replies = from_server.take(manners.cut_after.unwrap_or(u64::MAX));
    let down = async {
        tokio::io::copy(&mut replies, &mut to_client).await?;
        match cut {
            // Everything is dropped, and nobody is told.
            true => Err(io::ErrorKind::Interrupted.into()),
            false => to_client.shutdown().await,
        }
    };
    let up = async {
        tokio::io::copy(&mut from_client, &mut to_server).await?;
        to_server.shutdown().await
    };
    smol::future::try_zip(down, up).await.map(drop)
}

/// Writes byte by byte, if it is to.
struct Pieces {
    stream: TcpStream,
    in_bytes: bool,
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.in_bytes {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let mut byte = buf.take(1);
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut byte);
        let read = byte.filled().to_vec();
        buf.put_slice(&read);
        polled
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let piece = if self.in_bytes { buf.get(..1).unwrap_or(buf) } else { buf };
        Pin::new(&mut self.stream).poll_write(cx, piece)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
