//! Our asynchronous clients. They have the same methods, so each is written once here.

macro_rules! ours_async {
    ($krate:ident) => {
        #[derive(Debug)]
        pub(super) struct Client($krate::Client);

        impl Client {
            pub(super) async fn connect(port: u16) -> Result<Self> {
                Ok(Self($krate::Client::connect(&format!("127.0.0.1:{port}")).await?))
            }

            pub(super) async fn put(&mut self, body: &[u8]) -> u64 {
                self.0.put(PRIORITY, 0, TTR, body).await.expect("put").id().0
            }

            pub(super) async fn put_owned(&mut self, body: Vec<u8>) -> u64 {
                self.0.put(PRIORITY, 0, TTR, body).await.expect("put").id().0
            }

            pub(super) async fn reserve(&mut self) -> u64 {
                self.0.reserve().await.expect("reserved").job().expect("a job").id.0
            }

            pub(super) async fn delete(&mut self, id: u64) {
                self.0.delete(id).await.expect("deleted");
            }

            pub(super) async fn touch(&mut self, id: u64) {
                self.0.touch(id).await.expect("touched");
            }

            pub(super) async fn peek(&mut self, id: u64) -> Vec<u8> {
                self.0.peek(id).await.expect("found").body
            }

            pub(super) async fn put_pipelined(&mut self, count: u64) {
                let mut results = self.0.call_all((0..count).map(|_| Put::new(PRIORITY, 0, TTR, SMALL)));
                while let Some(result) = results.next().await {
                    let _outcome = result.expect("put");
                }
            }

            pub(super) async fn drain_paired(&mut self, count: u64) {
                let mut id = self.reserve().await;
                for _ in 1..count {
                    let (deleted, next) =
                        self.0.call_both(Delete::new(id), Reserve::new()).await.expect("room for two");
                    deleted.expect("the job was ours");
                    id = next.expect("an answer").job().expect("a job").id.0;
                }
                self.delete(id).await;
            }

            pub(super) async fn drain_pipelined(&mut self, count: u64) {
                let mut requests: Vec<Command> = Vec::with_capacity(DEPTH);
                let mut left = count as usize;
                while left > 0 || !requests.is_empty() {
                    let now = left.min(DEPTH / 2);
                    requests.extend((0..now).map(|_| Command::ReserveWithTimeout { timeout: 0 }));
                    let mut deletes = Vec::with_capacity(DEPTH);
                    let mut results = self.0.call_all(requests.drain(..));
                    while let Some(result) = results.next().await {
                        if let Reply::Reserved(job) = result.expect("an answer") {
                            deletes.push(Command::Delete { id: job.id });
                        }
                    }
                    drop(results);
                    requests = deletes;
                    left -= now;
                }
            }

            /// Each body is what the reserve before has given, so that none is copied.
            pub(super) async fn cycle_large(&mut self, count: u64) {
                let mut body = vec![b'x'; LARGE];
                for _ in 0..count {
                    let _outcome = self.0.put(PRIORITY, 0, TTR, body).await.expect("put");
                    let job = self.0.reserve().await.expect("reserved").job().expect("a job");
                    self.0.delete(job.id).await.expect("deleted");
                    body = job.body;
                }
            }

            pub(super) async fn alternate(&mut self, count: u64) {
                let mut results = self.0.call_all(alternating(count, &BIG));
                while let Some(result) = results.next().await {
                    result.expect("an answer");
                }
            }
        }
    };
}

pub(super) mod on_tokio {
    use anyhow::{Result, bail};
    use beanstalk_tokio::{Command, Delete, Put, Reply, Reserve};
    use std::{hint::black_box, mem};

    use super::super::{
        Meter, RunArgs, Work, pipelined, serial, tokio_runtime,
        wire::{BIG, DEPTH, LARGE, PRIORITY, SMALL, TTR, alternating},
    };

    ours_async!(beanstalk_tokio);

    pub(in super::super) fn run(args: RunArgs) -> Result<()> {
        tokio_runtime()?.block_on(async {
            if let Work::SharedOne | Work::SharedHundred = args.work {
                return share(args, if args.work == Work::SharedOne { 1 } else { 100 }).await;
            }
            let client = Client::connect(args.port).await?;
            if args.work.is_serial() {
                serial!(client, args, [.await]);
            } else {
                pipelined!(client, args, [.await]);
            }
            Ok(())
        })
    }

    /// Puts from so many tasks over one connection.
    async fn share(args: RunArgs, tasks: u64) -> Result<()> {
        let client = beanstalk_tokio::SharedClient::connect(&format!("127.0.0.1:{}", args.port)).await?;
        let meter = Meter::start(args.server);
        let tasks = (0..tasks).map(|task| {
            let client = client.clone();
            let turns = (task..args.count).step_by(tasks as usize);
            tokio::spawn(async move {
                for _ in turns {
                    let _outcome = client.put_in("default", PRIORITY, 0, TTR, SMALL).await.expect("put");
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await?;
        }
        meter.stop(args.count);
        Ok(())
    }
}

pub(super) mod on_async_std {
    use anyhow::{Result, bail};
    use async_std::task;
    use beanstalk_async_std::{Command, Delete, Put, Reply, Reserve};
    use std::{hint::black_box, mem};

    use super::super::{
        Meter, RunArgs, Work, pipelined, serial,
        wire::{BIG, DEPTH, LARGE, PRIORITY, SMALL, TTR, alternating},
    };

    ours_async!(beanstalk_async_std);

    pub(in super::super) fn run(args: RunArgs) -> Result<()> {
        task::block_on(async {
            let client = Client::connect(args.port).await?;
            if args.work.is_serial() {
                serial!(client, args, [.await]);
            } else {
                pipelined!(client, args, [.await]);
            }
            Ok(())
        })
    }
}
