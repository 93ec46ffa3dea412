//! The engine behind protocol connections, in virtual time: what is said on the wire, and when.

mod calls;
mod harness;
mod jobs;
mod listing;
mod puts;
mod reserving;
mod timing;
mod tubes;
