//! A slot against a server made up for the purpose, in virtual time.

mod random;
mod scenarios;
mod server;
mod world;
