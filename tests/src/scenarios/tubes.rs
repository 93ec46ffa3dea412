//! Using, watching, listing and pausing tubes.

use std::time::Duration;

use beanstalk_proto::{ArgumentError, CommandError, Error, Lost, Reserved, TubeName, TubeNameRule};

use super::refused;
use crate::{peer::Peer, session::Stage};

fn sorted(tubes: Vec<TubeName>) -> Vec<String> {
    let mut names: Vec<String> = tubes.iter().map(ToString::to_string).collect();
    names.sort();
    names
}

pub async fn a_tube_is_used_and_named<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    assert_eq!(client.list_tube_used().await.unwrap(), "default");
    client.use_tube("emails").await.unwrap();
    assert_eq!(client.list_tube_used().await.unwrap(), "emails");
    assert_eq!(sorted(client.list_tubes_watched().await.unwrap()), ["default"], "using is not watching");
}

pub async fn watching_and_ignoring_return_how_many_are_watched<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    assert_eq!(client.watch("a").await.unwrap(), 2);
    assert_eq!(client.watch("b").await.unwrap(), 3);
    assert_eq!(client.watch("a").await.unwrap(), 3, "twice changes nothing");
    assert_eq!(sorted(client.list_tubes_watched().await.unwrap()), ["a", "b", "default"]);
    assert_eq!(client.ignore("never-watched").await.unwrap(), 3);
    assert_eq!(client.ignore("default").await.unwrap(), 2);
    assert_eq!(client.ignore("a").await.unwrap(), 1);
    assert_eq!(sorted(client.list_tubes_watched().await.unwrap()), ["b"]);
}

pub async fn the_only_watched_tube_is_not_ignored<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    refused(client.ignore("default").await, "ignore default", CommandError::NotIgnored);
    assert_eq!(sorted(client.list_tubes_watched().await.unwrap()), ["default"]);
}

pub async fn a_tube_that_nobody_needs_disappears<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    client.use_tube("passing").await.unwrap();
    assert_eq!(sorted(client.list_tubes().await.unwrap()), ["default", "passing"]);
    let id = client.put(0, 0, 60, "x").await.unwrap().id();
    client.use_tube("default").await.unwrap();
    assert_eq!(sorted(client.list_tubes().await.unwrap()), ["default", "passing"]);
    client.delete(id).await.unwrap();
    assert_eq!(sorted(client.list_tubes().await.unwrap()), ["default"]);
    refused(client.stats_tube("passing").await, "stats-tube passing", CommandError::NotFound);
}

pub async fn a_paused_tube_gives_no_jobs_until_the_pause_is_over<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let id = client.put(0, 0, 60, "x").await.unwrap().id();
    client.pause_tube("default", 1).await.unwrap();
    assert_eq!(client.reserve_with_timeout(0).await.unwrap(), Reserved::TimedOut);
    assert_eq!(client.peek_ready().await.unwrap().id, id);
    let stats = client.stats_tube("default").await.unwrap();
    assert_eq!((stats.pause, stats.cmd_pause_tube), (Some(Duration::from_secs(1)), Some(1)));
    assert_eq!(client.reserve().await.unwrap().job().unwrap().id, id);
}

pub async fn a_pause_of_zero_ends_a_pause<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let mut waiting = stage.connect::<P>().await;
    let id = client.put(0, 0, 60, "x").await.unwrap().id();
    client.pause_tube("default", 1000).await.unwrap();
    let ticket = waiting.send(beanstalk_proto::Reserve::new()).await.unwrap();
    client.pause_tube("default", 0).await.unwrap();
    assert_eq!(waiting.reply(ticket).await.unwrap().job().unwrap().id, id);
    assert_eq!(client.stats_tube("default").await.unwrap().pause, Some(Duration::ZERO));
}

pub async fn the_longest_and_the_oddest_names_work_everywhere<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let longest = "x".repeat(TubeName::MAX_LEN);
    let oddest = "+/;.$_()-AZaz09";
    for tube in [longest.as_str(), oddest] {
        client.use_tube(tube).await.unwrap();
        assert_eq!(client.list_tube_used().await.unwrap(), tube);
        assert_eq!(client.watch(tube).await.unwrap(), 2);
        assert_eq!(sorted(client.list_tubes().await.unwrap()), sorted(client.list_tubes_watched().await.unwrap()));
        assert_eq!(client.stats_tube(tube).await.unwrap().name.unwrap(), tube);
        client.pause_tube(tube, 0).await.unwrap();
        assert_eq!(client.ignore(tube).await.unwrap(), 1);
    }
}

pub async fn a_bad_name_is_refused_before_a_byte_is_sent<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let too_long = "x".repeat(TubeName::MAX_LEN + 1);
    let before = client.stats().await.unwrap();
    for (name, wanted) in [
        ("", TubeNameRule::Empty),
        (too_long.as_str(), TubeNameRule::TooLong { bytes: 201 }),
        ("-x", TubeNameRule::LeadingHyphen),
        ("a\r\nquit", TubeNameRule::BadCharacter { found: '\r', at: 1 }),
        ("a b", TubeNameRule::BadCharacter { found: ' ', at: 1 }),
        ("caf\u{e9}", TubeNameRule::BadCharacter { found: '\u{e9}', at: 3 }),
    ] {
        let error = client.use_tube(name).await.unwrap_err();
        assert!(
            matches!(&error, Error::Argument(ArgumentError::Tube(is)) if is.rule == wanted && &*is.name == name),
            "{name:?}: {error}"
        );
        assert_eq!(error.lost(), Some(Lost::NotSent));
        assert!(matches!(client.watch(name).await, Err(Error::Argument(_))));
        assert!(matches!(client.pause_tube(name, 1).await, Err(Error::Argument(_))));
    }
    let after = client.stats().await.unwrap();
    assert_eq!((after.cmd_use, after.cmd_watch), (before.cmd_use, before.cmd_watch));
    assert_eq!(client.list_tube_used().await.unwrap(), "default");
}
