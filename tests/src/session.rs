//! What a scenario plays on: a server of its own, and connections that remember which commands were sent.

use std::{any, cell::RefCell, collections::BTreeSet, rc::Rc};

use beanstalk_proto::{
    Error, Job, Kind, Request,
    client::{Config, Ticket},
};

use crate::{
    bare::Bare,
    peer::{Both, Peer},
    server::{Backend, Options, Server},
};

type Sent = Rc<RefCell<BTreeSet<&'static str>>>;

/// A scenario's server.
#[derive(Debug)]
pub struct Stage {
    backend: Backend,
    server: Server,
    sent: Sent,
}

impl Stage {
    /// A fresh server with its defaults.
    pub fn new(backend: Backend) -> Self {
        Self { backend, server: Server::start(backend, Options::default()), sent: Sent::default() }
    }

    /// Another server of the same sort, started in another way.
    pub fn another(&self, options: Options) -> Self {
        Self { backend: self.backend, server: Server::start(self.backend, options), sent: Rc::clone(&self.sent) }
    }

    /// Which server it is.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The server itself.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Connects a client with the default configuration.
    pub async fn connect<P: Peer>(&self) -> Session<P> {
        self.connect_with(Config::default()).await
    }

    /// Connects a client.
    pub async fn connect_with<P: Peer>(&self, config: Config) -> Session<P> {
        let peer = P::connect(self.server.address(), config).await.unwrap();
        Session { peer, sent: Rc::clone(&self.sent) }
    }

    /// Connects without a client, to one node if there are several.
    pub fn bare(&self) -> Bare {
        Bare::connect(self.server.address().split(',').next().unwrap_or_default()).unwrap()
    }

    /// Whether a typed request of this kind was sent. A request's struct is named as its kind.
    pub fn was_sent(&self, kind: Kind) -> bool {
        self.sent.borrow().contains(format!("{kind:?}").as_str())
    }
}

/// A client's connection, with the named methods of every adapter.
#[derive(Debug)]
pub struct Session<P> {
    peer: P,
    sent: Sent,
}

impl<P: Peer> Session<P> {
    beanstalk_driver::command_methods! { (async) }

    /// See [`Peer::call`].
    pub async fn call<R: Request>(&mut self, request: R) -> Result<R::Reply, Error> {
        self.note::<R>();
        self.peer.call(request).await
    }

    /// See [`Peer::send`].
    pub async fn send<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, Error> {
        self.note::<R>();
        self.peer.send(request).await
    }

    /// See [`Peer::reply`].
    pub async fn reply<T>(&mut self, ticket: Ticket<T>) -> Result<T, Error> {
        self.peer.reply(ticket).await
    }

    /// See [`Peer::call_both`].
    pub async fn call_both<A: Request, B: Request>(&mut self, first: A, second: B) -> Result<Both<A, B>, Error> {
        self.note::<A>();
        self.note::<B>();
        self.peer.call_both(first, second).await
    }

    /// See [`Peer::call_all`]; takes every result.
    pub async fn call_all<R: Request>(&mut self, requests: Vec<R>) -> Vec<Result<R::Reply, Error>> {
        self.call_some(requests, usize::MAX).await
    }

    /// See [`Peer::call_all`].
    pub async fn call_some<R: Request>(&mut self, requests: Vec<R>, take: usize) -> Vec<Result<R::Reply, Error>> {
        self.note::<R>();
        self.peer.call_all(requests, take).await
    }

    /// Sends a request that nobody waits for any more once it is flushed.
    pub async fn cancel(&mut self, request: beanstalk_proto::Command) {
        let first = beanstalk_proto::Command::ListTubeUsed;
        for result in self.peer.call_all(vec![first, request], 1).await {
            result.unwrap();
        }
    }

    /// Reserves a job that another connection is about to lose, as its second to run is nearly over.
    ///
    /// `None` if the server has missed it: a real one forgets a connection's deadlines for good when it looks in the very
    /// microsecond in which one falls, and it looks all the time just before. Then start over.
    pub async fn reserve_expired(&mut self, stage: &Stage) -> Option<Job> {
        let job = self.reserve_with_timeout(3).await.unwrap().job();
        assert!(job.is_some() || stage.backend() == Backend::Real, "the job did not become ready");
        job
    }

    /// See [`Peer::take_orphaned`].
    pub fn take_orphaned(&mut self) -> Vec<Job> {
        self.peer.take_orphaned()
    }

    /// See [`Peer::is_closed`].
    pub fn is_closed(&mut self) -> bool {
        self.peer.is_closed()
    }

    /// See [`Peer::closed`].
    pub async fn closed(&mut self) -> Error {
        self.peer.closed().await
    }

    /// See [`Peer::disconnect`].
    pub async fn disconnect(self) -> Result<(), Error> {
        self.peer.disconnect().await
    }

    fn note<R>(&self) {
        let name = any::type_name::<R>();
        let name = name.split('<').next().unwrap_or(name);
        self.sent.borrow_mut().insert(name.rsplit("::").next().unwrap_or(name));
    }
}
