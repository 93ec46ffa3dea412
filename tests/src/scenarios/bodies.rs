//! What a job carries.

use beanstalk_proto::{
    CommandError, Error,
    client::{Config, Limits},
};

use super::refused;
use crate::{peer::Peer, server::Options, session::Stage};

/// The server's max-job-size where nothing else is said.
const MAX: usize = 65535;

pub async fn a_body_comes_back_byte_for_byte<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let every_byte: Vec<u8> = (0..=255).collect();
    let largest: Vec<u8> = every_byte.iter().copied().cycle().take(MAX).collect();
    let bodies: [&[u8]; 9] =
        [b"", b"\r\n", b"\r", b"\n", b"\0", b"ends in cr\r", b"x\r\nquit\r\ndelete 1\r\n", &every_byte, &largest];
    for body in bodies {
        let id = client.put(0, 0, 60, body).await.unwrap().id();
        assert_eq!(client.peek(id).await.unwrap().body, body);
        assert_eq!(client.reserve().await.unwrap().job().unwrap().body, body);
        client.delete(id).await.unwrap();
    }
    // A body that is given away takes another way to the socket.
    let id = client.put(0, 0, 60, largest.clone()).await.unwrap().id();
    assert_eq!(client.peek(id).await.unwrap().body, largest);
}

pub async fn a_body_that_is_not_text_is_reported_with_the_place<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    client.put(0, 0, 60, b"ab\xffc").await.unwrap().inserted().unwrap();
    let job = client.reserve().await.unwrap().job().unwrap();
    assert_eq!(job.text().unwrap_err().valid_up_to(), 2);
    client.put(0, 0, 60, "gr\u{fc}n").await.unwrap().inserted().unwrap();
    assert_eq!(client.reserve().await.unwrap().job().unwrap().text().unwrap(), "gr\u{fc}n");
}

pub async fn a_body_over_the_limit_is_refused_and_the_connection_goes_on<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let body = vec![b'x'; MAX + 1];
    for _ in 0..3 {
        refused(client.put(0, 0, 60, &body).await, "put", CommandError::JobTooBig);
    }
    let id = client.put(0, 0, 60, &body[1..]).await.unwrap().id();
    assert_eq!(id.0, 1, "a job that is too big takes no id");
    assert_eq!(client.peek(id).await.unwrap().body.len(), MAX);
}

pub async fn a_limit_set_by_hand_holds_to_the_byte<P: Peer>(stage: &Stage) {
    let stage = stage.another(Options { max_job_size: Some(10), ..Options::default() });
    let mut client = stage.connect::<P>().await;
    refused(client.put(0, 0, 60, "eleven long").await, "put", CommandError::JobTooBig);
    client.put(0, 0, 60, "ten is all").await.unwrap().inserted().unwrap();
    assert_eq!(client.stats().await.unwrap().max_job_size, Some(10));
}

pub async fn a_reply_over_our_limit_leaves_a_job_that_can_be_buried<P: Peer>(stage: &Stage) {
    let limits = Limits { reply_body: 2000, ..Limits::default() };
    let mut client = stage.connect_with::<P>(Config { limits, ..Config::default() }).await;
    for bytes in [2001, 9000, 60000] {
        let id = client.put(0, 0, 60, vec![b'x'; bytes]).await.unwrap().id();
        let error = client.reserve().await.unwrap_err();
        assert!(!error.is_fatal());
        assert_eq!(
            error.to_string(),
            format!("reserve: job {id} has {}, and this client's limit is 2,000 bytes", grouped(bytes))
        );
        assert!(
            matches!(error, Error::ReplyTooBig { id: Some(job), bytes: b, limit: 2000, .. } if job == id && b == bytes as u64)
        );
        client.bury(id, 0).await.unwrap();
    }
    client.put(0, 0, 60, vec![b'x'; 2000]).await.unwrap().inserted().unwrap();
    assert_eq!(client.reserve().await.unwrap().job().unwrap().body.len(), 2000);
}

/// A number of bytes as messages say it.
fn grouped(bytes: usize) -> String {
    format!("{},{:03} bytes", bytes / 1000, bytes % 1000)
}
