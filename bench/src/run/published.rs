//! Clients that others have published, each used as its documentation shows.

use std::{str, time::Duration};

use anyhow::{Result, anyhow};
use beanstalkd_rs::ReserveResult;
use mamenoki::{BeanstalkChannel, BeanstalkClient, PutCommandConfig};

use super::wire::{PRIORITY, TTR};

const LIFE: Duration = Duration::from_secs(TTR as u64);

pub(super) struct Beanstalkc(beanstalkc::Beanstalkc);

impl Beanstalkc {
    pub(super) fn connect(port: u16) -> Result<Self> {
        let client = beanstalkc::Beanstalkc::new().host("127.0.0.1").port(port);
        Ok(Self(client.connect().map_err(|error| anyhow!("{error}"))?))
    }

    pub(super) fn put(&mut self, body: &[u8]) -> u64 {
        self.0.put(body, PRIORITY, Duration::ZERO, LIFE).expect("put")
    }

    pub(super) fn put_owned(&mut self, body: Vec<u8>) -> u64 {
        self.put(&body)
    }

    pub(super) fn reserve(&mut self) -> u64 {
        self.0.reserve().expect("reserved").id()
    }

    pub(super) fn delete(&mut self, id: u64) {
        self.0.delete(id).expect("deleted");
    }

    pub(super) fn touch(&mut self, id: u64) {
        self.0.touch(id).expect("touched");
    }

    pub(super) fn peek(&mut self, id: u64) -> usize {
        self.0.peek(id).expect("found").body().len()
    }
}

/// It has neither `peek` nor `touch`.
pub(super) struct Beanstalkd(beanstalkd::Beanstalkd);

impl Beanstalkd {
    pub(super) fn connect(port: u16) -> Result<Self> {
        Ok(Self(beanstalkd::Beanstalkd::connect("127.0.0.1", port).map_err(|error| anyhow!("{error}"))?))
    }

    pub(super) fn put(&mut self, body: &[u8]) -> u64 {
        self.0.put(str::from_utf8(body).expect("text"), PRIORITY, 0, TTR).expect("put")
    }

    pub(super) fn put_owned(&mut self, body: Vec<u8>) -> u64 {
        self.put(&body)
    }

    pub(super) fn reserve(&mut self) -> u64 {
        self.0.reserve().expect("reserved").0
    }

    pub(super) fn delete(&mut self, id: u64) {
        self.0.delete(id).expect("deleted");
    }
}

pub(super) struct BeanstalkdRs(beanstalkd_rs::Connection);

impl BeanstalkdRs {
    pub(super) async fn connect(port: u16) -> Result<Self> {
        Ok(Self(beanstalkd_rs::Connection::tcp_connect(&format!("127.0.0.1:{port}")).await?))
    }

    pub(super) async fn put(&mut self, body: &[u8]) -> u64 {
        self.0.put(PRIORITY, 0, TTR, body).await.expect("put").id()
    }

    pub(super) async fn put_owned(&mut self, body: Vec<u8>) -> u64 {
        self.0.put(PRIORITY, 0, TTR, body).await.expect("put").id()
    }

    pub(super) async fn reserve(&mut self) -> u64 {
        match self.0.reserve().await.expect("reserved") {
            ReserveResult::Reserved(job) => job.id,
            other => panic!("no job: {other:?}"),
        }
    }

    pub(super) async fn delete(&mut self, id: u64) {
        self.0.delete(id).await.expect("deleted");
    }

    pub(super) async fn touch(&mut self, id: u64) {
        self.0.touch(id).await.expect("touched");
    }

    pub(super) async fn peek(&mut self, id: u64) -> usize {
        self.0.peek(id).await.expect("an answer").expect("found").body.len()
    }
}

/// Its connection is served by a task of its own, and bodies are text.
pub(super) struct Mamenoki(BeanstalkClient);

impl Mamenoki {
    pub(super) async fn connect(port: u16) -> Result<Self> {
        let mut channel = BeanstalkChannel::connect(&format!("127.0.0.1:{port}")).await?;
        let client = channel.create_client();
        tokio::spawn(async move { channel.run_channel().await });
        Ok(Self(client))
    }

    pub(super) async fn put(&mut self, body: &[u8]) -> u64 {
        self.put_text(str::from_utf8(body).expect("text").to_owned()).await
    }

    pub(super) async fn put_owned(&mut self, body: Vec<u8>) -> u64 {
        self.put_text(String::from_utf8(body).expect("text")).await
    }

    /// It gives the line of the reply.
    async fn put_text(&mut self, body: String) -> u64 {
        let config = PutCommandConfig { priority: PRIORITY, delay: 0, time_to_run: TTR };
        let reply = self.0.put_with_config(body, config).await.expect("put");
        let id = reply.trim_end().rsplit(' ').next().expect("a word");
        id.parse().expect("an id")
    }

    pub(super) async fn reserve(&mut self) -> u64 {
        self.0.reserve().await.expect("reserved").id
    }

    pub(super) async fn delete(&mut self, id: u64) {
        self.0.delete(id).await.expect("deleted");
    }

    pub(super) async fn touch(&mut self, id: u64) {
        self.0.touch(id).await.expect("touched");
    }

    pub(super) async fn peek(&mut self, id: u64) -> usize {
        self.0.peek(id).await.expect("found").payload.len()
    }
}
