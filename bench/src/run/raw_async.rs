//! The floors of the asynchronous clients: bare sockets on tokio and on async-std.

/// A bare socket of one runtime; `read` and `write_all` are the runtime's own.
macro_rules! raw_async {
    ($stream:ty) => {
        #[derive(Debug)]
        pub(super) struct Client {
            stream: $stream,
            small: Vec<u8>,
            big: Vec<u8>,
            delete: OnJob,
            touch: OnJob,
            peek: OnJob,
            buf: Box<[u8]>,
        }

        impl Client {
            pub(super) async fn connect(port: u16) -> Result<Self> {
                let stream = <$stream>::connect(("127.0.0.1", port)).await?;
                stream.set_nodelay(true)?;
                Ok(Self {
                    stream,
                    small: wire::put(SMALL),
                    big: wire::put(&BIG),
                    delete: OnJob::new(b"delete "),
                    touch: OnJob::new(b"touch "),
                    peek: OnJob::new(b"peek "),
                    buf: vec![0; 128 * 1024].into(),
                })
            }

            async fn read(&mut self) -> &[u8] {
                let n = self.stream.read(&mut self.buf).await.expect("read");
                assert!(n > 1 && self.buf[n - 1] == b'\n', "a reply came in pieces");
                &self.buf[..n]
            }

            pub(super) async fn put(&mut self, body: &[u8]) {
                let bytes = if body.len() == SMALL.len() { &self.small } else { &self.big };
                self.stream.write_all(bytes).await.expect("written");
                self.read().await;
            }

            pub(super) async fn put_owned(&mut self, body: Vec<u8>) {
                self.put(&body).await;
            }

            pub(super) async fn reserve(&mut self) -> u64 {
                self.stream.write_all(wire::RESERVE).await.expect("written");
                wire::number(wire::digits(self.read().await))
            }

            pub(super) async fn delete(&mut self, id: u64) {
                self.stream.write_all(self.delete.about(id)).await.expect("written");
                self.read().await;
            }

            pub(super) async fn touch(&mut self, id: u64) {
                self.stream.write_all(self.touch.about(id)).await.expect("written");
                self.read().await;
            }

            pub(super) async fn peek(&mut self, id: u64) -> usize {
                self.stream.write_all(self.peek.about(id)).await.expect("written");
                let mut len = 0;
                while !wire::is_whole_peek(&self.buf[..len]) {
                    len += self.stream.read(&mut self.buf[len..]).await.expect("read");
                }
                len
            }

            /// A large body both ways, from and to a buffer that is there.
            pub(super) async fn cycle_large(&mut self, count: u64) {
                let request = wire::put(&vec![b'x'; LARGE]);
                let mut reply = vec![0; LARGE + 64];
                for _ in 0..count {
                    self.stream.write_all(&request).await.expect("written");
                    self.read().await;
                    self.stream.write_all(wire::RESERVE).await.expect("written");
                    let mut len = 0;
                    while len < wire::large_reply(&reply[..len]) {
                        len += self.stream.read(&mut reply[len..]).await.expect("read");
                    }
                    self.delete(wire::number(wire::digits(&reply))).await;
                }
            }

            pub(super) async fn put_pipelined(&mut self, count: u64) {
                let batch = self.small.repeat(DEPTH);
                let one = self.small.len();
                let (mut left, mut flying) = (count as usize, 0);
                while left > 0 || flying > 0 {
                    if flying <= DEPTH / 2 && left > 0 {
                        let now = left.min(DEPTH - flying);
                        self.stream.write_all(&batch[..now * one]).await.expect("written");
                        left -= now;
                        flying += now;
                    }
                    let n = self.stream.read(&mut self.buf).await.expect("read");
                    flying -= wire::lines(&self.buf[..n]);
                }
            }
        }
    };
}

pub(super) mod on_tokio {
    use anyhow::{Result, bail};
    use std::{hint::black_box, mem};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::super::{
        Meter, RunArgs, Work, serial, tokio_runtime,
        wire::{self, BIG, DEPTH, LARGE, OnJob, SMALL},
    };

    raw_async!(TcpStream);

    pub(in super::super) fn run(args: RunArgs) -> Result<()> {
        tokio_runtime()?.block_on(async {
            let mut client = Client::connect(args.port).await?;
            if !args.work.is_serial() {
                let meter = Meter::start(args.server);
                match args.work {
                    Work::PutPipelined => client.put_pipelined(args.count).await,
                    Work::Cycle16m => client.cycle_large(args.count).await,
                    work => bail!("{} does not do {work}", args.contender),
                }
                meter.stop(args.count);
                return Ok(());
            }
            serial!(client, args, [.await]);
            Ok(())
        })
    }
}

pub(super) mod on_async_std {
    use anyhow::{Result, bail};
    use async_std::{
        io::{ReadExt, WriteExt},
        net::TcpStream,
        task,
    };
    use std::{hint::black_box, mem};

    use super::super::{
        Meter, RunArgs, Work, serial,
        wire::{self, BIG, DEPTH, LARGE, OnJob, SMALL},
    };

    raw_async!(TcpStream);

    pub(in super::super) fn run(args: RunArgs) -> Result<()> {
        task::block_on(async {
            let mut client = Client::connect(args.port).await?;
            if !args.work.is_serial() {
                let meter = Meter::start(args.server);
                match args.work {
                    Work::PutPipelined => client.put_pipelined(args.count).await,
                    Work::Cycle16m => client.cycle_large(args.count).await,
                    work => bail!("{} does not do {work}", args.contender),
                }
                meter.stop(args.count);
                return Ok(());
            }
            serial!(client, args, [.await]);
            Ok(())
        })
    }
}
