//! Bodies on their way out.

#[cfg(target_has_atomic = "ptr")]
use alloc::sync::Arc;
use alloc::{borrow::Cow, boxed::Box, string::String, vec::Vec};
use core::ops::Deref;

/// A job body on its way out: borrowed, or owned and then moved to the transport without being copied.
///
/// Whatever bytes or text are kept in becomes one where a command takes a body:
///
/// ```
/// use beanstalk_proto::{Body, Put};
///
/// let text = String::from("to: ann");
/// let puts = [Put::of("to: ann"), Put::of(&text), Put::of(vec![0; 1024]), Put::of(*b"bytes")];
/// # let _ = puts;
/// // What is given away moves, what is lent is copied once.
/// assert!(matches!(Body::from(&text), Body::Borrowed(_)));
/// assert!(matches!(Body::from(text), Body::Owned(_)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Bytes that are copied into the outbound queue, once.
    Borrowed(&'a [u8]),
    /// Bytes that move; a large one is written from this very allocation.
    Owned(Vec<u8>),
}

impl Body<'_> {
    /// The longest body the protocol has room for on any server: 2^30 bytes. Most servers are set to far less
    /// (65535 unless set otherwise) and answer `JOB_TOO_BIG` above it.
    pub const MAX_LEN: usize = 1 << 30;

    /// Returns a value in JSON, to be put: `client.put(100, 0, 60, Body::json(&mail)?)`. [`Job::json`](super::Job::json) reads it.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::Body`](super::ArgumentError::Body) if JSON has no form for it: its `Serialize` fails, or it has a map whose keys
    /// are no text.
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Self, super::ArgumentError> {
        serde_json::to_vec(value).map(Self::Owned).map_err(|error| super::ArgumentError::Body {
            of: core::any::type_name::<T>(),
            why: alloc::string::ToString::to_string(&error).into(),
        })
    }
}

impl Deref for Body<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// Bytes or text, whatever it is kept in: a slice, a `Vec`, an array, a `Box`, an `Arc`, a `Bytes` of the crate `bytes`.
impl<'a, T: AsRef<[u8]> + ?Sized> From<&'a T> for Body<'a> {
    fn from(bytes: &'a T) -> Self {
        Self::Borrowed(bytes.as_ref())
    }
}

impl From<Vec<u8>> for Body<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Owned(bytes)
    }
}

impl From<String> for Body<'_> {
    fn from(text: String) -> Self {
        Self::Owned(text.into_bytes())
    }
}

impl<'a> From<Cow<'a, [u8]>> for Body<'a> {
    fn from(bytes: Cow<'a, [u8]>) -> Self {
        match bytes {
            Cow::Borrowed(bytes) => Self::Borrowed(bytes),
            Cow::Owned(bytes) => Self::Owned(bytes),
        }
    }
}

impl<'a> From<Cow<'a, str>> for Body<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Self::Owned(text.into_bytes()),
        }
    }
}

impl From<Box<[u8]>> for Body<'_> {
    fn from(bytes: Box<[u8]>) -> Self {
        Self::Owned(bytes.into_vec())
    }
}

/// The bytes are copied: others may hold them, too.
#[cfg(target_has_atomic = "ptr")]
impl From<Arc<[u8]>> for Body<'_> {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self::Owned(bytes.to_vec())
    }
}

/// They move if nothing else refers to their allocation, and are copied otherwise. What is to be put again is given as `&bytes`.
#[cfg(feature = "bytes")]
impl From<bytes::Bytes> for Body<'_> {
    fn from(bytes: bytes::Bytes) -> Self {
        Self::Owned(bytes.into())
    }
}

/// The bytes are copied.
impl<const N: usize> From<[u8; N]> for Body<'_> {
    fn from(bytes: [u8; N]) -> Self {
        Self::Owned(bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "bytes")]
    #[test]
    fn the_bytes_of_a_body_move_unless_somebody_else_has_them() {
        let bytes = bytes::Bytes::from(b"text".to_vec());
        let (place, shared) = (bytes.as_ptr(), bytes.clone());
        assert_eq!(Body::from(&bytes), Body::Borrowed(b"text"));
        let copied = Body::from(bytes);
        assert_eq!(copied, Body::Owned(b"text".to_vec()));
        assert_ne!(copied.as_ptr(), place, "others have them");
        assert_eq!(Body::from(shared).as_ptr(), place, "they move");
        assert_eq!(Body::from(bytes::Bytes::from_static(b"text")), Body::Owned(b"text".to_vec()));
    }

    #[test]
    fn a_body_is_made_of_whatever_bytes_are_kept_in() {
        let (owned, borrowed) = (Body::Owned(b"text".to_vec()), Body::Borrowed(b"text"));
        let shared: Arc<[u8]> = Arc::from(*b"text");
        let boxed: Box<[u8]> = Box::from(*b"text");
        let place = boxed.as_ptr();
        let of_borrowed = [
            Body::from("text"),
            Body::from(b"text"),
            Body::from(&b"text"[..]),
            Body::from(&shared),
            Body::from(&boxed),
            Body::from(Cow::Borrowed("text")),
            Body::from(Cow::Borrowed(&b"text"[..])),
        ];
        assert!(of_borrowed.iter().all(|body| *body == borrowed), "{of_borrowed:?}");
        assert_eq!(Body::from(boxed).as_ptr(), place, "it moves");
        let of_owned = [
            Body::from(String::from("text")),
            Body::from(b"text".to_vec()),
            Body::from(*b"text"),
            Body::from(shared.clone()),
            Body::from(Cow::<str>::Owned(String::from("text"))),
            Body::from(Cow::<[u8]>::Owned(b"text".to_vec())),
        ];
        assert!(of_owned.iter().all(|body| *body == owned), "{of_owned:?}");
    }
}
