//! What the server refuses, and how the connection goes on.

use beanstalk_proto::{CommandError, Raw, Reply};

use super::refused;
use crate::{peer::Peer, session::Stage};

pub async fn every_command_about_a_missing_job_is_not_found<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    for id in [1, u64::MAX] {
        refused(client.delete(id).await, &format!("delete {id}"), CommandError::NotFound);
        refused(client.release(id, 0, 0).await, &format!("release {id}"), CommandError::NotFound);
        refused(client.bury(id, 0).await, &format!("bury {id}"), CommandError::NotFound);
        refused(client.touch(id).await, &format!("touch {id}"), CommandError::NotFound);
        refused(client.peek(id).await, &format!("peek {id}"), CommandError::NotFound);
        refused(client.kick_job(id).await, &format!("kick-job {id}"), CommandError::NotFound);
        refused(client.reserve_job(id).await, &format!("reserve-job {id}"), CommandError::NotFound);
        refused(client.stats_job(id).await, &format!("stats-job {id}"), CommandError::NotFound);
    }
}

pub async fn peeking_into_empty_queues_finds_nothing<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    refused(client.peek_ready().await, "peek-ready", CommandError::NotFound);
    refused(client.peek_delayed().await, "peek-delayed", CommandError::NotFound);
    refused(client.peek_buried().await, "peek-buried", CommandError::NotFound);
}

pub async fn every_command_about_a_missing_tube_is_not_found<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    refused(client.stats_tube("nowhere").await, "stats-tube nowhere", CommandError::NotFound);
    refused(client.pause_tube("nowhere", 1).await, "pause-tube nowhere", CommandError::NotFound);
}

pub async fn a_bad_format_leaves_the_connection_usable<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    for line in ["delete x", "kick", "stats-job", "pause-tube default", "release 1 2"] {
        let error = client.call(Raw::new(line)).await.unwrap_err();
        let wanted = if line == "kick" { CommandError::UnknownCommand } else { CommandError::BadFormat };
        assert_eq!(error.command_error(), Some(wanted), "{line}: {error}");
        assert_eq!(client.list_tube_used().await.unwrap(), "default");
    }
}

pub async fn an_unknown_command_leaves_the_connection_usable<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    for line in ["frobnicate", "PUT", "Stats", "delete1"] {
        refused(client.call(Raw::new(line)).await, &format!("raw command {line:?}"), CommandError::UnknownCommand);
        assert_eq!(client.list_tube_used().await.unwrap(), "default");
    }
    let reply = client.call(Raw::new("list-tube-used")).await.unwrap();
    assert_eq!(reply, Reply::Using("default".parse().unwrap()));
}
