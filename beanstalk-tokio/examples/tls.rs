//! A client over TLS. beanstalkd speaks none, so something in front of it does: here a few lines that stand for stunnel,
//! HAProxy or the like. The certificate is made on the spot.
//!
//! ```text
//! cargo run -p beanstalk-tokio --features tls --example tls
//! ```

use std::{error::Error, io, sync::Arc};

use beanstalk_server::EmbeddedServer;
use beanstalk_tokio::{
    Client, ConnectOptions, TlsOptions,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

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

    // Trusts this certificate and no other. The name is the endpoint's host, unless it is set.
    let tls = TlsOptions::new().roots([certificate]).server_name("localhost");
    let options = ConnectOptions::new().tls(tls);
    let mut client = Client::connect_with(&format!("beanstalks://{address}"), options).await?;

    // From here on nothing is special.
    let id = client.put(0, 0, 60, "a secret on its way").await?.inserted()?;
    let job = client.reserve().await?.job().ok_or("no job")?;
    println!("job {id}: {:?}", job.text()?);
    client.delete(job.id).await?;
    client.disconnect().await?;
    Ok(())
}

/// Takes TLS off every connection and passes it on.
async fn terminate_tls(listener: TcpListener, acceptor: TlsAcceptor, to: String) -> io::Result<()> {
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
