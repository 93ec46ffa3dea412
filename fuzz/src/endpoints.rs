//! Endpoints, from what a user writes: a text either is one, and then its canonical text is a fixed point that parses to the same
//! endpoint, or it is refused with a sentence that names it. What is parsed is within the grammar: at least one node, no port 0, no
//! host that could be taken for something else in the list it stands in.

use beanstalk_driver::{Endpoint, Node};

use crate::source::Source;

pub fn run(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else { return };
    // As it is, or made of pieces, which reaches further.
    if how & 1 == 0 {
        check(&String::from_utf8_lossy(rest));
    } else {
        check(&pieces(&mut Source::new(rest)));
    }
}

fn pieces(source: &mut Source<'_>) -> String {
    const PIECES: &[&str] = &[
        "beanstalk://",
        "beanstalks://",
        "BEANSTALKS://",
        "unix:",
        "unix://",
        "://",
        ",",
        ":",
        "/",
        "[",
        "]",
        "%",
        "@",
        "::1",
        "[::1]",
        "[fe80::1%eth0]",
        "[::ffff:1.2.3.4]",
        "localhost",
        "Queue.Example",
        "127.0.0.1",
        "11300",
        ":11300",
        ":0",
        ":65535",
        ":65536",
        ":00080",
        ".",
        "-",
        "_",
        "+1",
        "?",
        "#",
        " ",
        "\0",
        "\r\n",
        "\u{fc}",
        "/run/queue.sock",
    ];
    let mut text = String::new();
    while !source.is_empty() && text.len() < 1000 {
        match source.u8() {
            n @ 0..230 => text.push_str(PIECES[usize::from(n) % PIECES.len()]),
            _ => text.push_str(&String::from_utf8_lossy(source.bytes(20))),
        }
    }
    text
}

fn check(text: &str) {
    let endpoint: Endpoint = match text.parse() {
        Ok(endpoint) => endpoint,
        Err(error) => {
            let error: beanstalk_driver::EndpointError = error;
            assert_eq!(error.text(), text);
            assert!(!error.problem().is_empty());
            // To quote a long one costs more than all the rest.
            if text.len() < 40 {
                assert!(error.to_string().starts_with(&format!("{text:?} is not an endpoint: ")), "{error}");
            }
            return;
        }
    };
    let canonical = endpoint.to_string();
    let again: Endpoint = canonical.parse().unwrap_or_else(|error| panic!("{error}, printed for {text:?}"));
    assert_eq!(again, endpoint, "{text:?} is printed as {canonical:?}");
    assert_eq!(again.to_string(), canonical);
    assert!(!endpoint.nodes().is_empty());

    // A node by itself is one of the endpoint's, so that a list means its items.
    for node in endpoint.nodes() {
        let text = format!("{}{node}", if endpoint.is_tls() { "beanstalks://" } else { "" });
        let alone: Endpoint = text.parse().unwrap_or_else(|error| panic!("{error}, of {canonical:?}"));
        assert_eq!(alone.nodes(), std::slice::from_ref(node));
        assert_eq!(alone.is_tls(), endpoint.is_tls());
        match node {
            Node::Tcp { host, port } => {
                assert_ne!(*port, 0);
                assert!(
                    !host.is_empty() && !host.contains([',', '/', '@', '[', ']', '\r', '\n', '\0', ' ']),
                    "{host:?}"
                );
                // The name of an interface keeps its case.
                let name = host.split('%').next().unwrap_or_default();
                assert_eq!(name, name.to_ascii_lowercase());
            }
            Node::Unix(path) => {
                assert!(!endpoint.is_tls(), "a Unix socket has no TLS");
                assert!(!path.contains(['\0', ',']) && !path.trim_matches('/').is_empty(), "{path:?}");
            }
            _ => panic!("a node of a new kind: {node:?}"),
        }
    }

    // Whoever writes the port, the scheme or the case differently means the same.
    if !endpoint.is_tls() && !canonical.contains("unix:") {
        assert_eq!(format!("beanstalk://{canonical}").parse().as_ref(), Ok(&endpoint));
    }
}
