#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use super::*;
use alloc::string::ToString;
use proptest::prelude::*;

#[test]
fn an_endpoint_is_printed_in_one_way_however_it_is_written() {
    for (text, canonical) in [
        ("", "localhost:11300"),
        ("localhost", "localhost:11300"),
        ("LocalHost:11300", "localhost:11300"),
        (":11301", "localhost:11301"),
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("10.0.0.7", "10.0.0.7:11300"),
        ("queue_1.example.:65535", "queue_1.example.:65535"),
        ("queue-1:00011300", "queue-1:11300"),
        ("[::1]", "[::1]:11300"),
        ("[FE80:0:0::1%eth0.7]:65535", "[fe80::1%eth0.7]:65535"),
        ("[::ffff:10.0.0.7]:1", "[::ffff:10.0.0.7]:1"),
        ("unix:/tmp/a b", "unix:/tmp/a b"),
        ("unix:rel", "unix:rel"),
        ("unix:///run/queue.sock", "unix:/run/queue.sock"),
        ("unix:/a://b", "unix:/a://b"),
        ("beanstalk://", "localhost:11300"),
        ("beanstalk://queue.example", "queue.example:11300"),
        ("BeanStalk://queue.example:11301/", "queue.example:11301"),
        ("beanstalks://queue.example", "beanstalks://queue.example:11300"),
        ("beanstalks://[::1]:1/", "beanstalks://[::1]:1"),
        ("a,b:11301,unix:/c,[::1]", "a:11300,b:11301,unix:/c,[::1]:11300"),
        ("beanstalk://a,b,unix:/c", "a:11300,b:11300,unix:/c"),
        ("a,beanstalk://b", "a:11300,b:11300"),
        ("beanstalks://a,b", "beanstalks://a:11300,b:11300"),
        ("beanstalks://a,beanstalks://b", "beanstalks://a:11300,b:11300"),
        ("a,a", "a:11300,a:11300"),
    ] {
        let endpoint: Endpoint = text.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(endpoint.to_string(), canonical, "{text:?}");
    }
}

#[test]
fn what_is_no_endpoint_is_refused_with_what_is_wrong() {
    let no_port = |port: &str| format!("the port {port:?} is not a number from 1 to 65535");
    let brackets = "an IPv6 address is written in brackets, as in [::1]:11300";
    for (text, problem) in [
        ("localhost:", no_port("")),
        ("a:65536", no_port("65536")),
        ("a:0", no_port("0")),
        ("a:-1", no_port("-1")),
        ("a:+1", no_port("+1")),
        ("a:http", no_port("http")),
        ("[::1]:", no_port("")),
        ("11300", "a number alone is not a host; a port is written :11300".into()),
        ("::1", brackets.into()),
        ("::1:11300", brackets.into()),
        ("[::1:11300", "the ']' is missing".into()),
        ("[]:1", "\"\" is not an IPv6 address".into()),
        ("[localhost]:1", "\"localhost\" is not an IPv6 address".into()),
        ("[::1%]", "\"::1%\" is not an IPv6 address".into()),
        ("[::1]1", "only a port can follow the ']', and \"1\" does".into()),
        ("bücher.example", "a host name cannot contain 'ü'".into()),
        (" a", "a host name cannot contain ' '".into()),
        ("a\r\n", "a host name cannot contain '\\r'".into()),
        ("a, b", "a host name cannot contain ' '".into()),
        ("beanstalk://unix:5", "a host cannot be called unix, which stands for Unix sockets".into()),
        ("unix:", "the path of the Unix socket is missing".into()),
        ("unix://", "the path of the Unix socket is missing".into()),
        ("unix:/a\0b", "a path cannot contain a zero byte".into()),
        ("/run/queue.sock", "a Unix socket is written unix:/run/queue.sock".into()),
        ("./queue.sock", "a Unix socket is written unix:./queue.sock".into()),
        ("a:1/tube", "nothing can follow the port, and \"/tube\" does".into()),
        ("beanstalk://a?tls=1", "nothing can follow the port, and \"?tls=1\" does".into()),
        ("me:secret@a", "a user or a password is not supported".into()),
        ("redis://a", "the scheme \"redis\" is neither beanstalk nor beanstalks".into()),
        (",", "node 1 of the list is empty".into()),
        ("a,,b", "node 2 of the list is empty".into()),
        ("a,", "node 2 of the list is empty".into()),
        ("a,beanstalks://b", "either all of its nodes use TLS (beanstalks://) or none does".into()),
        ("beanstalks://a,beanstalk://b", "either all of its nodes use TLS (beanstalks://) or none does".into()),
        ("beanstalks://a,unix:/b", "a Unix socket has no TLS: \"unix:/b\"".into()),
    ] {
        let error = text.parse::<Endpoint>().map_err(|error| error.to_string());
        assert_eq!(error, Err(format!("{text:?} is not an endpoint: {problem}")));
    }
}

fn host() -> impl Strategy<Value = String> {
    let v6 = any::<[u8; 16]>().prop_map(|v6| format!("[{}]", Ipv6Addr::from(v6)));
    prop_oneof!["[a-zA-Z0-9._-]{0,20}", v6, "\\[fe80::[1-9]%[a-z0-9]{1,5}\\]"]
}

fn endpoint() -> impl Strategy<Value = String> {
    let port = prop_oneof![Just(String::new()), (1u16..).prop_map(|port| format!(":{port}"))];
    let tcp = (prop_oneof![Just(""), Just("beanstalk://"), Just("beanstalks://")], host(), port);
    let node = prop_oneof![
        4 => tcp.prop_map(|(scheme, host, port)| format!("{scheme}{host}{port}")),
        1 => "unix:[^,]{1,20}",
    ];
    prop::collection::vec(node, 1..5).prop_map(|nodes| nodes.join(","))
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_the_same_and_printed_as_the_same(
        text in prop_oneof![4 => endpoint(), 1 => "[a-z:/,\\[\\]@.0-9]{0,30}", 1 => any::<String>()],
    ) {
        if let Ok(endpoint) = text.parse::<Endpoint>() {
            let printed = endpoint.to_string();
            prop_assert_eq!(printed.parse::<Endpoint>(), Ok(endpoint.clone()));
            prop_assert_eq!(printed.parse::<Endpoint>().unwrap().to_string(), printed);
            prop_assert!(!endpoint.nodes().is_empty());
        }
    }

    #[test]
    fn what_is_written_by_the_rules_is_an_endpoint(
        nodes in prop::collection::vec(("[a-zA-Z][a-zA-Z0-9._-]{0,20}", 1u16..), 1..5),
        tls: bool,
    ) {
        let list: Vec<_> = nodes.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        let text = format!("{}{}", if tls { "beanstalks://" } else { "beanstalk://" }, list.join(","));
        let endpoint: Endpoint = text.parse().unwrap();
        prop_assert_eq!(endpoint.is_tls(), tls);
        let expected: Vec<_> = nodes
            .into_iter()
            .map(|(host, port)| Node::Tcp { host: host.to_lowercase(), port })
            .collect();
        prop_assert_eq!(endpoint.nodes(), &expected);
    }
}
