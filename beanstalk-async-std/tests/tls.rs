//! A client over TLS, by futures-rustls, which keeps what it is given until it is flushed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test asserts what it counts on")]

use std::sync::Arc;

use async_std::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, block_on, spawn},
};
use beanstalk_async_std::{Client, Put, Ticket};
use futures_rustls::{
    TlsAcceptor, TlsConnector, client,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        pki_types::{PrivateKeyDer, ServerName},
    },
    server,
};
use smol::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

type Server = BufReader<server::TlsStream<TcpStream>>;

/// A client, and what a server with the other end of it comes to.
async fn pair<F: Future<Output: Send> + Send + 'static>(
    serve: impl FnOnce(Server) -> F + Send + 'static,
) -> (Client<client::TlsStream<TcpStream>>, JoinHandle<F::Output>) {
    let made = rcgen::generate_simple_self_signed(["queue.test".to_owned()]).unwrap();
    let (cert, key) = (made.cert.der().clone(), PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into()));
    let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(BufReader::new(TlsAcceptor::from(Arc::new(server)).accept(stream).await.unwrap())).await
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("queue.test").unwrap();
    let stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap();
    (Client::from_stream(stream), serving)
}

async fn line(server: &mut Server) -> String {
    let mut line = String::new();
    server.read_line(&mut line).await.unwrap();
    line.trim_end().to_owned()
}

#[test]
fn a_put_that_was_flushed_arrives_though_its_client_closes_at_once() {
    let _bound = beanstalk_tests::watchdog::bound();
    block_on(async {
        let (mut client, serving) =
            pair(|mut server| async move { [line(&mut server).await, line(&mut server).await] }).await;
        let _reply: Ticket<_> = client.send(Put::of("over tls")).await.unwrap();
        drop(client);
        assert_eq!(serving.await, ["put 1024 0 60 8", "over tls"]);
    });
}

#[test]
fn a_clean_end_of_the_session_is_noticed_without_a_call() {
    let _bound = beanstalk_tests::watchdog::bound();
    block_on(async {
        let (mut client, serving) = pair(|mut server| async move {
            line(&mut server).await;
            server.write_all(b"USING default\r\n").await.unwrap();
            server.close().await.unwrap();
            server
        })
        .await;
        assert_eq!(client.list_tube_used().await.unwrap(), "default");
        let server = serving.await;
        client.closed().await;
        assert!(client.is_closed());
        drop(server);
    });
}
