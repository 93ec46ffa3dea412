//! TLS, greetings and connectors with every type of client on every binding. Names read `binding::type::scenario`.

use std::{
    io::{self, Read, Write},
    net::TcpListener,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use beanstalk_driver::{
    ConnectOptions, Greeting, GreetingError, TlsOptions, connect::socket::names, rustls::ServerConnection,
};
use beanstalk_proto::{Command, Error, Lost, Raw};
use beanstalk_tests::{
    Backend, Options, Peer, Server,
    front::{Authority, Front, Manners},
    kinds::{Failure, Kind, kinds},
    peer::{AsyncStd, Tokio},
    runner::{self, Trial, trial},
    server::installed,
};

/// What servers' certificates are for.
const NAME: &str = "*.queue.test";

/// Far less than a client with patience would take for an outage.
const AT_ONCE: Duration = Duration::from_secs(20);

type Scenario = fn(Kind);

const SCENARIOS: &[(&str, Scenario)] = &[
    ("it_works_over_tls", it_works_over_tls),
    ("it_works_though_every_record_comes_byte_by_byte", it_works_though_every_record_comes_byte_by_byte),
    ("a_client_certificate_lets_it_in", a_client_certificate_lets_it_in),
    (
        "what_is_refused_names_what_to_do_and_is_not_tried_again",
        what_is_refused_names_what_to_do_and_is_not_tried_again,
    ),
    ("a_token_lets_it_in_and_a_wrong_one_is_not_tried_again", a_token_lets_it_in_and_a_wrong_one_is_not_tried_again),
    ("what_a_greeting_selects_misleads_no_client", what_a_greeting_selects_misleads_no_client),
    (
        "a_connector_makes_its_connections_and_tls_goes_over_them",
        a_connector_makes_its_connections_and_tls_goes_over_them,
    ),
];

/// What only a client by itself shows.
const CLIENT: &[(&str, Scenario)] = &[
    ("a_silent_handshake_ends_with_its_time", a_silent_handshake_ends_with_its_time),
    ("a_server_without_tls_is_found_out", a_server_without_tls_is_found_out),
    (
        "a_handshake_that_is_not_finished_reports_how_far_it_got",
        a_handshake_that_is_not_finished_reports_how_far_it_got,
    ),
    (
        "a_silent_greeting_ends_with_its_time_and_keeps_the_token_to_itself",
        a_silent_greeting_ends_with_its_time_and_keeps_the_token_to_itself,
    ),
    ("plaintext_where_tls_was_set_up_is_an_invalid_argument", plaintext_where_tls_was_set_up_is_an_invalid_argument),
    ("a_greeting_of_commands_is_sent", a_greeting_of_commands_is_sent),
];

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for kind in kinds() {
        let clients: &[_] = if kind.name == "Client" { CLIENT } else { &[] };
        for &(name, scenario) in SCENARIOS.iter().chain(clients) {
            trials.push(trial(format!("{}::{}::{name}", kind.binding, kind.name), move || scenario(kind)));
        }
    }
    trials.extend(ends());
    runner::main(env!("CARGO_CRATE_NAME"), trials)
}

/// Servers with a job.
fn servers() -> impl Iterator<Item = Server> {
    let backends = [Some(Backend::Embedded), installed().map(|_| Backend::Real)];
    backends.into_iter().flatten().map(|backend| {
        let server = Server::start(backend, Options::default());
        beanstalk_sync::Client::connect(server.address()).unwrap().put(0, 0, 60, "x").unwrap().inserted().unwrap();
        server
    })
}

fn server() -> Server {
    servers().next().expect("the embedded one")
}

/// A name of its own.
fn host(front: &Front) -> String {
    format!("at-{}.queue.test", front.port())
}

fn endpoint(front: &Front) -> String {
    let host = host(front);
    names::set(&host, Duration::ZERO, vec![front.address().parse().expect("an address")]);
    format!("beanstalks://{host}:{}", front.port())
}

fn over(tls: TlsOptions) -> ConnectOptions {
    // A busy machine shakes hands slowly.
    ConnectOptions::new().tls(tls).connect_timeout(Duration::from_secs(20)).reply_timeout(Duration::from_secs(20))
}

fn secured(authority: &Authority) -> Manners {
    Manners { tls: Some(Authority::server(authority.issue(NAME), None)), ..Manners::default() }
}

fn works(kind: Kind, endpoint: &str, options: ConnectOptions) {
    kind.work(endpoint, options).unwrap_or_else(|error| panic!("{endpoint}: {error}"));
}

fn it_works_over_tls(kind: Kind) {
    let authority = Authority::new();
    for server in servers() {
        let front = Front::start(server.address(), secured(&authority));
        works(kind, &endpoint(&front), over(authority.trusted()));
    }
}

fn it_works_though_every_record_comes_byte_by_byte(kind: Kind) {
    let (authority, server) = (Authority::new(), server());
    let front = Front::start(server.address(), Manners { in_bytes: true, ..secured(&authority) });
    works(kind, &endpoint(&front), over(authority.trusted()));
}

fn a_client_certificate_lets_it_in(kind: Kind) {
    let (authority, clients, server) = (Authority::new(), Authority::new(), server());
    let tls = Some(Authority::server(authority.issue(NAME), Some(&clients)));
    let front = Front::start(server.address(), Manners { tls, ..Manners::default() });
    let (chain, key) = clients.issue("client.test");
    works(kind, &endpoint(&front), over(authority.trusted().client_certificate(chain, key)));
}

/// Fails at once, with an error that contains this, though the client has patience.
fn is_refused(kind: Kind, front: &Front, endpoint: &str, options: ConnectOptions, says: &str) {
    let start = Instant::now();
    let error = kind.work_patiently(endpoint, options).expect_err(says);
    assert!(error.to_string().contains(says), "{says}: {error}");
    assert!(start.elapsed() < AT_ONCE, "{says}: {:?}", start.elapsed());
    match error {
        Failure::Error(error) => assert!(error.is_refusal(), "{error:?}"),
        Failure::Refused(_) => assert_eq!(kind.name, "Worker"),
    }
    assert_eq!(front.accepted(), 1, "{says}");
}

fn what_is_refused_names_what_to_do_and_is_not_tried_again(kind: Kind) {
    let (authority, clients, server) = (Authority::new(), Authority::new(), server());
    let with = |tls| Front::start(server.address(), Manners { tls: Some(tls), ..Manners::default() });
    let trusted = || over(authority.trusted());

    let front = with(Authority::server(Authority::new().issue(NAME), None));
    is_refused(kind, &front, &endpoint(&front), trusted(), "is from an issuer that is not trusted here");
    let front = with(Authority::server(authority.issue("other.test"), None));
    is_refused(kind, &front, &endpoint(&front), trusted(), "is for another name");
    works(kind, &endpoint(&front), over(authority.trusted().server_name("other.test")));
    let front = with(Authority::server(authority.issue_until(NAME, 2020), None));
    is_refused(kind, &front, &endpoint(&front), trusted(), "has expired");

    let wants_one = || with(Authority::server(authority.issue(NAME), Some(&clients)));
    let front = wants_one();
    is_refused(kind, &front, &endpoint(&front), trusted(), "requires a client certificate");
    let front = wants_one();
    let (chain, key) = Authority::new().issue("client.test");
    let options = over(authority.trusted().client_certificate(chain, key));
    is_refused(kind, &front, &endpoint(&front), options, "refused the client certificate");

    // A server that speaks TLS to a client that does not.
    let front = with(Authority::server(authority.issue(NAME), None));
    is_refused(kind, &front, front.address(), ConnectOptions::new(), "beanstalks://");
}

fn a_token_lets_it_in_and_a_wrong_one_is_not_tried_again(kind: Kind) {
    let (authority, server) = (Authority::new(), server());
    let manners = Manners { token: Some("open-sesame"), ..secured(&authority) };
    let front = Front::start(server.address(), manners.clone());
    works(kind, &endpoint(&front), over(authority.trusted()).token("open-sesame"));

    let front = Front::start(server.address(), manners);
    let options = over(authority.trusted()).token("open-barley");
    let answer = r#"the greeting "auth" was answered UNAUTHORIZED"#;
    is_refused(kind, &front, &endpoint(&front), options.clone(), answer);
    let error = kind.work(&endpoint(&front), options).unwrap_err();
    assert!(error.to_string().starts_with(&format!("connect {}:{}: ", host(&front), front.port())), "{error}");
    assert!(!format!("{error} {error:?}").contains("barley"), "{error:?}");
    if let Failure::Error(error) = error {
        assert!(GreetingError::of(&error).is_some(), "{error:?}");
        assert_eq!(error.lost(), Some(Lost::NotSent));
    }
}

fn a_connector_makes_its_connections_and_tls_goes_over_them(kind: Kind) {
    let (authority, server) = (Authority::new(), server());
    let front = Front::start(server.address(), secured(&authority));
    let address = front.address().to_string();
    let connector = match kind.binding {
        "blocking" => beanstalk_sync::connector(move |node, within| {
            assert_eq!(node.to_string(), "nobody.queue.test:1");
            assert!(within.is_some());
            std::net::TcpStream::connect(&address)
        }),
        "tokio" => beanstalk_tokio::connector(move |_, _| tokio::net::TcpStream::connect(address.clone())),
        _ => beanstalk_async_std::connector(move |_, _| async_std::net::TcpStream::connect(address.clone())),
    };
    // Nobody is there, but by way of the connector.
    works(kind, "beanstalks://nobody.queue.test:1", over(authority.trusted()).connector(connector));
    assert_eq!(front.accepted(), 1);
}

/// A listener that accepts and sends nothing; returns what it was sent.
fn silent() -> (String, thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = thread::spawn(move || {
        let mut received = Vec::new();
        let _reset = listener.accept().unwrap().0.read_to_end(&mut received);
        received
    });
    (address, thread)
}

fn a_silent_handshake_ends_with_its_time(kind: Kind) {
    let (address, thread) = silent();
    let options = ConnectOptions::new().tls(Authority::new().trusted()).connect_timeout(Duration::from_millis(200));
    let error = kind.work(&format!("beanstalks://{address}"), options).unwrap_err();
    assert!(error.to_string().starts_with(&format!("connect {address}: TLS: timed out after ")), "{error}");
    assert!(matches!(error, Failure::Error(error) if !error.is_refusal()));
    assert!(!thread.join().unwrap().is_empty());
}

fn a_server_without_tls_is_found_out(kind: Kind) {
    let (authority, server) = (Authority::new(), server());
    let options = || ConnectOptions::new().tls(authority.trusted()).connect_timeout(Duration::from_millis(300));
    // It waits for the end of the line.
    let error = kind.work(&format!("beanstalks://{}", server.address()), options()).unwrap_err();
    let hint = ": the connection was made, and no answer to the handshake came; \
                if the server does not speak TLS, its endpoint begins with beanstalk://";
    assert!(error.to_string().ends_with(hint), "{error}");
    // It has read a line, or too much for one.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"BAD_FORMAT\r\n").unwrap();
        let _reset = stream.read_to_end(&mut Vec::new());
    });
    let options = options().connect_timeout(Duration::from_secs(20));
    let error = kind.work(&format!("beanstalks://{address}"), options).unwrap_err();
    let says = "TLS: the server does not speak TLS here; beanstalk:// is the scheme without it";
    assert_eq!(error.to_string(), format!("connect {address}: {says}"));
    assert!(matches!(error, Failure::Error(error) if error.is_refusal()));
    thread.join().unwrap();
}

fn a_handshake_that_is_not_finished_reports_how_far_it_got(kind: Kind) {
    let authority = Authority::new();
    let mut tls = ServerConnection::new(Authority::server(authority.issue(NAME), None)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        while !tls.wants_write() {
            tls.read_tls(&mut stream).unwrap();
            tls.process_new_packets().unwrap();
        }
        let mut flight = Vec::new();
        tls.write_tls(&mut flight).unwrap();
        // The hello is the first record: its head, of which the last two bytes are the length, and so many bytes.
        let hello = 5 + usize::from(u16::from_be_bytes([flight[3], flight[4]]));
        stream.write_all(&flight[..hello]).unwrap();
        let _reset = stream.read_to_end(&mut Vec::new());
    });
    let options = ConnectOptions::new().tls(authority.trusted()).connect_timeout(Duration::from_millis(300));
    let error = kind.work(&format!("beanstalks://{address}"), options).unwrap_err();
    let says = " ms: the server's hello arrived, but the handshake did not finish";
    assert!(error.to_string().ends_with(says), "{error}");
    assert!(matches!(error, Failure::Error(error) if !error.is_refusal()));
    thread.join().unwrap();
}

fn a_silent_greeting_ends_with_its_time_and_keeps_the_token_to_itself(kind: Kind) {
    let (address, thread) = silent();
    let options = ConnectOptions::new().token("open-sesame").connect_timeout(Duration::from_millis(200));
    let error = kind.work(&address, options).unwrap_err();
    assert!(error.to_string().starts_with(&format!("connect {address}: greeting: timed out after ")), "{error}");
    assert!(!format!("{error:?}").contains("sesame"), "{error:?}");
    assert_eq!(thread.join().unwrap(), b"auth open-sesame\r\n");
}

fn plaintext_where_tls_was_set_up_is_an_invalid_argument(kind: Kind) {
    let error = kind.work("127.0.0.1:1", ConnectOptions::new().tls(TlsOptions::new())).unwrap_err();
    assert!(matches!(error, Failure::Error(Error::Argument(_))), "{error:?}");
    assert!(error.to_string().contains("beanstalks://"), "{error}");
}

fn a_greeting_of_commands_is_sent(kind: Kind) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for (line, reply) in [
            ("use a\r\n", "USING a\r\n"),
            ("hello you\r\n", "HELLO 7\r\n"),
            ("put 0 0 60 1\r\nx\r\n", "INSERTED 1\r\n"),
        ] {
            let mut received = vec![0; line.len()];
            stream.read_exact(&mut received).unwrap();
            assert_eq!(received, line.as_bytes());
            stream.write_all(reply.as_bytes()).unwrap();
        }
    });
    let options = ConnectOptions::new()
        .greeting(Command::Use { tube: "a".parse().unwrap() })
        .greeting(Greeting::new(Raw::new("hello you"), "HELLO"));
    works(kind, &address, options);
    thread.join().unwrap();
}

fn what_a_greeting_selects_misleads_no_client(kind: Kind) {
    let tube = |name: &str| name.parse().unwrap();
    for server in servers() {
        let options = ConnectOptions::new()
            .greeting(Command::Use { tube: tube("greeted") })
            .greeting(Command::Watch { tube: tube("greeted") })
            .greeting(Command::Ignore { tube: tube("default") });
        works(kind, server.address(), options);
        let mut client = beanstalk_sync::Client::connect(server.address()).unwrap();
        let ready = |stats: beanstalk_proto::stats::TubeStats| stats.current_jobs_ready.unwrap();
        let by_default = ready(client.stats_tube("default").unwrap());
        let greeted = client.stats_tube("greeted").map_or(0, ready);
        // There was a job in `default`. Who names no tube puts where the greeting leads, and who does, there; a worker works in its own.
        let expected = match kind.name {
            "Client" | "Session" => (1, 1),
            "SharedClient" | "Producer" => (2, 0),
            _ => (0, 0),
        };
        assert_eq!((by_default, greeted), expected);
    }
}

/// How connections end.
fn ends() -> Vec<Trial> {
    let mut trials = Vec::new();
    macro_rules! ends {
        ($name:expr, $krate:ident, $run:expr $(, $await:tt)?) => {
            trials.push(trial(format!("{}::Client::a_disconnect_is_an_end_in_order", $name), || {
                let (authority, server) = (Authority::new(), server());
                let front = Front::start(server.address(), secured(&authority));
                $run(async {
                    let endpoint = endpoint(&front);
                    let client = $krate::Client::connect_with(&endpoint, over(authority.trusted()));
                    let mut client = client $(.$await)? .unwrap();
                    assert_eq!(client.list_tube_used() $(.$await)? .unwrap(), "default");
                    client.disconnect() $(.$await)? .unwrap();
                });
                front.end().unwrap();
            }));
            trials.push(trial(format!("{}::Client::a_connection_that_is_cut_off_is_no_end", $name), || {
                let (authority, server) = (Authority::new(), server());
                // The reply to `use` goes through, and half of the next.
                let cut_after = Some("USING default\r\nUSING def".len() as u64);
                let front = Front::start(server.address(), Manners { cut_after, ..secured(&authority) });
                $run(async {
                    let endpoint = endpoint(&front);
                    let client = $krate::Client::connect_with(&endpoint, over(authority.trusted()));
                    let mut client = client $(.$await)? .unwrap();
                    assert_eq!(client.list_tube_used() $(.$await)? .unwrap(), "default");
                    let error = client.list_tube_used() $(.$await)? .unwrap_err();
                    assert!(error.to_string().starts_with("the connection was cut off: "), "{error}");
                    let Error::Io { error, lost: Lost::Unknown } = error else { panic!("{error:?}") };
                    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                });
            }));
        };
    }
    ends!("blocking", beanstalk_sync, smol::block_on);
    ends!(Tokio::NAME, beanstalk_tokio, Tokio::block_on, await);
    ends!(AsyncStd::NAME, beanstalk_async_std, AsyncStd::block_on, await);
    trials
}
