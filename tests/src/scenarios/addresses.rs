//! Getting to a server, or not.

use std::{
    io,
    net::{Ipv6Addr, TcpListener},
};

use beanstalk_driver::ConnectError;
use beanstalk_proto::{ArgumentError, Error, Lost, client::Config};

use crate::{
    peer::Peer,
    server::{Options, Place},
    session::Stage,
    unreachable::RefusingPort,
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

pub async fn an_address_without_a_server_is_an_error_that_names_it<P: Peer>(_stage: &Stage) {
    let refusing = RefusingPort::new();
    for (address, kind) in [
        (refusing.address(), io::ErrorKind::ConnectionRefused),
        ("unix:/nonexistent/socket".to_string(), io::ErrorKind::NotFound),
    ] {
        let Err(error) = P::connect(&address, Config::default()).await else { panic!("somebody is at {address}") };
        assert!(error.is_fatal());
        assert_eq!(error.lost(), Some(Lost::NotSent));
        assert_eq!(ConnectError::of(&error).map(ConnectError::kind), Some(kind), "{error}");
    }
}

pub async fn what_is_no_endpoint_is_refused_before_connecting<P: Peer>(_stage: &Stage) {
    for (text, problem) in [
        ("localhost:port", "the port \"port\" is not a number from 1 to 65535"),
        ("::1:11300", "an IPv6 address is written in brackets, as in [::1]:11300"),
        ("unix:", "the path of the Unix socket is missing"),
        ("127.0.0.1:1,", "node 2 of the list is empty"),
    ] {
        let Err(error) = P::connect(text, Config::default()).await else { panic!("{text:?} is an endpoint") };
        assert!(
            matches!(&error, Error::Argument(ArgumentError::Endpoint { text: is, .. }) if **is == *text),
            "{error}"
        );
        assert_eq!(error.to_string(), format!("{text:?} is not an endpoint: {problem}"));
    }
}
