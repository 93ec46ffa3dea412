//! What must hold in every world.

use core::time::Duration;

use proptest::prelude::*;

use super::{
    super::WorkerConfig,
    server::State,
    world::{Chances, World, at},
};

/// Trips short enough for touches to get through in time, and handlers that outlast several ttrs.
fn chances(breaks: impl Strategy<Value = u64>) -> impl Strategy<Value = Chances> {
    (any::<u64>(), 1..190_u64, 1..20_000_u64, breaks).prop_map(|(seed, trip, handler, breaks)| Chances {
        seed,
        trip,
        handler,
        breaks,
    })
}

fn jobs() -> impl Strategy<Value = alloc::vec::Vec<(u64, u32)>> {
    proptest::collection::vec((1..10_u64, any::<u32>()), 1..8)
}

fn world(chances: Chances, jobs: &[(u64, u32)], reclaim: bool) -> World {
    let learns_first = chances.seed % 2 == 0;
    let handler_timeout = (chances.seed % 3 == 0).then_some(Duration::from_secs(3));
    let blocks = chances.seed % 5 < 2;
    let config = WorkerConfig { reclaim, learns_first, handler_timeout, ..WorkerConfig::default() };
    let mut world = World::new(&config, chances);
    world.blocks = blocks;
    for &(ttr, priority) in jobs {
        world.put(ttr, priority);
    }
    world
}

proptest! {
    #[test]
    fn while_the_connection_stands_each_run_is_finished_once_and_no_job_expires(
        chances in chances(Just(0)), jobs in jobs(), until in 0..200_000_u64,
    ) {
        let mut world = world(chances, &jobs, false);
        world.run_until(at(until));
        for (id, job) in &world.server.jobs {
            let in_hand = u64::from(world.running() == Some(*id) || matches!(job.state, State::Reserved(..)));
            prop_assert_eq!(job.timeouts, 0);
            prop_assert!(job.finished <= job.ran && job.ran <= job.finished + in_hand, "{}: {:?}", id, job);
        }
        let metrics = world.worker.metrics();
        prop_assert_eq!((metrics.lost, metrics.reconnects), (0, 0));
    }

    #[test]
    fn over_connections_that_break_jobs_are_neither_lost_nor_finished_without_a_run(
        chances in chances(2..50_u64), jobs in jobs(), reclaim: bool, until in 0..200_000_u64,
    ) {
        let mut world = world(chances, &jobs, reclaim);
        world.run_until(at(until));
        prop_assert_eq!(world.expired_alive, 0, "a job expired although touches could get through");
        for (id, job) in &world.server.jobs {
            prop_assert!(job.finished <= job.ran, "{}: {:?}", id, job);
        }
        let metrics = world.worker.metrics();
        let ended = metrics.done + metrics.retried + metrics.buried + metrics.lost + metrics.returned;
        prop_assert!(ended <= metrics.reserved && metrics.reserved <= ended + 1, "{:?}", metrics);
        // What the slot counts as carried out was; the reply to what it counts as lost may have got lost.
        let finished: u64 = world.server.jobs.values().map(|job| job.finished).sum();
        let counted = metrics.done + metrics.retried + metrics.buried;
        prop_assert!(counted <= finished && finished <= counted + metrics.lost + 1, "{} {:?}", finished, metrics);
    }

    #[test]
    fn no_job_is_finished_without_a_run_though_servers_forget_and_use_ids_again(
        chances in chances(prop_oneof![Just(0), 5..50_u64]), jobs in jobs(), reclaim: bool,
        lives in proptest::collection::vec(1..10_000_u64, 1..8),
    ) {
        let mut world = world(chances, &jobs, reclaim);
        let mut until = 0;
        for life in lives {
            until += life;
            world.run_until(at(until));
            world.replace_server();
            world.run_until(at(until + 5_000));
            for (id, job) in &world.server.jobs {
                prop_assert!(job.finished <= job.ran, "{}: {:?}", id, job);
            }
        }
    }

    #[test]
    fn every_job_is_worked_off_in_the_end(chances in chances(5..50_u64), jobs in jobs(), reclaim: bool) {
        let chances = Chances { handler: chances.handler % 1000 + 1, ..chances };
        let mut world = world(chances, &jobs, reclaim);
        let left = |world: &World| {
            world.server.jobs.values().filter(|job| !matches!(job.state, State::Deleted | State::Buried)).count()
        };
        while left(&world) > 0 {
            let now = world.now;
            world.run_until(now + Duration::from_secs(10));
            prop_assert!(now < at(50_000_000), "{} jobs are left", left(&world));
        }
    }

    #[test]
    fn a_shutdown_ends_by_its_deadline_and_holds_nothing_afterwards(
        chances in chances(prop_oneof![Just(0), 2..50_u64]), jobs in jobs(), reclaim: bool,
        asked in 0..50_000_u64, grace in 0..10_000_u64,
    ) {
        let mut world = world(chances, &jobs, reclaim);
        world.run_until(at(asked));
        world.shut_down(at(asked + grace));
        world.run_until_stopped();
        prop_assert!(world.stopped >= Some(at(asked)) && world.stopped <= Some(at(asked + grace)));
        for (id, job) in &world.server.jobs {
            prop_assert!(!matches!(job.state, State::Reserved(..)), "{}: {:?}", id, job);
        }
        let metrics = world.worker.metrics();
        let ended = metrics.done + metrics.retried + metrics.buried + metrics.lost + metrics.returned;
        prop_assert_eq!(metrics.reserved, ended, "{:?}", metrics);
    }
}
