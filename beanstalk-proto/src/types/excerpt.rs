//! Pieces of what a peer sent, for messages.

use alloc::{boxed::Box, format, string::String};
use core::fmt;

use super::TubeName;

/// A piece of what the peer sent, escaped and shortened for a message.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Excerpt(Box<str>);

impl Excerpt {
    /// Bytes shown at most: the longest name and what stands before it, so that names are whole.
    const SHOWN: usize = "USING ".len() + TubeName::MAX_LEN;

    pub(crate) fn new(bytes: &[u8]) -> Self {
        let text: String = match bytes.get(..Self::SHOWN) {
            Some(start) if bytes.len() > Self::SHOWN => format!("\"{}…\"", start.escape_ascii()),
            _ => format!("\"{}\"", bytes.escape_ascii()),
        };
        Self(text.into())
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
