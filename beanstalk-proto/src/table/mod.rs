//! What is emitted from the [rows](crate::command_table) of the command table for a client: the request structs, and [`Command`],
//! which holds any of them. ([`Kind`], which needs no values, is emitted below, next to [`Expect`].)

#[macro_use]
mod kinds;
#[macro_use]
mod emit;
mod put;

use alloc::vec::Vec;

use self::kinds::MAX_TIMEOUT;
pub(crate) use crate::request::Kind;
use crate::{
    error::{ArgumentError, DecodeError},
    reply::Reply,
    request::{Args, Encoder, Expect, Request, Wait, untyped},
    types::{
        Argument, Body, Bound, JobId, Priority, PutOutcome, ReleaseOutcome, Reserved, Seconds, Subject, TubeArg,
        TubeName,
    },
};

command_table!(define);
