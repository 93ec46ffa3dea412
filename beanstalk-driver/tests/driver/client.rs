//! A shared client over wires, and what tests do with it, in virtual time.

use std::{future::Future, pin::Pin, time::Duration};

use beanstalk_driver::policy::{Backoff, SharedConfig};
use beanstalk_proto::{
    Command, Error, Instant, Job, Peek, Put, PutOutcome,
    client::{Config, Limits},
    encode,
};

use crate::{executor::settle, virtual_runtime::Virtual, wire::Wire};

pub(crate) type Shared = beanstalk_driver::SharedClient<Virtual>;
pub(crate) type Call<'c, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'c>>;

pub(crate) const DELAY: Duration = Duration::from_millis(100);
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const REPLY: Duration = Duration::from_secs(5);

pub(crate) fn config() -> SharedConfig {
    SharedConfig::default().reconnect(Backoff { first: DELAY, max: DELAY }).patience(PATIENCE)
}

pub(crate) fn client(runtime: &Virtual, config: SharedConfig) -> Shared {
    Shared::on(runtime.clone(), "queue".parse().unwrap(), config, Config::default()).unwrap()
}

/// A client on its first connection.
pub(crate) fn connected(runtime: &Virtual, config: SharedConfig) -> (Shared, Wire) {
    let wire = runtime.offer();
    let client = client(runtime, config);
    answer(runtime, &mut peek(&client, 1)).unwrap();
    wire.world().commands.clear();
    (client, wire)
}

pub(crate) fn peek(client: &Shared, id: u64) -> Call<'_, Job> {
    Box::pin(client.call(Peek::new(id)))
}

pub(crate) fn put<'c>(client: &'c Shared, tube: &'c str) -> Call<'c, PutOutcome> {
    Box::pin(client.call_in(tube, Put::of("x")))
}

pub(crate) fn is_waiting<T>(call: &mut Call<'_, T>) -> bool {
    settle(call.as_mut()).is_none()
}

pub(crate) fn result<T>(call: &mut Call<'_, T>) -> Result<T, Error> {
    settle(call.as_mut()).expect("it waits")
}

/// Lets the call and the tasks go on until it is answered, in no time.
pub(crate) fn answer<T>(runtime: &Virtual, call: &mut Call<'_, T>) -> Result<T, Error> {
    for _ in 0..4 {
        if let Some(result) = settle(call.as_mut()) {
            return result;
        }
        runtime.run();
    }
    panic!("it waits for something else");
}

/// Time passes, in steps in which nobody is forgotten.
pub(crate) fn pass(runtime: &Virtual, time: Duration) {
    let end = runtime.now_plus(time);
    while runtime.time() < end {
        runtime.advance(Duration::from_millis(50));
        runtime.run();
    }
}

impl Virtual {
    pub(crate) fn time(&self) -> Instant {
        beanstalk_driver::Runtime::now(self)
    }

    pub(crate) fn now_plus(&self, time: Duration) -> Instant {
        self.time() + time
    }
}

pub(crate) fn commands(wire: &Wire) -> Vec<String> {
    let world = wire.world();
    let commands = world.commands.iter().map(|command| match command {
        Command::Use { tube } => format!("use {tube}"),
        command => command.kind().word().into(),
    });
    commands.collect()
}

/// The lines of all commands that the server has read.
pub(crate) fn lines(wire: &Wire) -> Vec<String> {
    let line = |command: &Command| String::from_utf8(encode(command.clone()).unwrap()).unwrap().trim_end().into();
    wire.world().commands.iter().map(line).collect()
}

/// A client on its first connection, which has only so much room.
pub(crate) fn limited(runtime: &Virtual, limits: Limits) -> (Shared, Wire) {
    let wire = runtime.offer();
    let client =
        Shared::on(runtime.clone(), "queue".parse().unwrap(), config(), Config { limits, ..Config::default() })
            .unwrap();
    answer(runtime, &mut peek(&client, 0)).unwrap();
    (client, wire)
}
