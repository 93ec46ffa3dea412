//! The blocking client that threads share.

use std::{thread, time::Duration};

use fork::{Fork, fork, waitpid};
use nix::unistd::alarm;

use beanstalk_sync::{Client, Config, Error, Lost, SharedClient, SharedConfig};
use beanstalk_tests::{adapter::servers, unreachable::RefusingPort, watchdog};

const THREADS: usize = 8;
const PUTS: usize = 100;

#[test]
fn threads_share_one_connection_each_with_its_own_tube() {
    let _bound = watchdog::bound();
    for server in servers() {
        let client = SharedClient::connect(server.address()).unwrap();
        thread::scope(|scope| {
            for n in 0..THREADS {
                let client = client.clone();
                scope.spawn(move || {
                    let tube = format!("tube-{n}");
                    for _ in 0..PUTS {
                        let id = client.put_in(&*tube, 1, 0, 60, &*tube).unwrap().inserted().unwrap();
                        assert_eq!(client.peek(id).unwrap().text(), Ok(&*tube));
                    }
                });
            }
        });
        let mut other = Client::connect(server.address()).unwrap();
        for n in 0..THREADS {
            let ready = other.stats_tube(&*format!("tube-{n}")).unwrap().current_jobs_ready;
            assert_eq!(ready, Some(PUTS as u64));
        }
        assert_eq!(other.stats().unwrap().current_connections, Some(2));
        client.disconnect();
        assert!(client.is_closed());
        assert!(matches!(client.list_tubes(), Err(Error::Closed { lost: Lost::NotSent })));
    }
}

#[test]
fn a_call_waits_for_a_server_as_long_as_its_patience() {
    let _bound = watchdog::bound();
    let nobody = RefusingPort::new();
    let patience = Duration::from_millis(200);
    let shared = SharedConfig::default().patience(Some(patience));
    let client = SharedClient::new(&nobody.address(), shared, Config::default()).unwrap();
    let start = std::time::Instant::now();
    let error = client.list_tubes().unwrap_err();
    assert!(start.elapsed() >= patience && start.elapsed() < patience * 20, "it took {:?}", start.elapsed());
    assert!(matches!(error, Error::Connect { .. }) && error.lost() == Some(Lost::NotSent), "{error:?}");
}

/// Its process has no thread that moves the client's bytes, and must not touch the other's connection.
#[test]
fn a_forked_process_goes_on_with_a_connection_of_its_own() {
    let _bound = watchdog::bound();
    for server in servers() {
        let client = SharedClient::connect(server.address()).unwrap();
        client.put_in("t", 1, 0, 60, "x").unwrap().inserted().unwrap();
        match fork().unwrap() {
            Fork::Child => {
                // Nobody else would end it if it hangs.
                alarm::set(30);
                let put = client.put_in("t", 1, 0, 60, "y");
                std::process::exit(i32::from(put.is_err()));
            }
            Fork::Parent(child) => assert_eq!(waitpid(child).unwrap(), 0, "the forked process could put"),
        }
        client.put_in("t", 1, 0, 60, "z").unwrap().inserted().unwrap();
        assert_eq!(client.stats_tube("t").unwrap().current_jobs_ready, Some(3));
    }
}
