//! A slot against a server made up for the purpose, in virtual time.

mod failures;
mod random;
mod scenarios;
mod server;
mod trouble;
mod world;
