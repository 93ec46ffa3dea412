//! A slot against a server made up for the purpose, in virtual time.

mod failures;
mod random;
mod scenarios;
mod server;
mod stages;
mod trouble;
mod world;
