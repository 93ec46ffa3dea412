//! Getting to a server, or not.

use std::{
    io,
    net::{Ipv6Addr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use beanstalk_proto::{ArgumentError, Error, Lost, client::Config};
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, SockaddrIn};

use crate::{
    nobody::Nobody,
    peer::Peer,
    server::{Options, Place},
    session::Stage,
};

pub async fn ipv6_and_unix_sockets_work_like_any_other<P: Peer>(stage: &Stage) {
    let has_v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let v6 = if has_v6 { Place::V6 } else { Place::V4 };
    for place in [v6, Place::Unix] {
        let stage = stage.another(Options { place, ..Options::default() });
        let mut client = stage.connect::<P>().await;
        let body = vec![b'x'; 60000];
        let id = client.put(0, 0, 60, &body).await.unwrap().id();
        let job = client.reserve_with_timeout(5).await.unwrap().job().unwrap();
        assert_eq!((job.id, job.body), (id, body), "at {}", stage.server().address());
        client.disconnect().await.unwrap();
    }
}

pub async fn a_host_name_works_like_an_address<P: Peer>(stage: &Stage) {
    // It may stand for an IPv6 address first, where nobody listens.
    let address = stage.server().address().replace("127.0.0.1", "localhost");
    assert!(address.starts_with("localhost:"));
    let mut peer = P::connect(&address, Config::default()).await.unwrap();
    peer.call(beanstalk_proto::Put::of("x")).await.unwrap().inserted().unwrap();
}

pub async fn nobody_there_is_an_error_that_says_so<P: Peer>(_stage: &Stage) {
    let nobody = Nobody::new();
    for (address, kind) in [
        (nobody.address(), io::ErrorKind::ConnectionRefused),
        ("unix:/nonexistent/socket".to_string(), io::ErrorKind::NotFound),
    ] {
        let Err(error) = P::connect(&address, Config::default()).await else { panic!("somebody is at {address}") };
        assert!(error.is_fatal());
        assert_eq!(error.lost(), Some(Lost::NotSent));
        assert!(matches!(&error, Error::Io { error, .. } if error.kind() == kind), "{error}");
    }
}

pub async fn what_is_no_address_is_refused_before_connecting<P: Peer>(_stage: &Stage) {
    for address in ["", "localhost", "localhost:port", "::1:11300", "unix:"] {
        let Err(error) = P::connect(address, Config::default()).await else { panic!("{address:?} is an address") };
        assert!(matches!(&error, Error::Argument(ArgumentError::Address(is)) if **is == *address), "{error}");
        assert_eq!(error.to_string(), format!("{address:?} is not an address: use host:port, [v6]:port or unix:/path"));
    }
}

pub async fn connecting_takes_no_longer_than_its_timeout<P: Peer>(_stage: &Stage) {
    // A listener that accepts nothing, its queue filled: the next connection gets no answer at all.
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket::socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
    socket::bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    socket::listen(&socket, Backlog::new(0).unwrap()).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queued.push(stream);
    }

    let config = Config { connect_timeout: Some(Duration::from_millis(300)), ..Config::default() };
    let start = Instant::now();
    let Err(error) = P::connect(&address.to_string(), config).await else { panic!("the queue has room") };
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(
        matches!(&error, Error::Io { error, lost: Lost::NotSent } if error.kind() == io::ErrorKind::TimedOut),
        "{error}"
    );
}
