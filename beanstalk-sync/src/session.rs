//! A client that outlives its connections, and the jobs that it holds: the driver's, in the thread that calls.

use beanstalk_proto::Error;

use crate::{blocking::block_on, std_runtime::Std};

beanstalk_driver::session! { (blocking by block_on) on Std; }
