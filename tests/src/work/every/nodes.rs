//! Several equal nodes of one queue behind one endpoint.

use std::{cell::RefCell, time::Duration};

use beanstalk_driver::policy::{Backoff, SessionConfig};
use beanstalk_proto::{Command, Reply, client::Config};
use beanstalk_sync::Client;

use super::{
    super::Stand,
    binding::{Binding, Setup},
    eventually,
};
use crate::daemon::Daemon;

fn list(nodes: &[&Daemon]) -> String {
    nodes.iter().map(|node| node.address()).collect::<Vec<_>>().join(",")
}

fn jobs(node: &Daemon) -> u64 {
    Client::connect(&node.address()).unwrap().stats().unwrap().current_jobs_ready.unwrap()
}

pub(super) fn a_session_connects_to_the_node_that_worked_last<B: Binding>(stand: Stand) {
    let (first, second) = (RefCell::new(stand.server()), RefCell::new(stand.server()));
    let endpoint = list(&[&first.borrow(), &second.borrow()]);
    let delay = Duration::from_millis(5);
    let config = SessionConfig::default().reconnect(Some(Backoff { first: delay, max: delay }));
    let put = || Command::Put { priority: 1.into(), delay: 0, ttr: 60, body: b"x".to_vec() };
    let mut step = 0;
    B::session(&endpoint, config, Config::default(), &mut |result| {
        if let Some(result) = result {
            assert!(matches!(result, Ok(Reply::Inserted(_) | Reply::Ok(_))), "{result:?}");
        }
        step += 1;
        match step {
            1 => return Some(put()),
            2 => {
                assert_eq!((jobs(&first.borrow()), jobs(&second.borrow())), (1, 0));
                first.borrow_mut().kill();
            }
            // A read is repeated, on the second node.
            3 => {
                first.borrow_mut().restart();
                second.borrow_mut().restart();
            }
            // And so it is now, though the first is there again.
            4 => return Some(put()),
            _ => {
                assert_eq!((jobs(&first.borrow()), jobs(&second.borrow())), (0, 1));
                return None;
            }
        }
        Some(Command::ListTubes)
    });
}

fn workers(node: &Daemon) -> u64 {
    Client::connect(&node.address()).unwrap().stats().unwrap().current_workers.unwrap()
}

pub(super) fn a_worker_spreads_its_connections_over_the_nodes_and_moves_them<B: Binding>(stand: Stand) {
    let (mut first, second) = (stand.server(), stand.server());
    let endpoint = list(&[&first, &second]);
    let running = B::work(Setup { concurrency: 4, ..Setup::new(&endpoint) });
    eventually("half of the slots work on each node", || (workers(&first), workers(&second)) == (2, 2));
    first.kill();
    eventually("all of the slots work on the other", || workers(&second) == 4);
    running.stop(super::LONG);
}
