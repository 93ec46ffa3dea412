//! Our blocking client.

use anyhow::Result;
use beanstalk_sync::{Command, Delete, Put, Reply, Reserve};

use super::wire::{BIG, DEPTH, LARGE, PRIORITY, SMALL, TTR};

#[derive(Debug)]
pub(super) struct Client(beanstalk_sync::Client);

impl Client {
    pub(super) fn connect(port: u16) -> Result<Self> {
        Ok(Self(beanstalk_sync::Client::connect(&format!("127.0.0.1:{port}"))?))
    }

    pub(super) fn put(&mut self, body: &[u8]) -> u64 {
        self.0.put(PRIORITY, 0, TTR, body).expect("put").id().0
    }

    pub(super) fn put_owned(&mut self, body: Vec<u8>) -> u64 {
        self.0.put(PRIORITY, 0, TTR, body).expect("put").id().0
    }

    pub(super) fn reserve(&mut self) -> u64 {
        self.0.reserve().expect("reserved").job().expect("a job").id.0
    }

    pub(super) fn delete(&mut self, id: u64) {
        self.0.delete(id).expect("deleted");
    }

    pub(super) fn touch(&mut self, id: u64) {
        self.0.touch(id).expect("touched");
    }

    pub(super) fn peek(&mut self, id: u64) -> Vec<u8> {
        self.0.peek(id).expect("found").body
    }

    pub(super) fn put_pipelined(&mut self, count: u64) {
        for result in self.0.call_all((0..count).map(|_| Put::new(PRIORITY, 0, TTR, SMALL))) {
            let _outcome = result.expect("put");
        }
    }

    pub(super) fn drain_paired(&mut self, count: u64) {
        let mut id = self.reserve();
        for _ in 1..count {
            let (deleted, next) = self.0.call_both(Delete::new(id), Reserve::new()).expect("room for two");
            deleted.expect("the job was ours");
            id = next.expect("an answer").job().expect("a job").id.0;
        }
        self.delete(id);
    }

    pub(super) fn drain_pipelined(&mut self, count: u64) {
        let mut requests: Vec<Command> = Vec::with_capacity(DEPTH);
        let mut left = count as usize;
        while left > 0 || !requests.is_empty() {
            let now = left.min(DEPTH / 2);
            requests.extend((0..now).map(|_| Command::ReserveWithTimeout { timeout: 0 }));
            let mut deletes = Vec::with_capacity(DEPTH);
            for result in self.0.call_all(requests.drain(..)) {
                if let Reply::Reserved(job) = result.expect("an answer") {
                    deletes.push(Command::Delete { id: job.id });
                }
            }
            requests = deletes;
            left -= now;
        }
    }

    /// Each body is what the reserve before has given, so that none is copied.
    pub(super) fn cycle_large(&mut self, count: u64) {
        let mut body = vec![b'x'; LARGE];
        for _ in 0..count {
            let _outcome = self.0.put(PRIORITY, 0, TTR, body).expect("put");
            let job = self.0.reserve().expect("reserved").job().expect("a job");
            self.0.delete(job.id).expect("deleted");
            body = job.body;
        }
    }

    pub(super) fn alternate(&mut self, count: u64) {
        for result in self.0.call_all(super::wire::alternating(count, &BIG)) {
            result.expect("an answer");
        }
    }
}
