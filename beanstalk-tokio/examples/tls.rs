//! A client over TLS. beanstalkd speaks none, so something in front of it does: here a few lines that stand for stunnel,
//! HAProxy or the like. The certificate is made on the spot.
//!
//! ```text
//! cargo run -p beanstalk-tokio --example tls
//! ```

use std::{error::Error, sync::Arc};

use beanstalk_server::EmbeddedServer;
use beanstalk_tokio::Client;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    },
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = EmbeddedServer::start()?;
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()])?;
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key)?;
    tokio::spawn(terminate_tls(listener, TlsAcceptor::from(Arc::new(config)), server.addr().to_string()));

    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost")?;
    let stream = connector(certificate)?.connect(name, stream).await?;

    // From here on nothing is special.
    let mut client = Client::from_stream(stream);
    let id = client.put(0, 0, 60, "a secret on its way").await?.id();
    let job = client.reserve().await?.job().ok_or("no job")?;
    println!("job {id}: {:?}", job.text()?);
    client.delete(job.id).await?;
    client.disconnect().await?;
    Ok(())
}

/// Trusts this certificate and no other.
fn connector(certificate: CertificateDer<'static>) -> Result<TlsConnector, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Takes TLS off every connection and passes it on.
async fn terminate_tls(listener: TcpListener, acceptor: TlsAcceptor, to: String) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let (acceptor, to) = (acceptor.clone(), to.clone());
        tokio::spawn(async move {
            let mut outside = acceptor.accept(stream).await?;
            let mut inside = TcpStream::connect(to).await?;
            copy_bidirectional(&mut outside, &mut inside).await
        });
    }
}
